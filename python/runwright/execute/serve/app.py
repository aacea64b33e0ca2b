"""The ASGI application that a worker runs: health, metrics and the log around whatever form the handler has."""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter

from .body import Gone
from .exchange import Answer, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

log = logging.getLogger("runwright.serve")
_CLOSE = (b"connection", b"close")


class Application:
    """Answers health checks itself and counts, logs and passes on the rest.

    Attributes:
        draining (bool): the service is being stopped: `/readyz` says no, and every answer closes its connection.
        stuck (bool): every place is held by a call that was given up; `/healthz` says no.
        is_asgi (bool): whether it is an application of the user's. slots (Slots | None): the places for calls.
        startup_error (BaseException | None): what the user's application raised while it started.
    """

    def __init__(self, settings: Any, part: Any, calls: Any, app: Any) -> None:
        """`part`: of the metrics. Exactly one of `calls` (functions) and `app` (a `(Passage, application)`) is given."""
        self._part = part
        self._calls = calls
        self._passage: Any
        self._app: Any
        self._passage, self._app = app or (None, None)
        self._logs = settings.log_requests
        self.is_asgi = app is not None
        self.slots = (calls or self._passage).slots
        self.draining = self.stuck = False
        self.startup_error: BaseException | None = None
        self._own = {"/healthz": self._healthz, "/readyz": self._readyz}
        if settings.metrics:
            self._own["/metrics"] = self._metrics

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        kind = scope["type"]
        if kind == "http":
            own = self._own.get(scope["path"])
            if own is not None:
                await self._say(own(), send)
            else:
                await self._request(scope, receive, send)
        elif kind == "lifespan":
            await self._lifespan(scope, receive, send)
        elif self._app is not None:
            await self._app(scope, receive, send)
        else:  # a WebSocket, which functions do not speak
            await send({"type": "websocket.close", "code": 1000})

    async def _lifespan(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        try:
            await self._app(scope, receive, send)
        except BaseException as error:
            self.startup_error = error
            raise

    async def _request(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        begin = perf_counter()
        self._part.enter()
        if self._calls is None:
            await self._pass_on(scope, receive, send, begin)
            return
        answer, status = None, 0
        try:
            answer = await self._calls.answer(scope, receive)
            status = answer.status
        except Gone:
            pass
        except asyncio.CancelledError:
            if not self.draining:
                raise
            # The server's last word to what did not finish within the grace.
            answer, status = say(503, {"error": "Stopped", "message": "the service was stopped before the call ended"}), 503
        finally:
            # Counted before it is sent, so that who has the answer finds it in the numbers.
            self._done(scope, status, begin)
        if answer is not None:
            await self._say(answer, send)

    async def _pass_on(self, scope: dict[str, Any], receive: Any, send: Any, begin: float) -> None:
        """Let the user's application answer."""
        status = 0

        async def noted(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self.draining:
                    message = {**message, "headers": [*message.get("headers", ()), _CLOSE]}
            await send(message)

        try:
            await self._passage.pass_on(scope, receive, noted)
        except BaseException:
            status = status or 500  # the server will say so
            raise
        finally:
            self._done(scope, status, begin)

    def _done(self, scope: dict[str, Any], status: int, begin: float) -> None:
        """Count and log a request; status 0 where nobody was left to answer."""
        seconds = perf_counter() - begin
        self._part.leave(scope["method"], status, seconds)
        if self._logs:
            path = scope["raw_path"].decode("latin-1")  # still quoted, so that it cannot forge lines
            log.info("%s %s %s %.1f ms", scope["method"], path, status or "gone", seconds * 1000)

    async def _say(self, answer: Answer, send: Any) -> None:
        headers = [*answer.headers, _CLOSE] if self.draining else answer.headers
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    def _healthz(self) -> Answer:
        if self.stuck:
            return say(503, {"status": "stuck", "message": "every place is held by a call that timed out"})
        return say(200, {"status": "alive"})

    def _readyz(self) -> Answer:
        if self.draining or self.stuck:
            return say(503, {"status": "draining" if self.draining else "stuck"})
        return say(200, {"status": "ready"})

    def _metrics(self) -> Answer:
        return Answer(200, self._part.text(), "text/plain; version=0.0.4; charset=utf-8")
