"""What a service answered, and the request that asks it."""

from __future__ import annotations

import contextlib
import http.client
import json as json_
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from .display.redact import clean
from .exceptions import BackendError, InvalidError, ResponseError

_SHOWN = 500
# As RFC 9110 has them.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")


class ResponseHeaders(Mapping[str, str]):
    """The headers of a response by name, in whatever case. One that came twice is joined by a comma."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, str] = {}
        self._names: dict[str, str] = {}
        for name, value in pairs:
            key = name.lower()
            self._names.setdefault(key, name)
            self._values[key] = f"{self._values[key]}, {value}" if key in self._values else value

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names.values())

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __repr__(self) -> str:
        return repr(dict(self))


class Response:
    """The answer of a service.

    Attributes:
        status_code (int), reason (str), content (bytes), url (str), method (str).
        headers (ResponseHeaders): a mapping that does not mind the case of names.
        seconds (float | None): how long the answer took, where that is known.
    """

    def __init__(
        self,
        status_code: int,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        content: bytes = b"",
        *,
        url: str = "",
        method: str = "",
        seconds: float | None = None,
    ) -> None:
        self.status_code = status_code
        self.reason = http.client.responses.get(status_code, "")
        self.headers = ResponseHeaders(headers.items() if isinstance(headers, Mapping) else headers)
        self.content = content
        self.url = url
        self.method = method
        self.seconds = seconds

    @property
    def ok(self) -> bool:
        """Whether the status says success: below 400."""
        return self.status_code < 400

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case; "" where there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def encoding(self) -> str:
        """The encoding of the text: that of the content type, else UTF-8."""
        for parameter in self.headers.get("content-type", "").split(";")[1:]:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "charset":
                return value.strip().strip("\"'")
        return "utf-8"

    @property
    def text(self) -> str:
        """The content as text; what is no text in its encoding is replaced."""
        try:
            return self.content.decode(self.encoding, "replace")
        except LookupError:  # an encoding that Python does not know
            return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The value that the content says.

        Raises:
            ResponseError: it is not JSON.
        """
        try:
            return json_.loads(self.content)
        except ValueError as error:
            what = self.content_type or "without a content type"
            raise ResponseError(f"the answer is not JSON ({what}): {self._beginning()!r}", response=self) from error

    def raise_for_status(self) -> Response:
        """This response, if its status says success.

        Raises:
            ResponseError: it does not; with what the service said of it.
        """
        if self.ok:
            return self
        said = self._beginning()
        try:
            value = json_.loads(self.content)
            if isinstance(value, dict) and isinstance(value.get("message"), str):
                said = f"{value.get('error') or 'error'}: {value['message']}"
        except ValueError:
            pass
        called = f"{self.method} {self.url}".strip() or "the service"
        cure = "the service has its log: run.logs()" if self.status_code >= 500 else None
        raise ResponseError(f"{called} answered {self._status()}: {said}", response=self, cure=cure)

    def _status(self) -> str:
        return f"{self.status_code} {self.reason}".strip()

    def _beginning(self) -> str:
        text = self.text
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"

    def _facts(self) -> str:
        took = "" if self.seconds is None else f", {self.seconds * 1000:.1f} ms"
        return f"{self.content_type or 'no content type'}, {len(self.content)} bytes{took}"

    def _is_text(self) -> bool:
        kind = self.content_type
        return kind.startswith("text/") or kind.endswith(("json", "xml"))

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        head = f"<Response {self._status()}, {self._facts()}>"
        return f"{head}\n{self._beginning()}" if self._is_text() and self.content else head

    def _repr_html_(self) -> str:
        from .display.html.parts import code, header, muted, piece

        body = self._beginning() if self._is_text() else ""
        return piece(header(self._status(), muted(self._facts())), code(body))


