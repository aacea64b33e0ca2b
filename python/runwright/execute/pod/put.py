"""Bytes to a presigned URL, again and again where another try may help."""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PTH123

from __future__ import annotations

import io
import os
import time

from ..failure import Failed, text_of
from . import say

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

_CURE = "check the artifact store (RUNWRIGHT_ARTIFACTS): that pods reach it, and that the run ended before its URLs expired (url_lifetime= of rw.use)"
# How long after a stop was asked for an upload may still be tried.
_AFTER_STOP = 10.0


def honour(envs: Any) -> None:
    """Let uploads and downloads of this process go the way that the run's own `envs` say: proxies and certificates."""
    for name, value in (envs or {}).items():
        if name.lower() in ("http_proxy", "https_proxy", "no_proxy", "all_proxy") or name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
            os.environ[name] = str(value)


class Patience:
    """How long to go on trying."""

    def __init__(self, seconds: float, wakeup: Any = None) -> None:
        """`wakeup`: tells of a stop, after which little time is left before the container is killed."""
        self._wakeup = wakeup
        self._stopping = wakeup is not None and wakeup.stop
        self.deadline = time.monotonic() + (min(seconds, _AFTER_STOP) if self._stopping else seconds)

    def pause(self, attempt: int) -> bool:
        """Wait before another try; False where there is no time for it."""
        delay = min(0.5 * 2**attempt, 20.0)
        if time.monotonic() + delay > self.deadline:
            return False
        if self._wakeup is None or self._stopping:
            time.sleep(delay)
        else:
            self._wakeup.sleep(delay)
            if self._wakeup.stop:
                self._stopping = True
                self.deadline = min(self.deadline, time.monotonic() + _AFTER_STOP)
        return True


def put(slot: Any, content: Any, what: str, patience: Patience) -> None:
    """Put bytes, or the file at a path, to a slot.

    Args:
        slot: a URL, or {"url", "headers"}.
        what: says in errors what it is.

    Raises:
        Failed: with cause `OutputError`.
    """
    url, headers = (slot, {}) if isinstance(slot, str) else (slot["url"], slot.get("headers") or {})
    attempt = 0
    while True:
        failure, again = _try(url, headers, content)
        if not failure:
            return
        # The query of a presigned URL is a credential.
        message = f"{what} could not be stored at {url.partition('?')[0]}: {failure}"
        if not again or not patience.pause(attempt):
            raise Failed("OutputError", message, _CURE)
        attempt += 1
        say(f"{message}; trying again")


def _try(url: str, headers: dict[str, str], content: Any) -> tuple[str, bool]:
    """One try: what went wrong ("" if nothing did), and whether another may help."""
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request

    size = len(content) if isinstance(content, bytes) else os.path.getsize(content)  # noqa: PTH202
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size), **headers}
    try:
        with io.BytesIO(content) if isinstance(content, bytes) else open(content, "rb") as file:
            # No file at all where there are no bytes: a server would wait for a body.
            request = Request(url, data=file if size else b"", headers=headers, method="PUT")  # noqa: S310 - the client made the URL
            with _opener().open(request, timeout=60) as answer:
                answer.read()
        return "", False
    except HTTPError as error:
        said = _said(error)
        again = error.code >= 500 or error.code in (408, 425, 429) or "RequestTimeout" in said
        return f"it answered HTTP {error.code} {error.reason}{said}", again
    except URLError as error:
        certificate = type(error.reason).__name__ == "SSLCertVerificationError"
        return text_of(error), not certificate
    except (HTTPException, OSError) as error:
        return f"{type(error).__name__}: {text_of(error)}", True
    except ValueError as error:
        return text_of(error), False


def _said(error: Any) -> str:
    """What the store says in the body of its refusal."""
    try:
        body = error.read(4096).decode("utf-8", "replace")
    except Exception:
        return ""
    found = []
    for tag in ("Code", "Message"):
        _, opening, rest = body.partition(f"<{tag}>")
        if opening:
            found.append(rest.partition(f"</{tag}>")[0])
    shown = ": ".join(found) or " ".join(body.split())[:300]
    return f" ({shown})" if shown else ""


def _opener() -> Any:
    """An opener whose connections listen to a server that refuses before it has all, instead of failing on the closed connection."""
    from http.client import HTTPConnection
    from urllib.request import HTTPHandler, build_opener

    class _Listening:
        def request(self, *arguments: Any, **named: Any) -> None:
            try:
                super().request(*arguments, **named)  # type: ignore[misc]
            except (BrokenPipeError, ConnectionResetError):
                if getattr(self, "sock", None) is None:
                    raise

    class _Http(_Listening, HTTPConnection):
        pass

    class _HttpHandler(HTTPHandler):
        def http_open(self, request: Any) -> Any:
            return self.do_open(_Http, request)

    handlers: list[Any] = [_HttpHandler]
    try:
        from http.client import HTTPSConnection
        from urllib.request import HTTPSHandler
    except ImportError:
        return build_opener(*handlers)  # a Python without TLS

    class _Https(_Listening, HTTPSConnection):
        pass

    class _HttpsHandler(HTTPSHandler):
        def https_open(self, request: Any) -> Any:
            return self.do_open(_Https, request)

    return build_opener(*handlers, _HttpsHandler)
