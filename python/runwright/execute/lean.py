"""Parts of the standard library without what their public modules cost to import (milliseconds in every run)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    try:
        import _signal as signal  # `signal` builds enumerations of all constants
    except ImportError:  # another implementation than CPython
        import signal

__all__ = ["sha256", "signal"]


def sha256(data: bytes) -> str:
    """The SHA-256 in hexadecimal. `hashlib` would load OpenSSL for it."""
    from importlib import import_module

    for name in ("_sha2", "_sha256", "hashlib"):
        try:
            return str(import_module(name).sha256(data).hexdigest())
        except ImportError:
            continue
    raise ImportError("this Python has no SHA-256")
