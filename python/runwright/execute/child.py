"""What the forked child does: its environment, then the user's function (or a program that takes its place)."""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PLR0917, PTH109, PTH123, S606

from __future__ import annotations

import os
import sys

from . import clock, quickjson
from .lean import signal

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any


class Job:
    """One attempt, seen from the child."""

    def __init__(self, home: str, folder: str, frozen: dict[str, Any], secrets: dict[str, Any], venv: Any, attempt: int) -> None:
        self.home = home
        self.folder = folder
        self.frozen = frozen
        self.secrets = secrets
        self.venv = venv
        self.attempt = attempt
        self._report = -1
        self._pid = 0
        self._lock: Any = None

    def run(self, report: int) -> int:
        """The body of the child. Returns the exit code."""
        self._report = report
        self._pid = os.getpid()
        self._environment()
        command = self.frozen["task"].get("command")
        return self._command(command) if command else self._call()

    def send(self, message: dict[str, Any]) -> None:
        """Report to the supervisor."""
        data = quickjson.encode(message) + b"\n"
        lock = self._lock
        # A pipe takes small messages whole; larger ones of several threads would mix. A lock that a fork left held must not block for ever.
        held = lock is not None and len(data) > 4096 and lock.acquire(timeout=5.0)
        try:
            while data:
                data = data[os.write(self._report, data) :]
        finally:
            if held:
                lock.release()

    def _environment(self) -> None:
        frozen = self.frozen
        environment = os.environ
        for name in ("RUNWRIGHT_ECHO", "RUNWRIGHT_IMAGE_PACKAGES", "RUNWRIGHT_SLOT_FD"):
            environment.pop(name, None)
        # Programs that the user's code starts print as it happens, too.
        environment.setdefault("PYTHONUNBUFFERED", "1")
        environment.update({name: str(value) for name, value in (frozen.get("envs") or {}).items()})
        environment.update(self.secrets)
        environment["RUNWRIGHT_RUN"] = str(frozen.get("key") or "")
        environment["RUNWRIGHT_PROJECT"] = str(frozen.get("project") or "")
        if self.venv:
            environment["VIRTUAL_ENV"] = self.venv
            environment["PATH"] = f"{self.venv}/bin{os.pathsep}{environment.get('PATH', os.defpath)}"
            environment.pop("PYTHONHOME", None)
        folder = frozen.get("cwd")
        if folder:
            try:
                os.chdir(folder)
            except OSError as error:
                os.write(2, f"runwright: the working folder cannot be entered ({error}); staying in {os.getcwd()}\n".encode())

    def _command(self, command: list[str]) -> int:
        try:
            # Python ignores it; a program of another kind expects to die of a closed pipe.
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            os.execvp(command[0], command)
        except OSError as error:
            found = not isinstance(error, FileNotFoundError)
            message = f"{command[0]!r} cannot be started: {error.strerror}"
            cure = "make it executable" if found else "install it, or correct its name or PATH"
            code = 126 if found else 127
            self._end({"state": "ERROR", "error": {"cause": "ExitCode", "message": message, "cure": cure, "attributes": {}}})
            return code

    def _call(self) -> int:
        _streams()
        _interpreter(self.venv, (self.frozen.get("envs") or {}).get("PYTHONPATH"))
        # What the runner needed to start is not the user's `__main__`.
        sys.modules["__main__"] = type(sys)("__main__")
        sys.argv = [""]
        import _thread

        from . import logcapture, shim

        self._lock = _thread.allocate_lock()
        logcapture.capture(lambda level, logger, text: self.send({"type": "log", "level": level, "logger": logger, "m": text}))
        shim.offer()
        code = 0
        try:
            summary = self._execute()
        except BaseException as error:
            from .failure import describe

            code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1
            summary = {"state": "ERROR", "error": describe(error)}
        if os.getpid() != self._pid:
            return 0  # the user's code forked, and this is the other one coming back
        from .distributions import digest

        summary["distributions"] = digest()
        _flush()
        self._end(summary)
        _wind_up()
        return code

    def _end(self, summary: dict[str, Any]) -> None:
        self.send({"type": "summary", **summary})

    def _execute(self) -> dict[str, Any]:
        from . import call, context, load

        task = self.frozen["task"]["call"]
        active = context.Active(self.frozen, self.folder, self.send, self.attempt)
        context.become(active)
        if "serve" in self.frozen["task"]:
            return self._serve(task, active)
        begin = clock.monotonic()
        fn = load.load_handler(task.get("path") or "", task["handler"], task.get("python"))
        imported = clock.monotonic()
        self.send({"type": "mark", "name": "import", "seconds": round(imported - begin, 6)})
        values = self._values()
        begin = clock.monotonic()
        value = None
        try:
            value = call.invoke(fn, values, active.supply)
        except SystemExit as leave:
            if leave.code not in (None, 0):
                raise
        finally:
            returned = clock.monotonic()
            self.send({"type": "mark", "name": "call", "seconds": round(returned - begin, 6)})
        shape, outputs = call.collect(value, call.declared_outputs(fn, task), self.folder)
        self.send({"type": "mark", "name": "outputs", "seconds": round(clock.monotonic() - returned, 6)})
        return {"state": "COMPLETED", "error": None, "shape": shape, "outputs": outputs, "names": list(outputs)}

    def _values(self) -> dict[str, Any]:
        """Parameters and inputs by name. Raises Failed where an input cannot be read."""
        from .bind import plain_parameters

        values = plain_parameters(self.frozen)
        given = self.frozen.get("inputs")
        if given:
            from .inputs import resolve

            values.update({name: resolve(name, entry, self.folder) for name, entry in given.items()})
        return values

    def _serve(self, task: dict[str, Any], active: Any) -> dict[str, Any]:
        """Serve the handler over HTTP until a stop is asked for."""
        from . import load
        from .pipelock import PipeLock
        from .serve import serve_from

        # Workers are processes of their own, which report by this pipe, too.
        self._lock = PipeLock()
        settings = {"name": self.frozen.get("function"), **self.frozen["task"]["serve"]}

        def handler() -> Any:
            return load.load_handler(task.get("path") or "", task["handler"], task.get("python"))

        serve_from(handler, settings, self.send, active=active, secrets=self.secrets.values(), bound=self._values)
        return {"state": "COMPLETED", "error": None, "shape": "none", "outputs": {}, "names": []}


