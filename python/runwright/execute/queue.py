"""Slots and the queue: which run executes next, without any process that stands above all runs."""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PTH103, PTH104, PTH108, PTH110, PTH112, PTH116, PTH123, PTH208, S606, SIM105

from __future__ import annotations

import errno
import fcntl
import os

from . import journal
from .lean import signal

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any


class Slot:
    """One of the places that count against the concurrency limit; held as long as its descriptor is open."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def release(self) -> None:
        """Give it up."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def inherited(environment: Any) -> Slot | None:
    """The slot that the runner before us handed over, or None."""
    text = environment.pop("RUNWRIGHT_SLOT_FD", "")
    if not text.isdigit():
        return None
    descriptor = int(text)
    try:
        os.set_inheritable(descriptor, False)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return None
    return Slot(descriptor)


def take_slot(home: str, limit: int, held: Slot | None = None) -> Slot | None:
    """A slot below `limit`: the one already held where it is one of those, else a free one, else None. Raises OSError."""
    if held is not None and held.descriptor >= 0:
        if _is_below(home, limit, held):
            return held
        held.release()
    folder = f"{home}/slots"
    for number in range(limit):
        path = f"{folder}/{number}"
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            continue
        return Slot(descriptor)
    return None


def _is_below(home: str, limit: int, slot: Slot) -> bool:
    ours = os.fstat(slot.descriptor)
    for number in range(limit):
        try:
            if os.path.samestat(ours, os.stat(f"{home}/slots/{number}")):
                return True
        except OSError:
            continue
    return False


def forget(home: str, run_id: str) -> None:
    """Take a run out of the queue."""
    try:
        os.unlink(f"{home}/queue/{run_id}")
    except FileNotFoundError:
        pass


def enqueue(home: str, run_id: str, needs: Any) -> None:
    """Put a run into the queue, where it is not yet. Raises OSError."""
    os.makedirs(f"{home}/queue", exist_ok=True)
    path, draft = f"{home}/queue/{run_id}", f"{home}/queue/.{run_id}.{os.getpid()}"
    with open(draft, "w", encoding="utf-8") as file:
        file.write("".join(f"{need}\n" for need in needs))
    os.rename(draft, path)


def waiting_for(home: str, needs: Any) -> list[str]:
    """Which of the needed runs have not ended. One whose runner died is recorded as lost; one that does not exist (any more) has ended."""
    waiting = []
    for need in needs:
        folder = f"{home}/runs/{need}"
        if os.path.isdir(folder) and not journal.bury(folder):
            waiting.append(need)
    return waiting


def failed_upstream(home: str, needs: Any) -> tuple[str, str, str] | None:
    """The first needed run that did not complete: its id, its state, and why. None where all did."""
    for need in needs:
        end = journal.read_end(f"{home}/runs/{need}")
        if end is None:
            return need, "missing", "it has no record"
        if end.get("state") != "COMPLETED":
            error = end.get("error") or {}
            return need, str(end.get("state")), f"{error.get('cause')}: {error.get('message')}"
    return None


def ready(home: str) -> Any:
    """The runs in the queue that wait for no other, the oldest first: an iterator of ids."""
    try:
        names = sorted(name for name in os.listdir(f"{home}/queue") if not name.startswith("."))
    except FileNotFoundError:
        return
    for run_id in names:
        folder = f"{home}/runs/{run_id}"
        try:
            with open(f"{home}/queue/{run_id}", encoding="utf-8") as file:
                needs = file.read().split()
        except OSError:
            continue  # taken meanwhile
        if os.path.exists(f"{folder}/claim"):
            forget(home, run_id)
        elif os.path.exists(f"{folder}/run.json") and not waiting_for(home, needs):
            yield run_id


def go_on(home: str, entry: str, slot: Slot | None) -> None:
    """After a run: become the runner of the oldest ready one, start runners for more while slots are free, or return when none is left.

    A run that is put into the queue while we look is not lost: whoever puts it there tries for a slot afterwards, and we look once
    more after having given ours up.
    """
    for last_look in (False, True):
        if last_look and slot is not None:
            slot.release()
            slot = None
        mine = None
        for run_id in ready(home):
            try:
                frozen = journal.read_frozen(f"{home}/runs/{run_id}")
            except (OSError, ValueError):
                forget(home, run_id)
                continue
            limit = int(frozen.get("concurrency") or 0)
            taken = None
            if limit > 0 and failed_upstream(home, frozen.get("needs") or ()) is None:
                taken = take_slot(home, limit, slot)
                slot = None  # used, or of no use here
                if taken is None:
                    break
            if mine is None:
                mine = (run_id, frozen, taken)
            else:
                # A chain that fans out must not wait for the first branch.
                _start(home, entry, run_id, frozen, taken)
        if mine is not None:
            if slot is not None:
                slot.release()
            _replace(home, entry, *mine)
    if slot is not None:
        slot.release()


def _command(home: str, entry: str, run_id: str, frozen: dict[str, Any], slot: Slot | None) -> Any:
    import sys

    python = frozen.get("python") or sys.executable
    if not os.access(python, os.X_OK):
        python = sys.executable  # that runner will see and say so
    # A run handed over by a later version of ours brings the runner that knows its protocol.
    runner = frozen.get("runner") or entry
    environment = {**os.environ, "RUNWRIGHT_HANDED_OVER": "1"}
    environment.pop("RUNWRIGHT_SLOT_FD", None)
    if slot is not None:
        environment["RUNWRIGHT_SLOT_FD"] = str(slot.descriptor)
        os.set_inheritable(slot.descriptor, True)
    return [python, "-I", "-S", runner if os.path.exists(runner) else entry, home, run_id], environment


def _replace(home: str, entry: str, run_id: str, frozen: dict[str, Any], slot: Slot | None) -> None:
    command, environment = _command(home, entry, run_id, frozen, slot)
    # A late stop of the run before must not kill the next runner while it cannot tell yet whom it is meant for.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
    os.execve(command[0], command, environment)


def _start(home: str, entry: str, run_id: str, frozen: dict[str, Any], slot: Slot | None) -> None:
    """A runner of its own for another ready run."""
    command, environment = _command(home, entry, run_id, frozen, slot)
    pid = os.fork()
    if pid == 0:
        try:
            # Twice, so that nobody has to wait for it.
            if os.fork() == 0:
                os.setpgid(0, 0)
                os.execve(command[0], command, environment)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    if slot is not None:
        slot.release()
