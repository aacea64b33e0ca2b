"""The container that executes the run: lays out its folder, supervises it as on any machine, and brings back what it left."""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PTH103, PTH109, PTH110, PTH112, PTH123

from __future__ import annotations

import fcntl
import os

from .. import journal, process, quickjson, supervise
from ..failure import text_of
from . import deliver, intake, say
from .put import Patience, honour

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

    from . import Places

_EXIT = {"COMPLETED": 0, "STOPPED": 143}


def run(places: Places) -> int:
    """Execute the run of this pod. Returns the exit code; whatever happens, how it ended is said in the termination message."""
    try:
        _hold(places.home)
        surroundings(places.home, places.temporary)
        state = _carry_out(places)
    except Exception as error:
        import traceback

        found = {
            "cause": "RunnerError",
            "message": f"the runner itself failed: {type(error).__name__}: {text_of(error)}",
            "traceback": traceback.format_exc(),
            "cure": "please report this",
        }
        say(found["message"])
        state = deliver.last_words(places, found)
    return _EXIT.get(state, 1)


def _hold(home: str) -> None:
    """Hold the lock of `home/claim` for as long as this container lives: the other one sees by it that the run is being executed."""
    descriptor = journal.claim(home)
    if descriptor is None:
        # A container that was started anew in the same pod.
        descriptor = os.open(f"{home}/claim", os.O_RDWR | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    process.owned.add(descriptor)


def surroundings(home: str, temporary: str) -> None:
    """What programs expect of a place to work, for users that the image knows nothing of and file systems that are read-only."""
    environment = os.environ
    environment["RUNWRIGHT_HOME"] = home
    environment["RUNWRIGHT_ECHO"] = "1"
    environment["RUNWRIGHT_IMAGE_PACKAGES"] = "1"
    environment["TMPDIR"] = temporary
    os.makedirs(temporary, exist_ok=True)
    # An image's own home may hold caches and packages, so it stays where it is of use.
    before = environment.get("HOME") or "/"
    if before == "/" or not os.path.isdir(before) or not os.access(before, os.W_OK):
        environment["HOME"] = home
        if before != "/" and os.path.isdir(f"{before}/.local"):
            environment.setdefault("PYTHONUSERBASE", f"{before}/.local")
    try:
        import pwd

        pwd.getpwuid(os.getuid())
    except (ImportError, KeyError):
        # `getpass.getuser()`, which many libraries call, fails for a user without a name.
        environment.setdefault("USER", "runwright")
        environment.setdefault("LOGNAME", environment["USER"])
    if not os.access(".", os.W_OK) and os.getcwd() == "/":
        os.makedirs(f"{home}/work", exist_ok=True)
        os.chdir(f"{home}/work")


def _carry_out(places: Places) -> Any:
    frozen = intake.frozen(places, os.environ)
    pod = frozen["pod"]
    folder = f"{places.home}/runs/{frozen['id']}"
    if "serve" in (frozen.get("task") or {}) and os.path.exists(folder):
        # Another beginning of the same service in the same pod.
        import shutil

        shutil.rmtree(folder)
    os.makedirs(folder, exist_ok=True)
    # The URLs in `pod` are credentials.
    with open(f"{folder}/run.json", "wb") as file:
        file.write(quickjson.encode({name: value for name, value in frozen.items() if name != "pod"}))
    honour(frozen.get("envs"))
    wakeup = process.Wakeup(f"{folder}/stop")

    def prepare(log: Any) -> dict[str, str]:
        intake.expired(pod)
        intake.wait(places, pod, wakeup, log)
        if wakeup.stop:
            return {}
        _lay_out(places, frozen, folder)
        return intake.secrets(places, pod)

    if supervise.execute(places.home, frozen["id"], frozen, None, wakeup, prepare) is None:
        # A container that was started anew: the one before it died.
        journal.bury(folder)
    return deliver.deliver(places, folder, pod, Patience(places.patience, wakeup))


def _lay_out(places: Places, frozen: dict[str, Any], folder: str) -> None:
    """Code, inputs and the item's own parameters. Raises Failed, OSError or ValueError."""
    pod = frozen["pod"]
    if pod.get("luggage") or pod.get("code"):
        from . import unpack

        if pod.get("luggage"):
            unpack.luggage(places, int(pod["luggage"]), folder)
        path = unpack.code(places, pod.get("code"))
        call = (frozen.get("task") or {}).get("call")
        if path and call:
            call["path"] = path
    intake.become_item(places, frozen)
