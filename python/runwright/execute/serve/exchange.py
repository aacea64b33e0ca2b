"""One request and its answer, as plain data between the server and the forms of a handler."""

from __future__ import annotations

import json
import time
from functools import cached_property

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

JSON = "application/json"


class Headers:
    """The headers of a request by name, in whatever case. One that came twice is joined by a comma, as HTTP says it means the same."""

    def __init__(self, pairs: list[tuple[bytes, bytes]]) -> None:
        self._pairs = pairs

    @cached_property
    def _values(self) -> dict[str, str]:
        """Read when somebody asks: most functions do not."""
        values: dict[str, str] = {}
        for name, value in self._pairs:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            values[key] = f"{values[key]}, {text}" if key in values else text
        return values

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or the default."""
        return self._values.get(name.lower(), default)

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def keys(self) -> Any:
        """The names, in lower case."""
        return self._values.keys()

    def items(self) -> Any:
        """Names and values."""
        return self._values.items()

    def __repr__(self) -> str:
        return f"Headers({', '.join(self._values)})"  # values may be secret


class Request:
    """A request whose body has arrived.

    Attributes:
        method, path, query (str): as in its first line; the path is decoded, the query is not.
        headers (Headers), body (bytes), client (str | None).
        content_type (str): the media type without its parameters, in lower case; "" where none is given.
        time (float): seconds since the epoch when its first line was read.
    """

    __slots__ = ("body", "client", "content_type", "headers", "method", "path", "query", "time")

    def __init__(self, scope: dict[str, Any], body: bytes) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: str = scope["query_string"].decode("latin-1")
        self.headers = Headers(scope["headers"])
        self.client = scope["client"][0] if scope.get("client") else None
        self.body = body
        self.time = time.time()
        self.content_type = _media_type(scope["headers"])


def _media_type(pairs: list[tuple[bytes, bytes]]) -> str:
    for name, value in pairs:
        if name == b"content-type":
            return value.decode("latin-1").partition(";")[0].strip().lower()
    return ""


class Answer:
    """What goes back: status, headers (as bytes) and body."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes, content_type: str | None = JSON, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        self.status = status
        self.headers: list[tuple[bytes, bytes]] = []
        # Answers of these statuses end with their headers; what came after would be taken for the next answer.
        self.body = b"" if status in (204, 304) else body
        if status not in (204, 304):
            self.headers.append((b"content-length", b"%d" % len(body)))
        if content_type:
            self.headers.append((b"content-type", content_type.encode("latin-1")))
        if headers:
            self.headers += headers


class Refused(Exception):
    """The request is not answered by the function: the client did something wrong, or the service cannot now.

    Attributes:
        status (int): of HTTP.
        payload (dict): the body; `error` is a word, `message` is for people.
        headers (list): more of them.
    """

    def __init__(self, status: int, error: str, message: str, headers: list[tuple[bytes, bytes]] | None = None, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.payload = {"error": error, "message": message, **more}
        self.headers = headers or []

    def answer(self) -> Answer:
        """It as an answer."""
        return say(self.status, self.payload, self.headers)


def say(status: int, payload: Any, headers: list[tuple[bytes, bytes]] | None = None) -> Answer:
    """A JSON answer of our own."""
    return Answer(status, json.dumps(payload, separators=(",", ":")).encode(), JSON, headers)


def busy(message: str) -> Refused:
    """The answer to one request too many."""
    return Refused(503, "Busy", message, [(b"retry-after", b"1")])
