"""An application of the user's own, called as it is: only limits in number, size and time are put around it, where they are set."""

from __future__ import annotations

import logging

from . import body
from .deadline import Deadline, Expired
from .exchange import Refused
from .slots import Slots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

log = logging.getLogger("runwright.serve")


class _TooLong(Exception):
    """The application reads a body that is longer than the limit."""


class Passage:
    """The way of HTTP requests to the application.

    Attributes:
        slots (Slots | None): the places, where the number is limited.
    """

    def __init__(self, app: Any, settings: Any, note: Any) -> None:
        """`note`: see `Slots`."""
        self._app = app
        self._limit = settings.max_body
        self._timeout = settings.timeout
        self.slots = Slots(settings.concurrency, settings.queue, note) if settings.concurrency else None

    async def pass_on(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Let the application answer one request."""
        channel = _Channel(scope, receive, send, self._limit)
        taken = False
        try:
            with Deadline(self._timeout):
                await channel.check()
                if self.slots is not None:
                    if not self.slots.try_take():
                        await self.slots.wait(None)
                    taken = True
                await self._app(scope, channel.receive, channel.send)
        except Refused as refused:
            await channel.refuse(refused)
        except _TooLong:
            pass  # answered already
        except Expired:
            log.warning("the application did not answer %s within its timeout of %g s", scope["path"], self._timeout)
            reason = Refused(504, "Timeout", f"there was no answer within {self._timeout:g} s") if taken or self.slots is None else None
            await channel.refuse(reason or Refused(503, "Busy", "no place became free in time: try again", [(b"retry-after", b"1")]))
        finally:
            if taken and self.slots is not None:
                self.slots.give_back()


class _Channel:
    """What the application reads and sends by."""

    def __init__(self, scope: dict[str, Any], receive: Any, send: Any, limit: int) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._limit = limit
        self._taken = 0
        self._started = False
        self._refused = False

    async def check(self) -> None:
        """Raises Refused (413) where the headers say already that the body is too long."""
        told = body.told_length(self._scope)
        if told is not None and told > self._limit:
            await body.throw_away(self._scope, self._receive)
            raise body.too_long(self._limit)

    async def receive(self) -> Any:
        message = await self._receive()
        if message["type"] == "http.request":
            self._taken += len(message.get("body", b""))
            if self._taken > self._limit:
                if message.get("more_body"):
                    await body.throw_away(self._scope, self._receive)
                await self.refuse(body.too_long(self._limit))
                raise _TooLong
        return message

    async def send(self, message: Any) -> None:
        if self._refused:
            return  # what the application makes of being interrupted
        self._started = True
        await self._send(message)

    async def refuse(self, refused: Refused) -> None:
        """Answer instead of the application, if it has not begun to; else the connection ends in the middle of its answer."""
        self._refused = True
        if self._started:
            raise RuntimeError(f"the answer was cut off: {refused.payload['message']}")
        answer = refused.answer()
        await self._send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await self._send({"type": "http.response.body", "body": answer.body})
