"""One call of the handler: its turn, its thread or its place in the event loop, and its limit in time."""

from __future__ import annotations

import asyncio
import contextvars
import logging

from ..failure import Failed
from . import body
from .deadline import Deadline, Expired
from .exchange import Answer, Refused, Request, busy
from .forms import is_async
from .slots import Slots
from .threads import Threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .threads import Call

log = logging.getLogger("runwright.serve")
_SYNC, _ASYNC, _TIMEOUT = 16, 1000, 60.0


class Calls:
    """The calls that a worker makes of a function (in the plain or the event form).

    Attributes:
        slots (Slots): the places.
    """

    def __init__(self, form: Any, failures: Any, settings: Any, note: Any, on_stuck: Any) -> None:
        """`note`: see `Slots`. `on_stuck` is called when every place is held by a call that was given up."""
        self._form = form
        self._failures = failures
        self._name = getattr(form.fn, "__name__", type(form.fn).__name__)
        self._limit = settings.max_body
        self._timeout = _TIMEOUT if settings.timeout is None else settings.timeout
        self._is_async = is_async(form.fn)
        self._on_stuck = on_stuck
        self.slots = Slots(settings.concurrency or (_ASYNC if self._is_async else _SYNC), settings.queue, note)
        self._threads = Threads(self.slots.places)

    async def answer(self, scope: dict[str, Any], receive: Any) -> Answer:
        """The answer to one request. Raises body.Gone where nobody is left to hear it."""
        state = ["body"]
        try:
            with Deadline(self._timeout):
                return await self._answer(scope, receive, state)
        except Refused as refused:
            return refused.answer()
        except Expired:
            return self._expired(state[0]).answer()

    async def _answer(self, scope: dict[str, Any], receive: Any, state: list[str]) -> Answer:
        request = Request(scope, await body.read(scope, receive, self._limit))
        own = self._form.own_answer(request)
        if own is not None:
            return own
        state[0] = "turn"
        if not self.slots.try_take():
            await self.slots.wait(receive)
        state[0] = "call"
        return await (self._in_loop(request) if self._is_async else self._in_thread(request))

    def _expired(self, state: str) -> Refused:
        if state == "body":
            return Refused(408, "Timeout", f"the request's body did not arrive within {self._timeout:g} s", [(b"connection", b"close")])
        if state == "turn":
            return busy(f"no place became free within {self._timeout:g} s: try again")
        goes_on = "" if self._is_async else "; the call goes on, for a thread cannot be ended, and keeps its place until it returns"
        log.warning("%s() did not answer within its timeout of %g s%s", self._name, self._timeout, goes_on)
        return Refused(504, "Timeout", f"{self._name}() did not answer within {self._timeout:g} s{goes_on}")

    async def _in_loop(self, request: Request) -> Answer:
        try:
            positional, keyword = self._arguments(request)
            return self._form.answer(await self._form.fn(*positional, **keyword))
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            return self._failures.answer(error, self._name)
        finally:
            self.slots.give_back()

    async def _in_thread(self, request: Request) -> Answer:
        run, call = contextvars.copy_context().run, self._call
        try:
            under_way = self._threads.submit(lambda: run(call, request))
        except BaseException:
            self.slots.give_back()
            raise
        try:
            answer: Answer = await under_way.future
        except asyncio.CancelledError:
            if under_way.cancel() or under_way.returned:
                self.slots.give_back()
            else:
                self._give_up(under_way)
            raise
        self.slots.give_back()
        return answer

    def _give_up(self, call: Call) -> None:
        """The request is over and its thread is not: the place is free when that returns."""
        slots = self.slots
        slots.lose(1)

        def returned() -> None:
            slots.lose(-1)
            slots.give_back()

        call.on_return = returned
        if slots.lost >= slots.places:
            self._on_stuck()

    def _call(self, request: Request) -> Answer:
        """In a thread: all of it, so that large bodies are read and answers written beside the event loop."""
        try:
            positional, keyword = self._arguments(request)
            return self._form.answer(self._form.fn(*positional, **keyword))
        except BaseException as error:
            return self._failures.answer(error, self._name)

    def _arguments(self, request: Request) -> Any:
        try:
            return self._form.arguments(request)
        except Failed as error:
            field = {"field": "body", "given": "", "expected": error.cure or "", "message": error.message}
            raise Refused(422, "ValidationError", error.message, fields=[field]) from None
