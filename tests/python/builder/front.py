"""Something in front of the real registry: asks for tokens or passwords, and fails where a test wants it to."""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import threading
import urllib.parse
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_DROPPED = {"connection", "transfer-encoding", "host", "content-length", "date", "server"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Connections that a client or a test cut are no news."""


class Front:
    """Passes requests on to a registry.

    Attributes:
        users: names and passwords of those who may ask. None: everybody.
        auth: "bearer", "basic" or "" (nobody is asked who he is).
        fault: called with each request before it is passed on; true where it was answered there.
        requests: method, path and what was in Authorization (its kind) of all that came.
        allowed: actions that a token gives: repository → a set like {"pull", "push"}; None: what was asked for.
    """

    def __init__(self, upstream: str, auth: str = "", users: dict[str, str] | None = None, address: str = "127.0.0.1") -> None:
        self.upstream = upstream
        self.auth = auth
        self.users = users
        self.allowed: dict[str, set[str]] | None = None
        self.refresh_tokens: dict[str, str] = {}
        self.fault: Callable[[Any], bool] | None = None
        self.requests: list[tuple[str, str, str]] = []
        self.tokens: dict[str, set[tuple[str, str]]] = {}
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                front.handle(self)

            do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        self.server = _Server((address, 0), Handler)
        self.host = f"{address}:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def count(self, method: str, part: str) -> int:
        return sum(1 for known, path, _ in self.requests if known == method and part in path)

    def handle(self, request: Any) -> None:
        kind = (request.headers.get("Authorization") or "").partition(" ")[0]
        self.requests.append((request.command, request.path, kind))
        if request.path.startswith("/token"):
            self._token(request)
        elif self._refuses(request):
            return
        elif self.fault is None or not self.fault(request):
            self.forward(request)

    def forward(self, request: Any, body: bytes | None = None) -> None:
        """To the registry and back, whole."""
        length = int(request.headers.get("Content-Length") or 0)
        body = request.rfile.read(length) if body is None else body
        connection = http.client.HTTPConnection(self.upstream, timeout=30)
        headers = {
            name: value for name, value in request.headers.items() if name.lower() not in {"authorization", "content-length", "connection"}
        }
        # Keeps the Host, so that the addresses that it gives are ours.
        connection.request(request.command, request.path, body=body, headers={**headers, "Content-Length": str(len(body))})
        answer = connection.getresponse()
        content = answer.read()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _DROPPED]
        length = answer.getheader("Content-Length") if request.command == "HEAD" else str(len(content))
        self.answer(request, answer.status, content, [*kept, ("Content-Length", length or "0")])
        connection.close()

    def answer(self, request: Any, status: int, content: bytes = b"", headers: list[tuple[str, str]] | None = None) -> bool:
        request.send_response(status)
        for name, value in headers if headers is not None else [("Content-Length", str(len(content)))]:
            request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(content)
        return True

    def error(self, request: Any, status: int, code: str, message: str, headers: list[tuple[str, str]] | None = None) -> bool:
        """An answer of the form that registries give. What was sent is read first."""
        request.rfile.read(int(request.headers.get("Content-Length") or 0))
        content = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        return self.answer(request, status, content, [("Content-Length", str(len(content))), *(headers or [])])

    def cut(self, request: Any) -> bool:
        """End the connection without an answer."""
        request.close_connection = True
        request.connection.close()
        return True

    def _known(self, request: Any) -> bool:
        kind, _, value = (request.headers.get("Authorization") or "").partition(" ")
        if kind != "Basic":
            return False
        user, _, password = base64.b64decode(value).decode().partition(":")
        return (self.users or {}).get(user) == password

    def _refuses(self, request: Any) -> bool:
        if not self.auth:
            return False
        kind, _, value = (request.headers.get("Authorization") or "").partition(" ")
        wanted = self._wanted(request)
        if self.auth == "basic":
            good, challenge = self._known(request), 'Basic realm="the registry"'
        else:
            good = kind == "Bearer" and wanted <= self.tokens.get(value, set())
            scope = " ".join(f"repository:{name}:{action}" for name, action in sorted(wanted))
            challenge = f'Bearer realm="http://{self.host}/token",service="the, registry",scope="{scope}"'
        return not good and self.error(request, 401, "UNAUTHORIZED", "authentication required", [("WWW-Authenticate", challenge)])

    def _wanted(self, request: Any) -> set[tuple[str, str]]:
        path, _, query = request.path.partition("?")
        name = path.removeprefix("/v2/").rpartition("/blobs/")[0] or path.removeprefix("/v2/").rpartition("/manifests/")[0]
        wanted = {(name, "pull" if request.command in ("GET", "HEAD") and "/uploads/" not in path else "push")}
        return wanted | {(other, "pull") for other in urllib.parse.parse_qs(query).get("from", [])}

    def _token(self, request: Any) -> None:
        form = request.rfile.read(int(request.headers.get("Content-Length") or 0)).decode()
        fields = urllib.parse.parse_qs(form or request.path.partition("?")[2])
        if request.command == "POST":
            good = fields["grant_type"] == ["refresh_token"] and fields["refresh_token"][0] in self.refresh_tokens
        else:
            good = self.users is None or self._known(request)
        if not good or fields.get("service") != ["the, registry"]:
            self.error(request, 401, "UNAUTHORIZED", "incorrect username or password")
            return
        given: set[tuple[str, str]] = set()
        for scope in " ".join(fields.get("scope", [])).split():
            _, name, actions = scope.split(":")
            allowed = set(actions.split(",")) if self.allowed is None else self.allowed.get(name, set())
            given |= {(name, action) for action in actions.split(",") if action in allowed}
        token = secrets.token_urlsafe(20)
        self.tokens[token] = given
        self.answer(request, 200, json.dumps({"access_token" if request.command == "POST" else "token": token}).encode())