def _streams() -> None:
    """Text streams that pass on every line at once, and a last word of a crash."""
    import faulthandler

    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - open for as long as the process lives
    sys.stdout = sys.__stdout__ = open(1, "w", 1, "utf-8", "backslashreplace", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", 1, "utf-8", "backslashreplace", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    faulthandler.enable(2)


def _shares(venv: str) -> bool:
    """Whether an environment has the packages of its interpreter, too (in a pod: what the image has). `site` then needs to know where those are."""
    try:
        with open(f"{venv}/pyvenv.cfg", encoding="utf-8") as file:
            return any(line.replace(" ", "").strip().lower() == "include-system-site-packages=true" for line in file)
    except OSError:
        return False


def _interpreter(venv: Any, search_path: Any) -> None:
    """What a plain start of Python would have set up and `-I -S` left out: site-packages, of this interpreter or of `venv` only."""
    if venv:
        # `site` finds the virtual environment by the interpreter's place.
        sys.executable = f"{venv}/bin/python"
        if not _shares(venv):
            sys.prefix = sys.exec_prefix = venv
    import site

    if not venv and os.geteuid() == os.getuid() and not os.environ.get("PYTHONNOUSERSITE"):
        site.ENABLE_USER_SITE = True
    site.main()
    if search_path is None and not venv:
        search_path = os.environ.get("PYTHONPATH")
    if search_path:
        sys.path[:0] = [entry for entry in search_path.split(os.pathsep) if entry and entry not in sys.path]
    # Libraries (joblib, multiprocessing) start more interpreters with the flags of this one: `-S` would leave those without site-packages.
    plain = {"isolated": 0, "no_site": 0, "no_user_site": 0, "ignore_environment": 0, "safe_path": False}
    flags = {name: getattr(sys.flags, name) for name in dir(sys.flags) if not name.startswith(("_", "n_"))}
    sys.flags = type(sys.implementation)(**{name: plain.get(name, value) for name, value in flags.items() if isinstance(value, int)})  # type: ignore[assignment]


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: S112
            continue  # closed or replaced by the user's code


def _wind_up() -> None:
    """The end of a Python process as users know it: threads are waited for, `atexit` functions called; the rest is left to the kernel."""
    try:
        threading = sys.modules.get("threading")
        if threading is not None:
            threading._shutdown()
        import atexit

        atexit._run_exitfuncs()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    _flush()
