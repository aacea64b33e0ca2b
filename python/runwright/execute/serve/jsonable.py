"""What a handler returns as JSON that any client reads: plain, where the record's own way (`materialize/values.py`) keeps every type.

NaN and infinities, for which JSON has no word, become null. Arrays become lists, tables a list of one object a row, times ISO 8601 texts,
bytes base64, decimals and UUIDs texts, dataclasses and pydantic models objects.
"""

from __future__ import annotations

import json

from ...materialize.base import is_a, roots, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DEEPEST = 200


class Unserialisable(TypeError):
    """The value holds something that JSON cannot say; the message names its type and its place."""


def dump(value: Any) -> bytes:
    """The value as compact JSON in UTF-8. Raises Unserialisable."""
    try:
        text = _encode(value)
    except (TypeError, ValueError, RecursionError):
        # What the encoder written in C cannot do by itself: keys that are no texts, NaN; or to say what is wrong and where.
        text = _encode(_plain(value, "", ()))
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate; its escape is ASCII
        return json.dumps(_plain(value, "", ()), separators=(",", ":")).encode()


def _default(value: Any) -> Any:
    converted = _converted(value)
    if converted is value:
        raise TypeError
    return converted


# Made once: `json.dumps` with options makes one a call.
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_default).encode


def _plain(value: Any, where: str, above: tuple[int, ...]) -> Any:
    """The value made of what the encoder knows, step by step."""
    if value is None or isinstance(value, (bool, str)) or type(value) is int:
        return value
    if isinstance(value, float):
        return float(value) if value - value == 0.0 else None
    if id(value) in above:
        raise Unserialisable(f"{where or 'the value'} holds itself, which JSON cannot say")
    if len(above) > _DEEPEST:
        raise Unserialisable(f"{where[:100]}… is nested too deep for JSON")
    if isinstance(value, dict):
        return {_key(key, where): _plain(item, f"{where}[{key!r:.50}]", (*above, id(value))) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{place}]", (*above, id(value))) for place, item in enumerate(value)]
    try:
        converted = _converted(value)
    except Exception as error:
        raise Unserialisable(f"{_at(where)} a value of type {type_name(value)} that cannot be made JSON: {type(error).__name__}") from error
    if converted is value:
        raise Unserialisable(f"{_at(where)} a value of type {type_name(value)}, which is not JSON")
    return _plain(converted, where, (*above, id(value)))


def _at(where: str) -> str:
    return f"at {where} there is" if where else "it is"


def _key(key: Any, where: str) -> str:
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, (bool, int, float)):
        return str(json.dumps(key))
    converted = _converted(key)
    if converted is not key and (converted is None or isinstance(converted, (str, bool, int, float))):
        return _key(converted, where)
    raise Unserialisable(f"{_at(where)} a dict with a key that is a {type_name(key)}; the keys of a JSON object are texts")


def _converted(value: Any) -> Any:
    """One step towards JSON; the value itself where there is none."""
    make = _KNOWN.get((type(value).__module__, type(value).__qualname__))
    if make is not None:
        return make(value)
    packages = roots(value)
    for package, convert in _LIBRARIES.items():
        if package in packages:
            return convert(value)
    return _by_nature(value)


def _by_nature(value: Any) -> Any:
    import collections.abc
    import datetime
    import enum

    if isinstance(value, int):
        return int(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if hasattr(type(value), "__dataclass_fields__"):
        return {name: getattr(value, name) for name in type(value).__dataclass_fields__}
    if isinstance(value, collections.abc.Mapping):
        return dict(value)
    if isinstance(value, (collections.abc.Set, collections.abc.KeysView, collections.abc.ValuesView, collections.deque, range)):
        return list(value)
    if hasattr(type(value), "__fspath__"):
        return str(value)
    return value


def _text(value: bytes) -> str:
    from base64 import b64encode

    return b64encode(value).decode()


def _numpy(value: Any) -> Any:
    if is_a(value, "numpy", "ndarray"):
        return value.tolist() if value.dtype.kind not in "mM" else value.astype(str).tolist()
    if is_a(value, "numpy", "generic"):
        return str(value) if value.dtype.kind in "mM" else value.item()
    return value


def _pandas(value: Any) -> Any:
    if is_a(value, "pandas", "DataFrame"):
        return value.to_dict(orient="records")
    if is_a(value, "pandas", "Series"):
        # One whose index only counts is a list; another says something by it.
        return value.tolist() if is_a(value.index, "pandas", "RangeIndex") else value.to_dict()
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _polars(value: Any) -> Any:
    return value.to_dicts() if hasattr(value, "to_dicts") else value.to_list() if hasattr(value, "to_list") else value


def _arrow(value: Any) -> Any:
    return value.to_pylist() if hasattr(value, "to_pylist") else value.as_py() if hasattr(value, "as_py") else value


def _torch(value: Any) -> Any:
    return value.detach().cpu().tolist() if hasattr(value, "detach") else value


def _pydantic(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value.dict() if hasattr(value, "dict") else value


_KNOWN: dict[tuple[str, str], Any] = {
    ("builtins", "bytes"): _text,
    ("builtins", "bytearray"): _text,
    ("builtins", "memoryview"): lambda value: _text(value.tobytes()),
    ("datetime", "timedelta"): lambda value: value.total_seconds(),
    ("decimal", "Decimal"): str,
    ("uuid", "UUID"): str,
}
_LIBRARIES = {"numpy": _numpy, "pandas": _pandas, "polars": _polars, "pyarrow": _arrow, "torch": _torch, "pydantic": _pydantic}
