"""What must not be seen on a screen that others may look at. Records hold no secrets by themselves; what users pass as plain values may."""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "***"
# At the end of a name, so that `max_tokens` and `secret_santa` are none.
_NAME = re.compile(
    r"(?:^|[_\-.])(?:password|passwd|passphrase|pwd|secret|token|credentials?|bearer|(?:api|access|secret|private|account)[_\-]?key)$",
    re.IGNORECASE,
)
_IN_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_USERINFO = re.compile(r"(?<=://)([^\s/:@'\"]*):[^\s/@'\"]+@")
_IN_QUERY = re.compile(
    r"([?&](?:X-(?:Amz|Goog)-(?:Signature|Credential|Security-Token)|sig|signature|token|access_token|api_key|password)=)[^&\s'\"]+",
    re.IGNORECASE,
)
_HEADER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{8,}")


def is_secret(name: str) -> bool:
    """Whether what goes by this name is one: `password`, `db_password`, `apiKey`, `HF_TOKEN`, …"""
    return _NAME.search(name) is not None or _NAME.search(_IN_CAMEL.sub("_", name)) is not None


def masked(value: Any, name: str = "", depth: int = 0) -> Any:
    """The value, with `***` for what goes by the name of a secret, at any depth that is shown."""
    if value is not None and not isinstance(value, bool) and is_secret(name):
        return HIDDEN
    if depth > 6:
        return value
    if isinstance(value, dict):
        return {key: masked(item, key if isinstance(key, str) else "", depth + 1) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(masked(item, "", depth + 1) for item in value)
    return value


def clean(text: str) -> str:
    """Text without passwords in URLs, signatures in queries and authorization headers."""
    if "://" in text or "?" in text:
        text = _IN_QUERY.sub(rf"\1{HIDDEN}", _USERINFO.sub(rf"\1:{HIDDEN}@", text))
    return _HEADER.sub(rf"\1 {HIDDEN}", text)
