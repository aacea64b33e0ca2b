"""What the HTTP server leaves open: how long a client may take to send a request's first lines, and how many bytes of them it may send.

Without it, connections that send nothing, or headers without an end, stay for ever and use up files and memory.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LONGEST_HEAD = 128 * 1024


def guarded(base: Any, seconds: float) -> Any:
    """uvicorn's protocol class with those limits."""

    class Guarded(base):  # type: ignore[misc]
        """One connection."""

        _timer: Any = None
        _head = 0

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._timer = self.loop.call_later(seconds, self._too_slow)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                if self._timer is not None:  # the first lines are whole
                    self._timer.cancel()
                    self._timer = None
                    self._head = 0
            elif self in self.connections and not self.transport.is_closing():
                self._waits_for_more(len(data))

        def _waits_for_more(self, size: int) -> None:
            """The first lines of a request have begun and not ended."""
            if self._timer is None:
                self._timer = self.loop.call_later(seconds, self._too_slow)
            self._head += size
            if self._head > _LONGEST_HEAD:
                self.send_400_response("The request's headers are too long.")

        def connection_lost(self, exc: Any) -> None:
            if self._timer is not None:
                self._timer.cancel()
            super().connection_lost(exc)

        def _too_slow(self) -> None:
            self._timer = None
            # A connection that was handed to another protocol (a WebSocket's) is no longer among them.
            if self in self.connections and (self.cycle is None or self.cycle.response_complete):
                self.transport.close()

    return Guarded


def protocol(seconds: float) -> Any:
    """The protocol class to serve with: by httptools (written in C) where that is installed, else by h11."""
    base: Any
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

        base = HttpToolsProtocol
    except ImportError:
        from uvicorn.protocols.http.h11_impl import H11Protocol

        base = H11Protocol
    return guarded(base, seconds)
