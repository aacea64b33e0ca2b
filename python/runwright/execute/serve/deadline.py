"""A limit in time around some awaiting, without a task of its own for it."""

from __future__ import annotations

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Expired(Exception):
    """The time was over."""


class Deadline:
    """`with Deadline(seconds):` raises Expired out of what is awaited inside when that takes longer. None: no limit.

    `asyncio.timeout` is that from Python 3.11 on; `wait_for` makes another task of each wait, which is a good part of a short request.
    """

    __slots__ = ("_expired", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._timer: Any = None
        self._task: Any = None
        self._expired = False

    def __enter__(self) -> Deadline:
        if self._seconds is not None:
            self._task = asyncio.current_task()
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._expire)
        return self

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()

    def __exit__(self, kind: Any, _error: Any, _traceback: Any) -> None:
        if self._timer is None:
            return
        self._timer.cancel()
        task, self._task = self._task, None
        if self._expired and kind is asyncio.CancelledError:
            # Where a task counts who wanted it to end: that was us, and it is over.
            if hasattr(task, "uncancel"):
                task.uncancel()
            raise Expired
