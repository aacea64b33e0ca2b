"""A proxy in front of the API server that fails as tests tell it to: requests, answers, watches, connections.

It ends the client's TLS with the API server's own certificate, and asks the API server as the administrator in the client's name: so the
client has the rights that it has without the proxy. HTTP/1.1 only, no upgrades (exec, port-forward).
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.cluster import certificates
from tests.cluster.faults import Fault, refusal, watch_error
from tests.cluster.relay import Conversation, Gone, Seen


class FaultProxy:
    """`with FaultProxy() as proxy:` serves on `proxy.port` of loopback; without faults it changes nothing."""

    def __init__(self) -> None:
        """Listen, and let everything pass."""
        self.seen: list[Seen] = []
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.moving = threading.Event()
        self.moving.set()
        self.port = 0
        self._listener: socket.socket | None = None
        self._server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server_side.load_cert_chain(certificates.certificate("apiserver"), certificates.key("apiserver"))
        self._server_side.load_verify_locations(certificates.CA)
        self._server_side.verify_mode = ssl.CERT_OPTIONAL
        self._server_side.set_alpn_protocols(["http/1.1"])
        self.listen()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self.clear()

    def write_kubeconfig(self, original: Path, target: Path) -> None:
        """A copy of a kubeconfig (in JSON) that leads here."""
        configuration = json.loads(original.read_text())
        for each in configuration["clusters"]:
            each["cluster"]["server"] = f"https://127.0.0.1:{self.port}"
        target.write_text(json.dumps(configuration))
        target.chmod(0o600)

    # What happens to requests. `method`, `path` (an expression, looked for in path and query) and `times` as in Fault.

    def answer(self, status: int, *, reason: str | None = None, retry_after: int | None = None, carried_out: bool = False,
               method: str | None = None, path: str = "", times: int | None = 1) -> Fault:  # fmt: skip
        """Refuse with a status. `carried_out`: only after the API server has done it."""
        said = refusal(status, "said by the fault proxy", reason=reason, retry_after=retry_after)
        return self.add(Fault(method, path, times, carried_out, answer=said))

    def end_watches(self, status: int = 410, *, path: str = "", times: int | None = 1) -> Fault:
        """Let a new watch say one error, and end."""
        return self.add(Fault("GET", f"{path}.*[?&]watch=", times, answer=watch_error(status, "said by the fault proxy")))

    def hang(self, *, carried_out: bool = False, method: str | None = None, path: str = "", times: int | None = 1) -> Fault:
        """Take the request and never answer."""
        return self.add(Fault(method, path, times, carried_out, hang=True))

    def close(self, *, carried_out: bool = False, method: str | None = None, path: str = "", times: int | None = 1) -> Fault:
        """Take the request and close the connection."""
        return self.add(Fault(method, path, times, carried_out, close=True))

    def delay(self, seconds: float, *, method: str | None = None, path: str = "", times: int | None = None) -> Fault:
        """Hold the request back for a while."""
        return self.add(Fault(method, path, times, delay=seconds))

    def cut(self, after: int, *, method: str | None = None, path: str = "", times: int | None = 1) -> Fault:
        """Close the connection when so many bytes of the answer's body have passed."""
        return self.add(Fault(method, path, times, cut=after))

    def add(self, fault: Fault) -> Fault:
        """Add a fault after those that are there: of all that meet a request the first happens."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """No faults any more. What hangs is closed."""
        with self._lock:
            self._faults.clear()
        self.thaw()

    # What happens to connections.

    def disconnect(self) -> None:
        """Cut every connection that is open."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def refuse(self) -> None:
        """Cut every connection and refuse new ones, as where the API server is down."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.disconnect()

    def listen(self) -> None:
        """Take connections (again), on the same port."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def freeze(self) -> None:
        """Nothing moves: connections stay open, new ones are taken, no byte passes. As where a network swallows everything."""
        self.moving.clear()

    def thaw(self) -> None:
        """It moves again."""
        self.moving.set()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, Gone, ValueError), self._listed(connection):
            self.moving.wait()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # The wrapped one takes the descriptor over from the plain one.
            with self._server_side.wrap_socket(connection, server_side=True) as client, self._listed(client):
                Conversation(self, client).go_on()

    @contextlib.contextmanager
    def _listed(self, connection: socket.socket) -> Iterator[None]:
        """Among the connections to cut."""
        with self._lock:
            self._open.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def meet(self, method: str, path: str) -> Fault:
        """The fault that a request meets (one that does nothing where there is none)."""
        with self._lock:
            fault = next((fault for fault in self._faults if fault.meets(method, path)), Fault())
            fault.count()
            return fault

    def still(self, fault: Fault) -> bool:
        """Whether a fault was not taken back."""
        return fault in self._faults
