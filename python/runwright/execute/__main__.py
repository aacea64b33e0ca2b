"""The runner's entry: `python -I -S …/execute/__main__.py HOME RUN_ID`; RUN_ID `-` takes the oldest queued run that is ready.

Exit codes: 0 completed, 1 ended with an error, 2 used wrongly, 3 somebody else has the run (or there is none), 4 it waits in the queue,
143 stopped.
"""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PTH100, PTH110, PTH120

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

if not __package__:
    # Run as a file: there is no site, and the package's own `__init__` (which may load the core) is not wanted. Its files are enough.
    _package = type(sys)("_runwright")
    _package.__path__ = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
    sys.modules["_runwright"] = _package
    __package__ = "_runwright.execute"

_EXIT = {"COMPLETED": 0, "ERROR": 1, "STOPPED": 143}


def main(arguments: list[str], entry: str) -> int:
    """Execute a run, then whatever the queue has ready.

    Args:
        arguments: HOME and RUN_ID.
        entry: the file that starts a runner, for the one that comes after this.
    """
    if len(arguments) != 2:
        os.write(2, b"usage: __main__.py HOME RUN_ID\n")
        return 2
    import gc

    # This process lives for one run and makes no cycles; the child has it back.
    gc.disable()
    from . import journal, process, queue, supervise

    home, run_id = os.path.abspath(arguments[0]), arguments[1]
    slot = queue.inherited(os.environ)
    handed_over = os.environ.pop("RUNWRIGHT_HANDED_OVER", "") == "1"
    os.environ["RUNWRIGHT_HOME"] = home
    if run_id == "-":
        queue.go_on(home, entry, slot)
        return 3
    folder = f"{home}/runs/{run_id}"
    wakeup = process.Wakeup(f"{folder}/stop", handed_over)
    try:
        frozen = journal.read_frozen(folder)
        needs = frozen.get("needs") or ()
        if queue.waiting_for(home, needs):
            queue.enqueue(home, run_id, needs)
            # Whatever it waits for may have ended meanwhile.
            if queue.waiting_for(home, needs):
                return 4
        limit = int(frozen.get("concurrency") or 0)
        if limit > 0 and queue.failed_upstream(home, needs) is None:
            slot = _slot(home, run_id, frozen, limit, slot)
            if slot is None:
                return 4
        state = supervise.execute(home, run_id, frozen, slot, wakeup)
    except (OSError, ValueError) as error:
        os.write(2, f"runwright: run {run_id}: {error}\n".encode("utf-8", "replace"))
        queue.forget(home, run_id)
        state = None
    queue.go_on(home, entry, slot)
    return 3 if state is None else _EXIT[state]


def _slot(home: str, run_id: str, frozen: dict[str, Any], limit: int, held: Any) -> Any:
    """A slot, or None with the run in the queue, where the next runner to end will find it."""
    from . import queue

    slot = queue.take_slot(home, limit, held)
    if slot is None and not os.path.exists(f"{home}/runs/{run_id}/claim"):
        queue.enqueue(home, run_id, frozen.get("needs") or ())
        # Who held the last slot may have looked at the queue just before we were in it.
        slot = queue.take_slot(home, limit)
        if slot is None:
            # A client that only looks whether a slot is free holds its lock for an instant.
            import time

            time.sleep(0.005)
            slot = queue.take_slot(home, limit)
    return slot


if __name__ == "__main__":
    # Nothing is left to flush or to take down.
    os._exit(main(sys.argv[1:], os.path.abspath(__file__)))
