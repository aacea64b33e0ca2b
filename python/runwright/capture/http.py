"""Bytes over HTTPS: within a size and a time, with credentials for the host they are meant for only."""

from __future__ import annotations

import http.client
import re
import time
import urllib.error
import urllib.request
from email.message import Message
from typing import IO, Any
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from ..exceptions import InvalidError, SourceError

SECONDS = 120.0
STALL_SECONDS = 20.0
DELAYS = (0.3, 1.0)
"""Between attempts. A server that says no is not asked again; one that is not there, or overloaded, is."""

_AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504))
_SECRET_QUERY = re.compile(r"(?i)token|secret|passw|sig|auth|key|cred|^x-(amz|goog)-|^(se|sp|sv|sr)$")
_URL = re.compile(r"^([^/?#]*//)([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?$", re.DOTALL)
_LOCAL = frozenset(("localhost", "127.0.0.1", "::1"))


def redact(url: str) -> str:
    """A URL without what could be a credential: its user, and a query that signs or names a token."""
    found = _URL.match(url)
    if found is None:
        return url
    scheme, authority, path, query, fragment = found.groups(default="")
    secret = any(_SECRET_QUERY.search(one.partition("=")[0]) for one in query[1:].split("&"))
    return f"{scheme}{authority.rpartition('@')[2]}{path}{'' if secret else query}{fragment}"


def split(url: str) -> tuple[SplitResult, str | None, str | None]:
    """A URL's parts, its user and its password.

    Raises:
        InvalidError: if it is no URL with a host.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or host.startswith("-"):
        raise InvalidError("code_src: the URL has no host", field="code_src", value=redact(url), cure="write https://host/path")
    user, password = parts.username, parts.password
    return parts, unquote(user) if user else None, unquote(password) if password else None


def check_encrypted(url: str) -> None:
    """http:// is for this machine only.

    Raises:
        SourceError: for any other host.
    """
    parts, _, _ = split(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
        raise SourceError(
            f"code_src: {redact(url)} is not encrypted: anyone on the way could change the code",
            field="code_src",
            value=redact(url),
            cure="write https://…",
        )


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to encrypted places only, and does not tell another host the credentials."""

    max_redirections = 5

    def redirect_request(  # noqa: PLR0917
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message[str, str], newurl: str
    ) -> urllib.request.Request | None:
        check_encrypted(newurl)
        found = super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
        if found is not None and urlsplit(newurl).netloc != urlsplit(req.full_url).netloc:
            found.remove_header("Authorization")
        return found


def _opener() -> urllib.request.OpenerDirector:
    """No file://, no ftp://: neither in a URL nor after a redirect."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def download(url: str, limit: int, token: str | None = None) -> bytes:
    """What is at a URL.

    Args:
        limit: in bytes.
        token: a bearer token, where the URL has no user of its own.

    Raises:
        InvalidError: if it is no URL.
        SourceError: if it is not encrypted, not there, too large or too slow.
    """
    check_encrypted(url)
    parts, user, password = split(url)
    host = parts.netloc.rpartition("@")[2]
    clean = urlunsplit((parts.scheme, host, quote(parts.path, safe="/%:@!$&'()*+,;=~"), parts.query, ""))
    # Its scheme is checked above.
    request = urllib.request.Request(clean, headers={"User-Agent": "runwright", "Accept": "*/*"})  # noqa: S310
    if user is not None:
        from base64 import b64encode

        request.add_header("Authorization", "Basic " + b64encode(f"{user}:{password or ''}".encode()).decode())
    elif token:
        request.add_header("Authorization", f"Bearer {token}")
    deadline = time.monotonic() + SECONDS
    opener = _opener()
    for delay in (*DELAYS, None):
        try:
            with opener.open(request, timeout=STALL_SECONDS) as response:
                return _read(response, limit, deadline, url)
        except urllib.error.HTTPError as error:
            if error.code not in _AGAIN or delay is None:
                raise _refused(url, error) from None
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            reason = getattr(error, "reason", error)
            if delay is None or "CERTIFICATE" in str(reason):
                cure = "check the address, the network and the proxy settings"
                message = f"code_src: {redact(url)} cannot be reached: {reason}"
                raise SourceError(message, field="code_src", value=redact(url), cure=cure) from None
        time.sleep(delay or 0)
    raise AssertionError("the last attempt returns or raises")


def _read(response: Any, limit: int, deadline: float, url: str) -> bytes:
    length = response.headers.get("Content-Length", "")
    data = bytearray()
    large = SourceError(f"code_src: {redact(url)} is larger than {limit >> 20} MiB", field="code_src", cure="pass data as inputs")
    if length.isdigit() and int(length) > limit:
        raise large
    while True:
        chunk = response.read1(65536) if hasattr(response, "read1") else response.read(65536)
        if not chunk:
            break
        data += chunk
        if len(data) > limit:
            raise large
        if time.monotonic() > deadline:
            raise SourceError(f"code_src: {redact(url)} took longer than {SECONDS:.0f} s", field="code_src")
    if length.isdigit() and len(data) < int(length):
        raise ConnectionError(f"it ended after {len(data)} of {length} bytes")
    return bytes(data)


def _refused(url: str, error: urllib.error.HTTPError) -> SourceError:
    cure = None
    if error.code in (401, 403, 404):
        cure = "check the address; where it needs a credential, give HTTP_TOKEN as a secret"
    message = f"code_src: {redact(url)}: the server says {error.code} {error.reason}"
    return SourceError(message, field="code_src", value=redact(url), cure=cure)
