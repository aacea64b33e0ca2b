"""Threads in which calls are made that an event loop waits for.

`ThreadPoolExecutor` with `wrap_future` does the same with a lock, a condition and three futures a call, which costs several times what a short call takes.
"""

from __future__ import annotations

import asyncio
import threading
from queue import SimpleQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Call:
    """A call on its way through a thread.

    Attributes:
        future (asyncio.Future): its value. Cancelling it does not end the call.
        on_return: called in the event loop when it has returned although nobody waits for it any more.
    """

    __slots__ = ("_loop", "_over", "_ticket", "_work", "future", "on_return", "returned")

    def __init__(self, work: Any, over: Any) -> None:
        """`over` is called in the event loop when its thread is free again."""
        self._loop = asyncio.get_running_loop()
        self._work = work
        self._over = over
        # Who takes it decides whether the call begins: taking it is one step, whoever else tries.
        self._ticket = [None]
        self.future: asyncio.Future[Any] = self._loop.create_future()
        self.on_return: Any = None
        self.returned = False

    def cancel(self) -> bool:
        """Keep it from beginning; False where it has begun."""
        return self._take()

    def _take(self) -> bool:
        try:
            self._ticket.pop()
        except IndexError:
            return False
        return True

    def make(self) -> None:
        """In a thread."""
        value = error = None
        try:
            if self._take():
                value = self._work()
        except BaseException as raised:
            error = raised
        try:
            self._loop.call_soon_threadsafe(self._deliver, value, error)
        except RuntimeError:  # the worker has ended meanwhile
            return

    def _deliver(self, value: Any, error: BaseException | None) -> None:
        self.returned = True
        self._over()
        if self.on_return is not None:
            self.on_return()
        if self.future.done():
            return
        if error is None:
            self.future.set_result(value)
        else:
            self.future.set_exception(error)


class Threads:
    """As many threads as there are calls at once, `most` at most; used from one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._started = 0
        # Calls that were handed over and whose threads have not come back.
        self._under_way = 0
        self._queue: SimpleQueue[Call] = SimpleQueue()

    def submit(self, work: Any) -> Call:
        """Let a thread call it. Raises RuntimeError where no thread can be had."""
        if self._under_way >= self._started and self._started < self._most:
            # Not waited for at the end: a call that does not return must not keep the process.
            threading.Thread(target=self._run, name=f"handler_{self._started}", daemon=True).start()
            self._started += 1
        call = Call(work, self._over)
        self._under_way += 1
        self._queue.put(call)
        return call

    def _over(self) -> None:
        self._under_way -= 1

    def _run(self) -> None:
        while True:
            self._queue.get().make()