def request(
    url: str,
    *,
    method: str | None = None,
    json: Any = None,
    data: bytes | str | None = None,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    timeout: float | None = 60.0,
) -> Response:
    """Ask a service over HTTP.

    Args:
        url: of http or https.
        method: POST where there is a body, else GET, unless it is given.
        json: the body as a value; arrays and tables are sent as a service reads them.
        data: the body as it is.
        headers: more headers.
        params: added to the URL's query.
        timeout: seconds without a word from the service; None for no limit.

    Raises:
        InvalidError: both bodies, another URL, or a value that is not JSON. BackendError: the service cannot be reached or does not answer.
    """
    method, sent, body = asked(method, json, data, headers)
    timeout = seconds_of(timeout)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        shown = clean(url)
        raise InvalidError(f"{shown!r} is not a URL of http or https", field="url", value=shown, cure="give it like http://127.0.0.1:8080")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    target = with_query(parts.path or "/", parts.query, params)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{target}"
    begin = time.perf_counter()
    connection = kind(parts.hostname, parts.port, timeout=timeout)
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it did not want the rest of the body; its answer says why
            connection.request(method, target, body, sent)
        answer = connection.getresponse()
        content = answer.read()
        seconds = time.perf_counter() - begin
        return Response(answer.status, answer.getheaders(), content, url=shown, method=method, seconds=seconds)
    except (OSError, http.client.HTTPException) as error:
        raise BackendError(f"{method} {shown} got no answer: {type(error).__name__}: {error}", cure=_cure(error)) from error
    finally:
        connection.close()


def with_query(path: str, query: str, params: Mapping[str, Any] | None) -> str:
    """The path with its own query and more parameters."""
    whole = "&".join(part for part in (query, urlencode(params or {}, doseq=True)) if part)
    # Letters that no URL has are written as it writes them; those that are so already stay.
    return quote(path + (f"?{whole}" if whole else ""), safe="/?:@!$&'()*+,;=%-._~[]")


def seconds_of(timeout: float | None) -> float | None:
    """A timeout of a request.

    Raises:
        InvalidError: it is none.
    """
    if timeout is None or (isinstance(timeout, (int, float)) and not isinstance(timeout, bool) and timeout > 0):
        return timeout
    raise InvalidError(
        f"timeout={timeout!r} is not a number of seconds", field="timeout", value=timeout, cure="give more than 0, or None for no limit"
    )


def asked(
    method: str | None, json: Any, data: bytes | str | None, headers: Mapping[str, str] | None
) -> tuple[str, dict[str, str], bytes | None]:
    """Method, headers and body of a request.

    Raises:
        InvalidError: a name that HTTP does not know, both bodies, or a value that is not JSON.
    """
    if method is not None and not (isinstance(method, str) and _TOKEN.fullmatch(method)):
        raise InvalidError(f"method={method!r} is no method of HTTP", field="method", value=method, cure='give one like "GET" or "POST"')
    for name, value in (headers or {}).items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise InvalidError(
                f"headers: {name!r} is no name of a header", field="headers", value=name, cure='give one like "X-Request-Id"'
            )
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            what = f"headers[{name!r}] is not text of one line"
            raise InvalidError(what, field=f"headers.{name}", value=type(value).__name__, cure="give text, in letters of ASCII")
    if data is not None and not isinstance(data, (bytes, bytearray, memoryview, str)):
        raise InvalidError(f"data is {type(data).__name__}", field="data", value=data, cure="give bytes or text, or json= for other values")
    if json is not None and data is not None:
        raise InvalidError("a request has one body: json or data", field="data", cure="give one of them")
    sent = {"accept": "application/json, */*;q=0.5", **{name.lower(): value for name, value in (headers or {}).items()}}
    body = data.encode() if isinstance(data, str) else None if data is None else bytes(data)
    if json is not None:
        from .execute.serve.jsonable import Unserialisable, dump

        try:
            body = dump(json)
        except Unserialisable as error:
            raise InvalidError(f"json cannot be sent: {error}", field="json", cure="send what JSON can say") from error
        sent.setdefault("content-type", "application/json")
    return (method or ("GET" if body is None else "POST")).upper(), sent, body


def _cure(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "give it more time (timeout=…), or look at the service's log"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there: is the service running?"
    return "look at the service's log, then try again"
