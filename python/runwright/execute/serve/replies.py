"""From what a handler returned, or raised, to the answer."""

from __future__ import annotations

import logging
import re

from ..failure import text_of
from .context import Response
from .exchange import JSON, Answer, Refused, say
from .jsonable import Unserialisable, dump

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TEXT = "text/plain; charset=utf-8"
_BYTES = "application/octet-stream"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FRAMING = ("content-length", "transfer-encoding", "connection")
log = logging.getLogger("runwright.serve")


def of_plain(value: Any) -> Answer:
    """A plain function's return value as JSON; bytes as they are. Raises Unserialisable."""
    if isinstance(value, (bytes, bytearray)):
        return Answer(200, bytes(value), _BYTES)
    return of_response(value) if is_response(value) else Answer(200, dump(value))


def of_event(value: Any) -> Answer:
    """What a platform's handler returned: a value, a response, or `(status, body)`. Raises Unserialisable."""
    if is_response(value):
        return of_response(value)
    if isinstance(value, tuple) and len(value) == 2 and type(value[0]) is int and 200 <= value[0] <= 599:
        return _content(value[0], value[1], None, {})
    return _content(200, value, None, {})


def is_response(value: Any) -> bool:
    """Whether it is a response: ours, or an object with a body and a status (those of Starlette and others)."""
    if isinstance(value, Response):
        return True
    return hasattr(value, "body") and (hasattr(value, "status_code") or hasattr(value, "status"))


def of_response(value: Any) -> Answer:
    """A response object as the answer. Raises Unserialisable, ValueError (a status that is none)."""
    status = getattr(value, "status_code", None)
    status = getattr(value, "status", 200) if status is None else status
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise ValueError(f"the response's status is {status!r:.50}; it is a number from 200 to 599")
    headers = getattr(value, "headers", None) or {}
    content_type = getattr(value, "content_type", None) or getattr(value, "media_type", None)
    return _content(int(status), value.body, content_type, dict(headers.items() if hasattr(headers, "items") else headers))


def _content(status: int, body: Any, content_type: str | None, headers: dict[str, Any]) -> Answer:
    more = []
    for name, text in headers.items():
        if str(name).lower() == "content-type":
            content_type = content_type or str(text)
        elif str(name).lower() not in _FRAMING:
            more.append(_header(str(name), str(text)))
    if content_type:
        _header("content-type", content_type)
    if body is None:
        return Answer(status, b"", content_type, more)
    if isinstance(body, str):
        return Answer(status, body.encode("utf-8", "replace"), content_type or _TEXT, more)
    if isinstance(body, (bytes, bytearray, memoryview)):
        return Answer(status, bytes(body), content_type or _BYTES, more)
    return Answer(status, dump(body), content_type or JSON, more)


def _header(name: str, text: str) -> tuple[bytes, bytes]:
    """A header that is one. Raises ValueError."""
    if not _NAME.fullmatch(name) or _CONTROL.search(text):
        raise ValueError(f"the response's header {name!r:.50} has a character that a header cannot have")
    return name.encode(), text.encode("latin-1", "replace")


class Failures:
    """Exceptions as answers: the class and its words to the client, the traceback to the log."""

    def __init__(self, hide: Any, debug: bool) -> None:
        """`hide` takes the secrets out of a text."""
        self._hide = hide
        self._debug = debug

    def answer(self, error: BaseException, name: str) -> Answer:
        """The answer to a request whose handler `name` raised."""
        if isinstance(error, Refused):
            return error.answer()
        if isinstance(error, Unserialisable):
            message = f"{name}() returned what cannot be sent: {text_of(error)}"
            log.error("%s", self._hide(message))
            return say(500, {"error": "Unserialisable", "message": self._hide(message)})
        status = getattr(error, "status_code", None)
        if type(status) is int and 400 <= status <= 599:
            # As exceptions of web frameworks say that they are answers.
            detail = getattr(error, "detail", None)
            message = detail if isinstance(detail, str) else text_of(error)
            return say(status, {"error": type(error).__name__, "message": self._hide(message)})
        from ..failure import describe

        described = describe(error)
        log.error("%s() raised %s", name, self._hide(described["traceback"] or described["message"]).rstrip())
        payload = {"error": type(error).__name__, "message": self._hide(described["message"])}
        if self._debug:
            payload["traceback"] = self._hide(described["traceback"] or "")
        return say(500, payload)
