"""A live value → an expression that makes an equal one. Told from the value, so that what a later cell changed is what travels."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

MAX_TEXT = 256 * 1024
_EXACT = (bool, int, str, bytes, bytearray, complex, range, slice, type(None), type(Ellipsis), type(NotImplemented))


class TooLargeError(Exception):
    """The text of the value would be longer than `MAX_TEXT`."""


class NotPlainError(Exception):
    """The value cannot be written. `args[0]` is the object at fault, which may be inside of it."""


class NoSourceError(Exception):
    """What has no source and cannot be written: the whole function is to be pickled. `args`: variable, value."""


class Renderer:
    """Writes values.

    Args:
        module: gives the text by which a module is reached in the piece.
        thing: gives the text by which a class (or a function) is reached, or raises `NotPlainError`.
        named: whether functions, classes and modules are written by their names.
    """

    def __init__(self, module: Callable[[str], str], thing: Callable[[Any], str], *, named: bool = False) -> None:
        self._named = named
        self._module = module
        self._thing = thing
        self._left = MAX_TEXT

    def render(self, value: Any, depth: int = 0) -> str:
        """The expression.

        Raises:
            NotPlainError: if the value is none that can be written.
            TooLargeError: if its text is too long.
        """
        self._left -= len(value) if isinstance(value, (str, bytes, bytearray)) else 4
        if self._left < 0:
            raise TooLargeError
        if depth > 50:  # a cycle, or close to one
            raise NotPlainError(value)
        kind = type(value)
        if kind in _EXACT:
            return repr(value)
        if kind is float:
            return repr(value) if math.isfinite(value) else f"float({str(value)!r})"
        writer = _WRITERS.get(f"{kind.__module__}.{kind.__qualname__}")
        if writer is not None:
            return writer(self, value, depth + 1)
        return self._object(value, kind, depth + 1)

    def _all(self, values: Any, depth: int) -> str:
        return ", ".join(self.render(value, depth) for value in values)

    def _object(self, value: Any, kind: type, depth: int) -> str:
        import enum

        if self._named and (isinstance(value, (type, ModuleType)) or (callable(value) and hasattr(value, "__qualname__"))):
            return self._thing(value)
        if isinstance(value, enum.Enum):
            name = getattr(value, "name", None)
            if name is None or getattr(kind, name, None) is not value:  # a combination of flags
                return f"{self._thing(kind)}({self.render(value.value, depth)})"
            return f"{self._thing(kind)}.{name}"
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            pairs = ", ".join(f"{key}={self.render(getattr(value, key), depth)}" for key in kind._fields)
            return f"{self._thing(kind)}({pairs})"
        if hasattr(kind, "__dataclass_fields__"):
            return self._dataclass(value, kind, depth)
        if kind.__module__ == "numpy" and getattr(getattr(value, "dtype", None), "kind", "") in ("b", "i", "u", "f"):
            name = "bool_" if value.dtype.kind == "b" else value.dtype.name
            return f"{self._module('numpy')}.{name}({self.render(value.item(), depth)})"
        raise NotPlainError(value)

    def _dataclass(self, value: Any, kind: type, depth: int) -> str:
        import dataclasses

        fields = dataclasses.fields(kind)
        known = {one.name for one in fields}
        if not all(one.init for one in fields) or hasattr(kind, "__post_init__") or set(getattr(value, "__dict__", ())) - known:
            raise NotPlainError(value)
        return f"{self._thing(kind)}({', '.join(f'{one.name}={self.render(getattr(value, one.name), depth)}' for one in fields)})"

    def _list(self, value: Any, depth: int) -> str:
        return f"[{self._all(value, depth)}]"

    def _tuple(self, value: Any, depth: int) -> str:
        return f"({self._all(value, depth)}{',' if len(value) == 1 else ''})"

    def _set(self, value: Any, depth: int) -> str:
        # A set has no order that another process repeats; the text has to.
        inside = ", ".join(sorted(self.render(item, depth) for item in value))
        return (f"{{{inside}}}" if inside else "set()") if type(value) is set else f"frozenset({{{inside}}})" if inside else "frozenset()"

    def _dict(self, value: Any, depth: int) -> str:
        return "{" + ", ".join(f"{self.render(key, depth)}: {self.render(item, depth)}" for key, item in value.items()) + "}"

    def _collection(self, value: Any, depth: int) -> str:
        kind = type(value).__name__
        if kind == "defaultdict":
            factory = value.default_factory
            first = "None" if factory is None else self._thing(factory) if isinstance(factory, type) else None
            if first is None:
                raise NotPlainError(factory)
            return f"{self._module('collections')}.defaultdict({first}, {self._dict(value, depth)})"
        if kind == "deque":
            limit = "" if value.maxlen is None else f", maxlen={value.maxlen}"
            return f"{self._module('collections')}.deque({self._list(value, depth)}{limit})"
        if kind == "OrderedDict":
            return f"{self._module('collections')}.OrderedDict([{', '.join(self._tuple(pair, depth) for pair in value.items())}])"
        return f"{self._module('collections')}.{kind}({self._dict(value, depth)})"

    def _pattern(self, value: Any, depth: int) -> str:
        flags = value.flags & ~(re.UNICODE.value if isinstance(value.pattern, str) else 0)
        return f"{self._module('re')}.compile({value.pattern!r}{f', {flags}' if flags else ''})"

    def _path(self, value: Any, depth: int) -> str:
        return f"{self._module('pathlib')}.{'PurePath' if type(value).__name__.startswith('Pure') else 'Path'}({str(value)!r})"

    def _repr(self, value: Any, depth: int) -> str:
        kind = type(value)
        zone = getattr(value, "tzinfo", None)
        if zone is not None and type(zone).__name__ != "timezone":
            raise NotPlainError(value)
        name = self._module(kind.__module__)
        text = repr(value)
        prefix = f"{kind.__module__}."
        return re.sub(rf"(?<![\w.]){re.escape(prefix)}", f"{name}.".replace("\\", r"\\"), text) if prefix in text else f"{name}.{text}"

    def _namespace(self, value: Any, depth: int) -> str:
        if not all(key.isidentifier() for key in vars(value)):
            raise NotPlainError(value)
        pairs = ", ".join(f"{key}={self.render(item, depth)}" for key, item in vars(value).items())
        return f"{self._module('types')}.SimpleNamespace({pairs})"

    def _array(self, value: Any, depth: int) -> str:
        if value.dtype.kind not in "biufcUS" or value.size > 1000 or value.size == 0:
            raise NotPlainError(value)
        return f"{self._module('numpy')}.array({self.render(value.tolist(), depth)}, dtype={value.dtype.str!r})"

    def _logger(self, value: Any, depth: int) -> str:
        return f"{self._module('logging')}.getLogger({'' if value.name == 'root' else repr(value.name)})"


_WRITERS: dict[str, Callable[[Renderer, Any, int], str]] = {
    "builtins.list": Renderer._list,
    "builtins.tuple": Renderer._tuple,
    "builtins.set": Renderer._set,
    "builtins.frozenset": Renderer._set,
    "builtins.dict": Renderer._dict,
    "re.Pattern": Renderer._pattern,
    "numpy.ndarray": Renderer._array,
    "types.SimpleNamespace": Renderer._namespace,
    "logging.Logger": Renderer._logger,
    "logging.RootLogger": Renderer._logger,
    **{f"collections.{name}": Renderer._collection for name in ("defaultdict", "OrderedDict", "Counter", "deque")},
    **{f"datetime.{name}": Renderer._repr for name in ("date", "time", "datetime", "timedelta", "timezone")},
    **{f"{name}": Renderer._repr for name in ("decimal.Decimal", "fractions.Fraction", "uuid.UUID", "zoneinfo.ZoneInfo")},
    **{
        f"{module}.{name}": Renderer._path
        for module in ("pathlib", "pathlib._local")
        for name in ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")
    },
}
