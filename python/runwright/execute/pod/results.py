"""The other container: prints events while the run goes on, and what it left when it has ended, also where it was killed."""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PTH110, PTH123, SIM105

from __future__ import annotations

import fcntl
import os
import time

from ..lean import signal

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

    from . import Places

# Events printed while the run goes on, altogether.
_LIVE = 256 * 1024
# For how long an upload is tried where the run's own container died.
_PATIENCE = 10.0
# For how long one that was started again waits to be told to end.
_STAY = 60.0


def run(places: Places) -> int:
    """Follow the run of this pod to its end. Returns the exit code."""
    try:
        watched = Watched(places)
        again = _is_again(places)
        watched.wait()
        watched.print_results()
        if again:
            watched.stay()
    except OSError as error:
        _print(f"x {error}\n".encode("utf-8", "replace"))
    return 0


def _is_again(places: Places) -> bool:
    """Whether this container was started before. Where other sidecars go on, the kubelet does that after its end, and ends the pod only while it lives."""
    try:
        os.close(os.open(f"{places.home}/results-began", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return True
    return False


class Watched:
    """The run, seen from beside: by the lock that its container holds while it lives."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._told = False
        self._events: str | None = None
        self._offset = 0
        self._left = _LIVE
        # The first process of a container gets no signal that it does not handle.
        signal.signal(signal.SIGTERM, self._terminate)
        signal.signal(signal.SIGALRM, lambda *_: self._look())

    def _terminate(self, *_: object) -> None:
        self._told = True

    def wait(self) -> None:
        """Wait until the run's container has ended. It holds the lock from the beginning, so being told to end only counts before that."""
        path = f"{self._places.home}/claim"
        tries = 0
        while not os.path.exists(path):
            if self._told:
                return
            tries += 1
            time.sleep(0.05 if tries < 100 else 1.0)
        self._events = f"{self._folder()}/events.jsonl"
        with open(path, "rb") as file:
            signal.setitimer(signal.ITIMER_REAL, 1.0, 1.0)
            # Interrupted by the timer each second, and gone on with.
            fcntl.flock(file, fcntl.LOCK_SH)
            signal.setitimer(signal.ITIMER_REAL, 0)

    def stay(self) -> None:
        """Wait to be told to end."""
        end = time.monotonic() + _STAY
        while not self._told and time.monotonic() < end:
            time.sleep(0.2)

    def _folder(self) -> str:
        from . import intake

        try:
            return f"{self._places.home}/runs/{intake.frozen(self._places, os.environ)['id']}"
        except (OSError, ValueError):
            return f"{self._places.home}/runs/-"

    def _look(self) -> None:
        """Print the events that are new, whole lines only, while there is room."""
        if self._events is None or self._left <= 0:
            return
        try:
            with open(self._events, "rb") as file:
                file.seek(self._offset)
                data = file.read(self._left)
        except OSError:
            return
        whole = data.rpartition(b"\n")[0]
        if not whole:
            if len(data) >= self._left:
                self._left = 0  # what is printed is always the beginning of the events
            return
        self._offset += len(whole) + 1
        self._left -= len(whole) + 1
        _print(b"".join(b"e %b\n" % line for line in whole.split(b"\n")))

    def print_results(self) -> None:
        """Print what the run's container left; where it died without leaving anything, make that first."""
        places = self._places
        if not os.path.exists(places.results):
            if self._events is None:
                return  # it never began
            self._rebuild()
        with open(places.results, "rb") as file:
            while chunk := file.read(1 << 20):
                _print(chunk)

    def _rebuild(self) -> None:
        from . import deliver, intake
        from .put import Patience, honour

        try:
            frozen = intake.frozen(self._places, os.environ)
        except (OSError, ValueError):
            return
        try:
            intake.become_item(self._places, frozen)
        except (OSError, ValueError):
            pass  # it died before it had become one
        honour(frozen.get("envs"))
        deliver.deliver(self._places, self._folder(), frozen["pod"], Patience(_PATIENCE))


def _print(data: Any) -> None:
    while data:
        data = data[os.write(1, data) :]
