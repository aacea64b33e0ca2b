"""The API server by HTTP, as the administrator: a kubectl for every request would take most of a short test's time."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import socket
import sys
import tempfile
import urllib.parse
from pathlib import Path
from typing import Any

from tests.servers.processes import start, wait_ready


class ApiError(RuntimeError):
    """The API server refused a request: `status` is HTTP's, the message what it said."""

    def __init__(self, status: int, message: str) -> None:
        """Keep both."""
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    """Through `kubectl proxy`, which knows every way to log in, on a socket that only this user reaches."""

    def __init__(self, kubectl: list[str | Path]) -> None:
        """`kubectl` is the program with the options that every call has."""
        # A unix socket's path may have 107 bytes only, so not below TMPDIR.
        self._folder = Path(tempfile.mkdtemp(prefix="runwright-api-", dir="/tmp"))
        self._socket = self._folder / "socket"
        log = self._folder / "log"
        die_with_parent = signal.SIGTERM if sys.platform == "linux" else None
        self._process = start([*kubectl, "proxy", f"--unix-socket={self._socket}"], log, die_with_parent=die_with_parent)
        wait_ready("kubectl proxy", self._process, self._socket.exists, log)

    def close(self) -> None:
        """End the proxy."""
        self._process.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def request(self, method: str, path: str, body: dict[str, Any] | str | None = None, **query: str) -> Any:
        """Send a request, with a body of JSON or of text in YAML; the answer's JSON, or ApiError."""
        connection = _UnixConnection(self._socket)
        try:
            target = f"{path}?{urllib.parse.urlencode(query)}" if query else path
            form, content = ("yaml", body) if isinstance(body, str) else ("json", None if body is None else json.dumps(body))
            connection.request(method, target, content, {"Content-Type": f"application/{form}", "Accept": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            try:
                message = json.loads(text)["message"]
            except (ValueError, KeyError, TypeError):
                message = text.decode(errors="replace")
            raise ApiError(answer.status, f"{method} {target}: {message}")
        return json.loads(text)

    def get(self, path: str, **query: str) -> Any:
        """What is there."""
        return self.request("GET", path, **query)

    def exists(self, path: str) -> bool:
        """Whether something is there."""
        try:
            self.get(path)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
