"""AWS signature version 4 for S3, in a few lines: a second opinion for what Runwright signs itself."""

from __future__ import annotations

import hashlib
import hmac
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timezone


@dataclass(frozen=True)
class Signer:
    """Signs requests to one S3 endpoint (path style)."""

    endpoint: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"

    def request(self, method: str, path: str, body: bytes = b"", query: dict[str, str] | None = None) -> urllib.request.Request:
        """A request signed in its headers."""
        now, scope = self._now()
        payload = hashlib.sha256(body).hexdigest()
        headers = {"host": urllib.parse.urlsplit(self.endpoint).netloc, "x-amz-content-sha256": payload, "x-amz-date": now}
        signature = self._sign(method, path, query or {}, headers, payload, now, scope)
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={';'.join(sorted(headers))}, Signature={signature}"
        )
        url = f"{self.endpoint}{_quote_path(path)}" + (f"?{_query(query)}" if query else "")
        return urllib.request.Request(url, data=body if method in {"PUT", "POST"} else None, headers=headers, method=method)

    def presign(self, method: str, path: str, expires: int = 300) -> str:
        """A URL that anyone may use with this method until it expires."""
        now, scope = self._now()
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{self.access_key}/{scope}",
            "X-Amz-Date": now,
            "X-Amz-Expires": str(expires),
            "X-Amz-SignedHeaders": "host",
        }
        headers = {"host": urllib.parse.urlsplit(self.endpoint).netloc}
        query["X-Amz-Signature"] = self._sign(method, path, query, headers, "UNSIGNED-PAYLOAD", now, scope)
        return f"{self.endpoint}{_quote_path(path)}?{_query(query)}"

    def send(self, method: str, path: str, body: bytes = b"", query: dict[str, str] | None = None) -> bytes:
        """Send a signed request; the answer's body, or urllib's HTTPError."""
        with urllib.request.urlopen(self.request(method, path, body, query), timeout=30) as answer:
            return answer.read()

    def _now(self) -> tuple[str, str]:
        now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        return now, f"{now[:8]}/{self.region}/s3/aws4_request"

    def _sign(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], payload: str, now: str, scope: str) -> str:
        names = sorted(headers)
        canonical = "\n".join(
            [method, _quote_path(path), _query(query), *(f"{name}:{headers[name]}" for name in names), "", ";".join(names), payload]
        )
        text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = b"AWS4" + self.secret_key.encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, text.encode(), "sha256").hex()


def _quote_path(path: str) -> str:
    return urllib.parse.quote(path, safe="/-_.~")


def _query(query: dict[str, str]) -> str:
    return urllib.parse.urlencode(sorted(query.items()), quote_via=urllib.parse.quote, safe="-_.~")
