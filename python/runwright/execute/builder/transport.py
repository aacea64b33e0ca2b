"""HTTP as a registry needs it: streamed both ways, with proxies, redirects that do not carry the login along, and deadlines for silence."""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import site
import ssl
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

_REDIRECTS = 5
_BLOCK = 1 << 17
AGENT = "runwright-build"


class Answer:
    """One response. Whoever asked reads it and closes it."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse, url: str) -> None:
        self._connection = connection
        self._response = response
        self.status: int = response.status
        self.reason: str = response.reason or ""
        self.headers = response.headers
        self.content = b""
        self.url = url

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end. Raises where the connection ended early."""
        data = self._response.read(size)
        if not data and self._response.length:
            raise http.client.IncompleteRead(b"", self._response.length)
        return data

    def whole(self, limit: int) -> bytes:
        """All of it; the connection is closed. Raises OSError where it is longer than `limit`."""
        with contextlib.closing(self):
            pieces: list[bytes] = []
            left = limit + 1
            while left > 0 and (piece := self.read(min(left, 1 << 16))):
                pieces.append(piece)
                left -= len(piece)
            if left <= 0:
                raise OSError(f"the answer has more than {limit} bytes")
            return b"".join(pieces)

    def close(self) -> None:
        """Give the connection back."""
        self._response.close()
        self._connection.close()


class Transport:
    """Where connections come from."""

    def __init__(self, insecure: frozenset[str], timeout: float, certificates: str | None = None) -> None:
        """`insecure`: hosts (with their ports) that are asked with plain http. `timeout`: seconds without a byte. `certificates`: a file of authorities."""
        self._insecure = insecure
        self._timeout = timeout
        self._certificates = certificates
        self._context: ssl.SSLContext | None = None

    def base(self, host: str) -> str:
        """The URL that a registry's paths are below."""
        return f"http://{host}" if host in self._insecure else f"https://{host}"

    def ask(self, method: str, url: str, headers: dict[str, str], body: Any = None, follow: bool = True) -> Answer:
        """Send one request.

        Args:
            body: bytes, or an object with `read`, whose length the headers say.
            follow: go where a redirect leads. The Authorization stays behind where that is another host.

        Raises:
            OSError, http.client.HTTPException: if there is no answer, or it leads from https to http.
        """
        for _ in range(_REDIRECTS):
            answer = self._once(method, url, headers, body)
            place = answer.headers.get("Location")
            if not follow or answer.status not in (301, 302, 303, 307, 308) or not place:
                return answer
            answer.close()
            following = urllib.parse.urljoin(url, place)
            before, after = urllib.parse.urlsplit(url), urllib.parse.urlsplit(following)
            if before.netloc != after.netloc:
                headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
            if before.scheme == "https" and after.scheme != "https":
                raise OSError(f"a redirect leads from https to {after.scheme}://{after.hostname}")
            url = following
        raise OSError(f"more than {_REDIRECTS} redirects")

    def _once(self, method: str, url: str, headers: dict[str, str], body: Any) -> Answer:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise OSError(f"{parts.scheme}://{parts.hostname or ''} is not an address that can be asked")
        connection, through, more = self._connection(parts)
        target = url if through else (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            # Who refuses a long body may say so without reading it; where nothing was said, the next line fails the same way.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(
                    method, target, body=body, headers={"User-Agent": AGENT, "Accept-Encoding": "identity", **more, **headers}
                )
            return Answer(connection, connection.getresponse(), url)
        except BaseException:
            connection.close()
            raise

    def _connection(self, parts: urllib.parse.SplitResult) -> tuple[http.client.HTTPConnection, bool, dict[str, str]]:
        """The connection, whether a proxy passes the request on, and what that proxy wants to be told."""
        host, port = parts.hostname or "", parts.port
        proxy = None if urllib.request.proxy_bypass(parts.netloc) else urllib.request.getproxies().get(parts.scheme)
        if not proxy:
            if parts.scheme == "https":
                return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._tls(), blocksize=_BLOCK), False, {}
            return http.client.HTTPConnection(host, port, timeout=self._timeout, blocksize=_BLOCK), False, {}
        by = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        login = {}
        if by.username:
            pair = f"{urllib.parse.unquote(by.username)}:{urllib.parse.unquote(by.password or '')}"
            login["Proxy-Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        if parts.scheme == "http":
            return http.client.HTTPConnection(by.hostname or "", by.port or 80, timeout=self._timeout, blocksize=_BLOCK), True, login
        tunnel = http.client.HTTPSConnection(by.hostname or "", by.port or 80, timeout=self._timeout, context=self._tls(), blocksize=_BLOCK)
        tunnel.set_tunnel(host, port or 443, headers=login)
        return tunnel, False, {}

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = ssl.create_default_context(cafile=self._certificates or _authorities())
        return self._context


def _authorities() -> str | None:
    """The file of authorities, where the system has none (a slim image): pip's own. None for the system's."""
    if os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR"):
        return None
    paths = ssl.get_default_verify_paths()
    folder = Path(paths.capath) if paths.capath else None
    if paths.cafile or (folder and folder.is_dir() and any(folder.iterdir())):
        return None
    # Not by importing: the runner is started without the folders that packages are in.
    for place in site.getsitepackages():
        bundled = Path(place, "pip", "_vendor", "certifi", "cacert.pem")
        if bundled.is_file():
            return str(bundled)
    return None
