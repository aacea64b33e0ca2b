"""JSON by the interpreter's own C scanner and encoder, without the `json` package.

`import json` costs about 3 ms because it pulls in `re`; a run would pay that before the user's function is called. The C parts are the very
same that `json` uses; where an interpreter lacks them, `json` itself does the work.
"""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PTH123

from __future__ import annotations

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

_INFINITY = float("inf")

make_scanner: Any = None
try:
    import _json

    make_scanner = _json.make_scanner
except ImportError:
    pass  # another implementation than CPython


class _Settings:
    """What the C scanner asks of its decoder."""

    strict = False
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = {"NaN": float("nan"), "Infinity": _INFINITY, "-Infinity": -_INFINITY}.__getitem__
    memo: dict[str, str] = {}  # noqa: RUF012 - the scanner's own cache of keys


def _refuse(value: Any) -> Any:
    raise TypeError(f"{type(value).__name__} is not JSON")


if make_scanner is None:
    import json

    quote = json.encoder.encode_basestring

    def loads(text: Any) -> Any:
        """The value that a JSON text says. Raises ValueError."""
        return json.loads(text, strict=False)

    def dumps(value: Any) -> Any:
        """A value as one line of JSON. Raises TypeError, ValueError (NaN) or RecursionError (circular)."""
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False)

else:
    quote = _json.encode_basestring
    _scan = make_scanner(_Settings)
    _encode = _json.make_encoder(None, _refuse, _json.encode_basestring, None, ":", ",", False, False, False)

    def loads(text: Any) -> Any:
        """The value that a JSON text (str or UTF-8 bytes) says. Raises ValueError."""
        if not isinstance(text, str):
            text = text.decode("utf-8")
        text = text.strip(" \t\r\n")
        try:
            value, end = _scan(text, 0)
        except (StopIteration, SystemError):
            # The scanner leaves it to `json` to say what is wrong (and fails itself where that is not imported).
            import json

            return json.loads(text, strict=False)
        if end != len(text):
            raise ValueError(f"more text after the JSON value at character {end}")
        return value

    def dumps(value: Any) -> Any:
        """A value as one line of JSON. Raises TypeError, ValueError (NaN) or RecursionError (circular)."""
        return "".join(_encode(value, 0))


def encode(value: Any) -> Any:
    """A value as one line of UTF-8 JSON, whatever it holds: what JSON has no form for becomes text. Never raises for the value's sake."""
    try:
        text = dumps(value)
    except (TypeError, ValueError, RecursionError):
        text = dumps(plain(value))
    # A lone surrogate has no UTF-8 form, and readers written in Rust refuse its escape.
    return text.encode("utf-8", "replace")


def plain(value: Any, depth: Any = 0) -> Any:
    """The nearest value that JSON can say. Numbers that it cannot say become "NaN", "Infinity", "-Infinity"; other objects their repr."""
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, float):
        if value != value:  # noqa: PLR0124 - NaN
            return "NaN"
        if value in (_INFINITY, -_INFINITY):
            return "Infinity" if value > 0 else "-Infinity"
        return float(value)
    if depth > 50:
        return "…"
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): plain(entry, depth + 1) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry, depth + 1) for entry in value]
    try:
        return repr(value)
    except Exception:
        return f"<{type(value).__name__}>"


def read(path: Any) -> Any:
    """The value in a JSON file. Raises OSError or ValueError."""
    with open(path, "rb") as file:
        return loads(file.read())
