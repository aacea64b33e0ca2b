"""Which reader an annotation asks for. One that cannot be told, or says nothing about JSON, takes anything."""

from __future__ import annotations

import collections.abc
import datetime
import decimal
import enum
import pathlib
import sys
import types
import typing
import uuid

from .readers import Anything, Choice, Either, Fixed, Items, Mapping, Parsed, Plain, Reader, Text, unbase64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_UNION = getattr(types, "UnionType", None)  # from Python 3.10 on
_NOTHING = type(None)


def _iso(read: Any) -> Any:
    """Python before 3.11 does not know `Z` for UTC."""
    return lambda text: read(f"{text[:-1]}+00:00" if isinstance(text, str) and text.endswith(("Z", "z")) else text)


def _seconds(value: Any) -> datetime.timedelta:
    return datetime.timedelta(seconds=float(value))


def _decimal(value: Any) -> decimal.Decimal:
    return decimal.Decimal(str(value))


_SIMPLE: dict[Any, Any] = {
    int: lambda: Plain(int, "int", "integer"),
    float: lambda: Plain(float, "float", "number"),
    bool: lambda: Plain(bool, "bool (true or false)", "boolean"),
    _NOTHING: lambda: Plain(_NOTHING, "null", "null"),
    str: Text,
    bytes: lambda: Parsed(unbase64, "bytes (a base64 text)", "byte"),
    datetime.datetime: lambda: Parsed(_iso(datetime.datetime.fromisoformat), "a date and time (ISO 8601)", "date-time"),
    datetime.date: lambda: Parsed(datetime.date.fromisoformat, "a date (YYYY-MM-DD)", "date"),
    datetime.time: lambda: Parsed(_iso(datetime.time.fromisoformat), "a time (HH:MM:SS)", "time"),
    datetime.timedelta: lambda: Parsed(_seconds, "a number of seconds", "seconds", numbers=True),
    decimal.Decimal: lambda: Parsed(_decimal, "a number", "decimal", numbers=True),
    uuid.UUID: lambda: Parsed(uuid.UUID, "a UUID", "uuid"),
    pathlib.Path: lambda: Parsed(pathlib.Path, "a path", "path"),
}
_ITEMS = {
    list: list,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: list,
    collections.abc.Iterable: list,
    collections.abc.Collection: list,
    collections.abc.MutableSequence: list,
    collections.abc.Set: set,
}
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_WRAPPERS = ("Annotated", "Final", "ClassVar", "Required", "NotRequired")


def resolved(annotation: Any, names: dict[str, Any]) -> Any:
    """A postponed annotation as what it means; as it is where that cannot be told here."""
    text = annotation.__forward_arg__ if isinstance(annotation, typing.ForwardRef) else annotation
    if not isinstance(text, str):
        return annotation
    try:
        return eval(text, dict(names))  # noqa: S307 - the function's own annotation, in its own namespace
    except Exception:
        return typing.Any


def reader_of(annotation: Any, names: dict[str, Any], open_: tuple[Any, ...] = ()) -> Reader:
    """The reader for an annotation.

    Args:
        names: what names in postponed annotations mean.
        open_: the classes around, so that one that holds itself ends.
    """
    annotation = resolved(annotation, names)
    annotation = _NOTHING if annotation is None else annotation
    if _is_hashable(annotation) and annotation in _SIMPLE:
        return _SIMPLE[annotation]()
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is not None:
        return _generic(annotation, origin, arguments, names, open_)
    inner = getattr(annotation, "__supertype__", None) or (getattr(annotation, "__value__", None) if _is_alias(annotation) else None)
    if inner is not None:  # NewType, `type X = …`
        return reader_of(inner, names, open_)
    if annotation in _ITEMS or annotation in _MAPPINGS or annotation is tuple:
        return _container(annotation, (), names, open_)
    return _of_class(annotation, names, open_) if isinstance(annotation, type) and annotation not in open_ else Anything()


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _is_alias(annotation: Any) -> bool:
    return type(annotation).__name__ == "TypeAliasType"


def _generic(annotation: Any, origin: Any, arguments: tuple[Any, ...], names: dict[str, Any], open_: tuple[Any, ...]) -> Reader:
    if origin is typing.Union or (_UNION is not None and origin is _UNION):
        members = [reader_of(one, names, open_) for one in arguments]
        return Anything() if any(type(member) is Anything for member in members) else Either(members)
    if origin is typing.Literal:
        return Choice([(one, one) for one in arguments])
    if getattr(annotation, "__metadata__", None) is not None or getattr(origin, "_name", None) in _WRAPPERS:
        return reader_of(arguments[0], names, open_)
    if _is_alias(origin):
        return reader_of(origin.__value__, names, open_)
    return _container(origin, arguments, names, open_)


def _container(origin: Any, arguments: tuple[Any, ...], names: dict[str, Any], open_: tuple[Any, ...]) -> Reader:
    readers = [reader_of(one, names, open_) for one in arguments if one is not Ellipsis and one != ()]
    if origin in _MAPPINGS:
        return Mapping(*(readers if len(readers) == 2 else (Anything(), Anything())))
    if origin is tuple and arguments and Ellipsis not in arguments:
        return Fixed(readers)
    if origin is tuple or origin in _ITEMS:
        return Items(_ITEMS.get(origin, tuple), readers[0] if readers else Anything())
    return _of_class(origin, names, open_) if isinstance(origin, type) else Anything()


def _of_class(cls: Any, names: dict[str, Any], open_: tuple[Any, ...]) -> Reader:
    from . import readers_objects as objects

    if issubclass(cls, enum.Enum):
        return Choice([(member.value, member) for member in cls])
    if hasattr(cls, "model_validate") or hasattr(cls, "parse_obj"):
        return objects.Model(cls)
    root = cls.__module__.partition(".")[0]
    of_library = {("numpy", "ndarray"): objects.Array, ("pandas", "DataFrame"): objects.Table, ("pandas", "Series"): objects.Column}
    if (root, cls.__name__) in of_library:
        return of_library[root, cls.__name__]()
    return _with_members(cls, names, open_) or Anything()


def _with_members(cls: Any, names: dict[str, Any], open_: tuple[Any, ...]) -> Reader | None:
    """The reader of a dataclass, TypedDict or named tuple; None for another class."""
    from .readers_objects import Members

    home = {**names, **vars(sys.modules.get(cls.__module__, cls))}

    def reader(annotation: Any) -> Reader:
        return reader_of(annotation, home, (*open_, cls))

    if hasattr(cls, "__dataclass_fields__"):
        from dataclasses import MISSING, fields

        given = [field for field in fields(cls) if field.init]
        required = {field.name for field in given if field.default is MISSING and field.default_factory is MISSING}
        return Members(cls, {field.name: reader(field.type) for field in given}, required)
    if issubclass(cls, dict) and hasattr(cls, "__required_keys__"):
        return Members(cls, {name: reader(annotation) for name, annotation in cls.__annotations__.items()}, set(cls.__required_keys__))
    if issubclass(cls, tuple) and hasattr(cls, "_field_defaults"):
        annotations = cls.__annotations__ if hasattr(cls, "__annotations__") else {}
        required = {name for name in cls._fields if name not in cls._field_defaults}
        return Members(cls, {name: reader(annotations.get(name, typing.Any)) for name in cls._fields}, required)
    return None
