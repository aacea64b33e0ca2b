"""Plain values as JSON, exactly.

What JSON has no word for is written as an object with one key that starts with `$` (`{"$tuple": [1, 2]}`); a value without any such
object has the format `json`, one with them `tagged`. So every JSON reader can show it, and this one gives back what was put in.
Numpy scalars become the Python value they equal.
"""

# os.path and not pathlib, whose import costs milliseconds in every run
# ruff: noqa: PTH123

from __future__ import annotations

from .base import Materializer, is_a, need, type_name
from .errors import MaterializeFailed, Unsuitable

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any, Callable

INLINE_BYTES = 64 * 1024
# serde_json reads at most 128 levels, and the record around a value has some of its own.
INLINE_DEPTH = 64
_DEPTH = 100
_NODES = 20_000_000


def prepare(value: Any) -> tuple[dict[str, Any] | None, bytes | None, str | None]:
    """What a plain value becomes.

    Returns:
        `(descriptor with the value, None, None)`; or, where it is too large or too deep for the record, `({"format": …}, bytes of its JSON
        file, None)`; or else `(None, None, why JSON will not do)`.
    """
    try:
        plain, tagged, depth = encode(value)
    except Unsuitable as error:
        return None, None, error.reason
    # Without going through `dumps` for what most results are.
    if plain is None or (type(plain) in (bool, int, float) or (type(plain) is str and len(plain) < INLINE_BYTES // 8)):
        return _described(value, plain, tagged), None, None
    content = dump(plain)
    if depth > INLINE_DEPTH or len(content) > INLINE_BYTES:
        return {"format": "tagged" if tagged else "json"}, content, None
    return _described(value, plain, tagged), None, None


def _described(value: Any, plain: Any, tagged: bool) -> dict[str, Any]:
    return {"type": "value", "kind": "json", "format": "tagged" if tagged else "json", "value": plain, "of": type_name(value)}


class Json(Materializer):
    """Plain values too large for the record, as `data.json`: the bytes that `prepare` made."""

    kind, format = "json", "json"

    def handles(self, value: Any) -> bool:
        return False  # it was asked for by `prepare`

    def write(self, value: Any, path: str) -> dict[str, Any]:
        raise NotImplementedError  # writing.py has the bytes already

    def read(self, path: str, descriptor: dict[str, Any]) -> Any:
        import json

        with open(path, "rb") as file:
            plain = json.loads(file.read())
        return decode(plain) if descriptor.get("format") == "tagged" else plain


def encode(value: Any) -> tuple[Any, bool, int]:
    """`value` as what JSON can hold, whether tags were needed, and how deep it is.

    Raises:
        Unsuitable: it holds something that would not come back exactly, itself, or is too deep or too large.
    """
    encoder = _Encoder()
    plain = encoder.encode(value, 1)
    return plain, encoder.tagged, encoder.deepest


def decode(plain: Any) -> Any:
    """What `encode` was given.

    Raises:
        MaterializeFailed: an unknown tag (written by a newer Runwright), or a time zone this machine does not know.
    """
    if isinstance(plain, list):
        return [decode(item) for item in plain]
    if isinstance(plain, dict):
        if len(plain) == 1:
            ((key, content),) = plain.items()
            if key[:1] == "$":
                if key not in _DECODERS:
                    raise MaterializeFailed(f"the tag {key!r} is not known to this version of Runwright", "read it with the newer version")
                return _DECODERS[key](content)
        return {key: decode(item) for key, item in plain.items()}
    return plain


def dump(plain: Any) -> bytes:
    import json

    return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


class _Encoder:
    """One walk over one value."""

    def __init__(self) -> None:
        self.tagged = False
        self.deepest = 0
        self.nodes = 0
        self.open: set[int] = set()

    def encode(self, value: Any, depth: int) -> Any:
        # Exact classes only: a subclass (an IntEnum, a named tuple, an OrderedDict) would come back as its base.
        cls = type(value)
        if value is None or cls is bool:
            return value
        if cls is str:
            return value if value.isascii() or is_utf8(value) else self.tag("$str", _b64(value.encode("utf-8", "surrogatepass")))
        if cls is int:
            # Beyond 64 bits other JSON readers (the Rust core) lose digits; hex, because Python limits long decimals.
            return value if -(1 << 63) <= value < 1 << 63 else self.tag("$int", hex(value))
        if cls is float:
            return value if value - value == 0.0 else self.tag("$float", repr(value))
        if cls in _CONTAINERS:
            return self.container(value, cls, depth)
        return self.scalar(value, cls, depth)

    def container(self, value: Any, cls: Any, depth: int) -> Any:
        self.nodes += len(value)
        if depth > _DEPTH or self.nodes > _NODES:
            raise Unsuitable("it is nested too deep for JSON" if depth > _DEPTH else "it holds too many values for JSON")
        if id(value) in self.open:
            raise Unsuitable("it holds itself, which JSON cannot say")
        self.open.add(id(value))
        # A tag is an object around a list, so one more level.
        self.deepest = max(self.deepest, depth + (cls is not list))
        try:
            if cls is dict:
                return self.mapping(value, depth)
            items = [self.encode(item, depth + 1 + (cls is not list)) for item in value]
        finally:
            self.open.discard(id(value))
        if cls is list:
            return items
        if cls is not tuple:
            items.sort(key=dump)  # a set has no order; its file shall always be the same
        return self.tag("$" + cls.__name__, items)

    def mapping(self, value: dict[Any, Any], depth: int) -> Any:
        if all(type(key) is str and key[:1] != "$" and (key.isascii() or is_utf8(key)) for key in value):
            return {key: self.encode(item, depth + 1) for key, item in value.items()}
        self.deepest = max(self.deepest, depth + 2)
        pairs = [[self.encode(key, depth + 3), self.encode(item, depth + 3)] for key, item in value.items()]
        return self.tag("$dict", pairs)

    def scalar(self, value: Any, cls: Any, depth: int) -> Any:
        encoder = _ENCODERS.get((cls.__module__, cls.__qualname__))
        if encoder is not None:
            content = encoder(value)
            if content is not None:
                self.deepest = max(self.deepest, depth + 1)
                return self.tag("$" + cls.__name__.lower(), content)
        elif cls.__module__ == "numpy" and is_a(value, "numpy", "generic") and value.dtype.kind in "biufcSU":
            item = value.item()
            if type(item) in (bool, int, float, complex, str, bytes):
                return self.encode(item, depth)
        raise Unsuitable(f"it holds a {type_name(value)}, which JSON cannot hold exactly")

    def tag(self, name: str, content: Any) -> dict[str, Any]:
        self.tagged = True
        return {name: content}


_CONTAINERS = (dict, list, tuple, set, frozenset)


def is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate: not to be written as JSON that others read
        return False
    return True


def _b64(content: bytes) -> str:
    from base64 import b64encode

    return b64encode(content).decode()


def _unb64(text: str) -> bytes:
    from base64 import b64decode

    return b64decode(text)


def _zone(zone: Any) -> Any:
    """A time zone as null, seconds or a name in a list of one; an empty list where it cannot be told exactly."""
    if zone is None:
        return [None]
    cls = type(zone)
    if (cls.__module__, cls.__qualname__) == ("datetime", "timezone"):
        offset = zone.utcoffset(None)
        return [offset.total_seconds()] if repr(zone) in (repr(cls(offset)), "datetime.timezone.utc") else []
    if cls.__module__.startswith("zoneinfo") and cls.__qualname__ == "ZoneInfo" and zone.key:
        return [zone.key]
    return []


def _from_zone(zone: Any) -> Any:
    import datetime

    if zone is None:
        return None
    if isinstance(zone, (int, float)):
        return datetime.timezone(datetime.timedelta(seconds=zone)) if zone else datetime.timezone.utc
    try:
        return need("zoneinfo", "a time zone").ZoneInfo(zone)
    except Exception as error:
        raise MaterializeFailed(f"the time zone {zone!r} is not known on this machine", "install tzdata") from error


def _moment(value: Any) -> list[Any] | None:
    zone = _zone(value.tzinfo)
    return [value.replace(tzinfo=None, fold=0).isoformat(), zone[0], value.fold] if zone else None


def _from_moment(name: str) -> Callable[[list[Any]], Any]:
    def build(content: list[Any]) -> Any:
        import datetime

        text, zone, fold = content
        return getattr(datetime, name).fromisoformat(text).replace(tzinfo=_from_zone(zone), fold=fold)

    return build


def _class(module: str, name: str) -> Any:
    """A class of the standard library, imported when it is needed."""
    return getattr(need(module, f"a {name}"), name)


def _maker(module: str, name: str) -> Callable[[Any], Any]:
    def make(content: Any) -> Any:
        return _class(module, name)(content)

    return make


_ENCODERS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("builtins", "bytes"): _b64,
    ("builtins", "bytearray"): _b64,
    ("builtins", "complex"): lambda value: [repr(value.real), repr(value.imag)],
    ("datetime", "datetime"): _moment,
    ("datetime", "time"): _moment,
    ("datetime", "date"): lambda value: value.isoformat(),
    ("datetime", "timedelta"): lambda value: [value.days, value.seconds, value.microseconds],
    ("decimal", "Decimal"): str,
    ("uuid", "UUID"): str,
}

_DECODERS: dict[str, Callable[[Any], Any]] = {
    "$tuple": lambda content: tuple(decode(content)),
    "$set": lambda content: set(decode(content)),
    "$frozenset": lambda content: frozenset(decode(content)),
    "$dict": lambda content: {decode(key): decode(item) for key, item in content},
    "$str": lambda content: _unb64(content).decode("utf-8", "surrogatepass"),
    "$int": lambda content: int(content, 16),
    "$float": float,
    "$bytes": _unb64,
    "$bytearray": lambda content: bytearray(_unb64(content)),
    "$complex": lambda content: complex(float(content[0]), float(content[1])),
    "$datetime": _from_moment("datetime"),
    "$time": _from_moment("time"),
    "$date": lambda content: _class("datetime", "date").fromisoformat(content),
    "$timedelta": lambda content: _class("datetime", "timedelta")(*content),
    "$decimal": _maker("decimal", "Decimal"),
    "$uuid": _maker("uuid", "UUID"),
}

MATERIALIZER = Json()
