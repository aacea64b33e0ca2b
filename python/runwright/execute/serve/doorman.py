"""Who answers while no worker does: `/healthz` says that the service lives, everything else that it is not ready yet.

The service's own process does it, beside watching the workers; it runs none of the user's code, so that a long import or `init` does not
make it deaf.
"""

from __future__ import annotations

import select
import socket

from .. import clock
from .exchange import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MOST = 256
_LONGEST = 16 * 1024
# How long a client may take to ask, and then to hear the answer.
_PATIENCE = 3.0


class Doorman:
    """Takes the connections of a listening socket, under the poll of its owner."""

    def __init__(self, listener: socket.socket, poll: Any) -> None:
        self._listener = listener
        self._poll = poll
        self._guests: dict[int, _Guest] = {}
        self._on_duty = False

    def on_duty(self, duty: bool) -> None:
        """Take new connections from now on, or no more; those taken are answered."""
        if duty != self._on_duty:
            self._on_duty = duty
            if duty:
                self._poll.register(self._listener, select.POLLIN)
            else:
                self._poll.unregister(self._listener)

    def handles(self, descriptor: int) -> bool:
        """Deal with what the poll found, if it is the doorman's."""
        if descriptor == self._listener.fileno():
            self._welcome()
        elif descriptor in self._guests:
            if self._guests[descriptor].hear():
                self._dismiss(descriptor)
        else:
            return False
        return True

    def due(self) -> float | None:
        """When to call `tidy` next, on the monotonic clock."""
        return min((guest.until for guest in self._guests.values()), default=None)

    def tidy(self, everybody: bool = False) -> None:
        """Send those away who took too long."""
        now = clock.monotonic()
        for descriptor in [one for one, guest in self._guests.items() if everybody or guest.until <= now]:
            self._dismiss(descriptor)

    def _welcome(self) -> None:
        for _ in range(64):
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setblocking(False)
            if len(self._guests) >= _MOST:
                self._dismiss(next(iter(self._guests)))
            self._guests[connection.fileno()] = _Guest(connection)
            self._poll.register(connection, select.POLLIN)

    def _dismiss(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        self._guests.pop(descriptor).connection.close()


class _Guest:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.until = clock.monotonic() + _PATIENCE
        self._asked = b""
        self._answered = False

    def hear(self) -> bool:
        """Read what came, and answer a request whose headers are whole; true where the connection is over."""
        try:
            data = self.connection.recv(65536)
            if not data:
                return True
            if not self._answered:
                self._asked += data
                if b"\r\n\r\n" in self._asked or len(self._asked) > _LONGEST:
                    self._answered = True
                    self.connection.send(_reply(self._asked))
                    # What the client still sends is read and thrown away, or it would not come to read the answer.
                    self.connection.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return False


def _reply(asked: bytes) -> bytes:
    words = asked.split(b"\r\n", 1)[0].split(b" ")
    method, path = words[0], words[1].partition(b"?")[0] if len(words) > 1 else b""
    answer = (
        say(200, {"status": "alive"})
        if path == b"/healthz"
        else say(503, {"error": "NotReady", "status": "starting", "message": "the service is not ready yet"})
    )
    status = b"200 OK" if answer.status == 200 else b"503 Service Unavailable"
    headers = [*answer.headers, (b"connection", b"close"), (b"retry-after", b"1")]
    head = b"".join(b"%s: %s\r\n" % pair for pair in headers)
    return b"HTTP/1.1 " + status + b"\r\n" + head + b"\r\n" + (b"" if method == b"HEAD" else answer.body)
