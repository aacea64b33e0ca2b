"""The body of a request: read under a limit, and what its media type makes of it."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

from .deadline import Deadline, Expired
from .exchange import JSON, Refused, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
# How much of a body that is too long is still taken, and thrown away, so that its client comes to read why.
_THROWN_AWAY = 64 * 1024 * 1024
_THROWING_AWAY = 5.0


class Gone(Exception):
    """The client closed the connection."""


async def read(scope: dict[str, Any], receive: Any, limit: int) -> bytes:
    """The whole body.

    Raises:
        Refused: 413, before more than `limit` bytes and one piece are held. Gone: the client left.
    """
    told = told_length(scope)
    if told is not None and told > limit:
        await throw_away(scope, receive)
        raise too_long(limit)
    if told == 0:
        return b""
    message = await _next(receive)
    if not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise too_long(limit)
        return body
    pieces = bytearray(message.get("body", b""))
    while message.get("more_body"):
        if len(pieces) > limit:
            pieces.clear()
            await throw_away(scope, receive)
            raise too_long(limit)
        message = await _next(receive)
        pieces += message.get("body", b"")
    if len(pieces) > limit:
        raise too_long(limit)
    return bytes(pieces)


def told_length(scope: dict[str, Any]) -> int | None:
    """What Content-Length says; 0 where the headers announce no body at all; None where it shows only as it comes."""
    chunked = False
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else None
        chunked = chunked or name == b"transfer-encoding"
    return None if chunked or scope["http_version"] not in ("1.0", "1.1") else 0


async def _next(receive: Any) -> Any:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Gone
    return message


async def throw_away(scope: dict[str, Any], receive: Any) -> None:
    """Read on for a while: a client that is still sending reads no answer, and a connection closed under it loses the answer."""
    if any(name == b"expect" for name, _ in scope["headers"]):
        return  # it waits to be told before it sends
    taken = 0
    try:
        with Deadline(_THROWING_AWAY):
            while taken < _THROWN_AWAY:
                message = await _next(receive)
                taken += len(message.get("body", b""))
                if not message.get("more_body"):
                    return
    except (Expired, Gone):
        return


def too_long(limit: int) -> Refused:
    """The answer to a body over the limit; the connection has the rest of it still in it, so it is of no more use."""
    return Refused(
        413, "BodyTooLarge", f"the request's body is longer than {limit} bytes, the limit of this service", [(b"connection", b"close")]
    )


def from_json(body: bytes) -> Any:
    """The value that a JSON body says. Raises Refused (400), which says where it is wrong."""
    try:
        return json.loads(body)
    except RecursionError:
        raise Refused(400, "BadRequest", "the body is nested too deep") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise Refused(400, "BadRequest", f"the body is not JSON: {error}") from None


def is_json(content_type: str) -> bool:
    """Whether a media type is JSON (`application/ld+json` is)."""
    return content_type == JSON or content_type.endswith("+json")


def texts(query: str) -> dict[str, list[Any]]:
    """Names and values of a query or form, each a list. Raises Refused (400)."""
    try:
        return parse_qs(query, keep_blank_values=True, errors="replace", max_num_fields=10_000)
    except ValueError as error:
        raise Refused(400, "BadRequest", f"the query or form cannot be read: {error}") from None


def form(request: Request) -> dict[str, list[Any]]:
    """The fields of a form in the body, each a list; empty where the body is none. Files are bytes. Raises Refused (400)."""
    kind = request.content_type
    if kind == FORM:
        return texts(request.body.decode("utf-8", "replace"))
    return _multipart(request) if kind == MULTIPART else {}


def _multipart(request: Request) -> dict[str, list[Any]]:
    from email.parser import BytesParser
    from email.policy import HTTP

    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode("latin-1")
    message = BytesParser(policy=HTTP).parsebytes(head + request.body)
    if not message.is_multipart():
        raise Refused(400, "BadRequest", "the body is not the multipart form that its content type says")
    found: dict[str, list[Any]] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            # A part with a file name is a file, whatever is in it.
            value = content if part.get_filename() is not None else content.decode(part.get_content_charset() or "utf-8", "replace")
            found.setdefault(name, []).append(value)
    return found
