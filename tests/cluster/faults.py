"""What a fault proxy does to requests: which it meets, how often, and what happens then."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "AlreadyExists",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


@dataclass(eq=False)
class Fault:
    """One fault. It meets requests of a method whose path, with its query, matches an expression, a number of times (None: for ever)."""

    method: str | None = None
    path: str = ""
    times: int | None = 1
    # The API server gets the request all the same, and only its answer is lost.
    carried_out: bool = False
    delay: float = 0
    answer: bytes | None = None
    hang: bool = False
    close: bool = False
    # Only so many bytes of the answer's body arrive.
    cut: int | None = None

    def meets(self, method: str, path: str) -> bool:
        """Whether this request is one of its."""
        return self.times != 0 and self.method in (None, method) and re.search(self.path, path) is not None

    def count(self) -> None:
        """It met one."""
        if self.times is not None:
            self.times -= 1


def refusal(status: int, message: str, *, reason: str | None = None, retry_after: int | None = None) -> bytes:
    """A whole answer in HTTP, of the form in which the API server refuses."""
    body = json.dumps(_status(status, message, reason, retry_after)).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return _head(status, headers) + body


def watch_error(status: int, message: str) -> bytes:
    """The answer to a watch that begins well and consists of one error, as the API server sends it for a resource version that is too old."""
    body = json.dumps({"type": "ERROR", "object": _status(status, message, None, None)}).encode() + b"\n"
    return _head(200, {"Content-Type": "application/json", "Content-Length": str(len(body))}) + body


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'OK')}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _status(status: int, message: str, reason: str | None, retry_after: int | None) -> dict[str, Any]:
    details = {"details": {"retryAfterSeconds": retry_after}} if retry_after is not None else {}
    said = {"status": "Failure", "code": status, "reason": reason or _REASONS.get(status, "Unknown"), "message": message}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, **said, **details}
