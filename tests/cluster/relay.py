"""One client's connection through the fault proxy: requests in HTTP/1.1, and the API server's answers as they come."""

from __future__ import annotations

import select
import socket
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.cluster import certificates
from tests.cluster.faults import Fault
from tests.cluster.settings import API_PORT

if TYPE_CHECKING:
    from tests.cluster.faultproxy import FaultProxy


@dataclass(frozen=True)
class Seen:
    """A request that came: when its answer began or failed (monotonic), what, and the status that the client got (None: no answer)."""

    at: float
    method: str
    path: str
    status: int | None


class Gone(Exception):
    """The connection ended, or is to end."""


class Conversation:
    """One client's connection."""

    def __init__(self, proxy: FaultProxy, client: ssl.SSLSocket) -> None:
        """The client is who its certificate says, if it has one."""
        self.proxy = proxy
        self.client = client
        self.buffer = b""
        self.asked: tuple[str, str] | None = None
        certificate = client.getpeercert() or {}
        self.subject = [pair for part in certificate.get("subject", ()) for pair in part]

    def go_on(self) -> None:
        """Request after request."""
        while True:
            head, body = self._request()
            method, path = head[0].split()[:2]
            fault = self.proxy.meet(method, path)
            if fault.delay:
                time.sleep(fault.delay)
            self.asked = (method, path)
            try:
                self._answer(head, body, fault)
            finally:
                # Whatever went wrong before an answer.
                self._saw(None)

    def _answer(self, head: list[str], body: bytes, fault: Fault) -> None:
        if fault.carried_out:
            self._forward(head, body, Fault(), quietly=True)
        if fault.answer is not None:
            self._saw(int(fault.answer.split()[1]))
            self.client.sendall(fault.answer)
        elif fault.close:
            raise Gone
        elif fault.hang:
            self._hang(fault)
        else:
            self._forward(head, body, fault)

    def _saw(self, status: int | None) -> None:
        """Record the request, once."""
        if self.asked is not None:
            self.proxy.seen.append(Seen(time.monotonic(), *self.asked, status))
            self.asked = None

    def _request(self) -> tuple[list[str], bytes]:
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self._receive()
        text, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        head = text.decode("latin-1").split("\r\n")
        length = int(_header(head, "content-length") or 0)
        while len(self.buffer) < length:
            self.buffer += self._receive()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return head, body

    def _receive(self) -> bytes:
        data = self.client.recv(1 << 16)
        self.proxy.moving.wait()
        if not data:
            raise Gone
        return data

    def _hang(self, fault: Fault) -> None:
        """Until the client goes or the fault is taken back."""
        while self.proxy.still(fault):
            if select.select([self.client], [], [], 0.05)[0] and _receive_now(self.client) == b"":
                break
        raise Gone

    def _forward(self, head: list[str], body: bytes, fault: Fault, quietly: bool = False) -> None:
        """Ask the API server over a connection of this request's own, and pass the answer on as it comes."""
        with self._upstream() as server:
            server.sendall("\r\n".join([*self._rewritten(head), "", ""]).encode("latin-1") + body)
            answer = b""
            while b"\r\n\r\n" not in answer:
                data = server.recv(1 << 16)
                if not data:
                    raise Gone
                answer += data
            text, _, rest = answer.partition(b"\r\n\r\n")
            lines = [line for line in text.decode("latin-1").split("\r\n") if not line.lower().startswith("connection:")]
            if not quietly:
                self.proxy.moving.wait()
                self._saw(int(lines[0].split()[1]))
                self.client.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
            self._pass(server, rest or None, _End(lines), fault.cut, quietly)

    def _pass(self, server: ssl.SSLSocket, data: bytes | None, end: _End, left: int | None, quietly: bool) -> None:
        """The body, to its end. Before it where the client goes, the API server breaks off, or the fault is to cut."""
        while data != b"":
            self.proxy.moving.wait()
            if data:
                end.passed(data)
                if not quietly:
                    self.client.sendall(data if left is None else data[:left])
                if left is not None and (left := left - len(data)) <= 0:
                    raise Gone
            if not server.pending():
                readable = select.select([server, self.client], [], [])[0]
                if self.client in readable and (said := _receive_now(self.client)) is not None:
                    if not said:
                        break
                    self.buffer += said
            data = _receive_now(server)
        if not end.reached:
            raise Gone

    def _upstream(self) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=str(certificates.CA))
        if self.subject:
            context.load_cert_chain(certificates.certificate("admin"), certificates.key("admin"))
        connection = socket.create_connection(("127.0.0.1", API_PORT))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return context.wrap_socket(connection, server_hostname="127.0.0.1")

    def _rewritten(self, head: list[str]) -> list[str]:
        kept = [line for line in head if not line.lower().startswith(("connection:", "impersonate-"))]
        names = {"commonName": "Impersonate-User", "organizationName": "Impersonate-Group"}
        return [*kept, *(f"{names[kind]}: {value}" for kind, value in self.subject if kind in names), "Connection: close"]


class _End:
    """Where an answer's body ends."""

    def __init__(self, head: list[str]) -> None:
        length = _header(head, "content-length")
        self._left = 0 if length is None else int(length)
        self._chunked = length is None and _header(head, "transfer-encoding") == "chunked"
        self._tail = b""

    def passed(self, data: bytes) -> None:
        self._left -= len(data)
        self._tail = (self._tail + data)[-5:]

    @property
    def reached(self) -> bool:
        return self._tail == b"0\r\n\r\n" if self._chunked else self._left <= 0


def _header(head: list[str], name: str) -> str | None:
    return next((line.partition(":")[2].strip() for line in head[1:] if line.lower().startswith(f"{name}:")), None)


def _receive_now(connection: ssl.SSLSocket) -> bytes | None:
    """What has come; None where that was nothing for us; b"" at the end."""
    connection.setblocking(False)
    try:
        return connection.recv(1 << 16)
    except ssl.SSLWantReadError:
        return None
    except OSError:
        return b""
    finally:
        connection.setblocking(True)
