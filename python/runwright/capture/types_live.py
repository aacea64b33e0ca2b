"""A live annotation → the type of a signature."""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Mapping
from typing import Any

from .types import ANY, CONTAINERS, NONE, SIMPLE, WRAPPERS, Type, container, entity, literal, union


def type_of(annotation: Any, home: str, names: Mapping[str, Any]) -> Type:
    """The type that an annotation means.

    Args:
        annotation: as it is on the function: a type, or text where it was postponed.
        home: the module of the function; its own classes are named without it.
        names: what names in a postponed annotation are bound to.
    """
    if isinstance(annotation, (str, typing.ForwardRef)):
        text = annotation if isinstance(annotation, str) else annotation.__forward_arg__
        try:
            # The function's own annotation, in its own namespace: what `typing.get_type_hints` does, for one parameter at a time,
            # so that one name that cannot be told does not spoil the others.
            annotation = eval(text, dict(names))  # noqa: S307
        except Exception:
            from .types_source import type_of_text

            return type_of_text(text, live_resolver(names, home))
        if isinstance(annotation, str):
            return type_of(annotation, home, names) if annotation != text else ANY
    if annotation is None:
        return NONE
    origin = typing.get_origin(annotation)
    if origin is not None:
        return _generic(annotation, origin, home, names)
    supertype = getattr(annotation, "__supertype__", None)  # NewType
    if supertype is not None:
        return type_of(supertype, home, names)
    if type(annotation).__name__ == "TypeAliasType":
        return type_of(annotation.__value__, home, names)
    declared = getattr(annotation, "__runwright_entity__", None)
    if isinstance(declared, str):
        return {"type": "entity", "entity": declared}
    return _named(annotation, home)


def _generic(annotation: Any, origin: Any, home: str, names: Mapping[str, Any]) -> Type:
    arguments = list(typing.get_args(annotation))
    if origin is typing.Union or origin is types.UnionType:
        return union(type_of(one, home, names) for one in arguments)
    if origin is typing.Literal:
        return literal(arguments)
    if f"typing.{getattr(origin, '__name__', getattr(origin, '_name', None))}" in WRAPPERS:
        return type_of(arguments[0], home, names) if arguments else ANY
    if type(origin).__name__ == "TypeAliasType":
        return type_of(origin.__value__, home, names)
    kind = CONTAINERS.get(origin.__name__) if isinstance(origin, type) and origin.__module__ == "builtins" else None
    if kind:
        return container(kind, [type_of(one, home, names) for one in arguments if one is not Ellipsis and one != ()])
    return _named(origin, home)


def _named(annotation: Any, home: str) -> Type:
    dotted = dotted_name(annotation, home)
    if dotted is None:
        return ANY
    if dotted in SIMPLE:
        return SIMPLE[dotted]
    if dotted in CONTAINERS:
        return container(CONTAINERS[dotted], [])
    if isinstance(annotation, type):
        if dict in annotation.__bases__ and hasattr(annotation, "__total__"):  # a TypedDict
            return container("dict", [])
        return entity(f"{annotation.__module__}.{annotation.__qualname__}") or {"type": "object", "name": dotted}
    return ANY


def dotted_name(annotation: Any, home: str) -> str | None:
    """The shortest name by which a class is public: `pandas.DataFrame`, not `pandas.core.frame.DataFrame`."""
    module = getattr(annotation, "__module__", None)
    name = getattr(annotation, "__qualname__", None) or getattr(annotation, "__name__", None) or getattr(annotation, "_name", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    if module in ("builtins", home):
        return name.rpartition("<locals>.")[2]
    parts = module.split(".")
    for length in range(1, len(parts)):
        public = ".".join(parts[:length])
        if getattr(sys.modules.get(public), name, None) is annotation:
            return f"{public}.{name}"
    return f"{module}.{name}"


def live_resolver(names: Mapping[str, Any], home: str) -> Any:
    """What a name in an annotation is called in full, told from what it is bound to."""

    def resolve(name: str) -> str:
        value = names.get(name)
        if isinstance(value, types.ModuleType):
            return value.__name__
        return (dotted_name(value, home) if value is not None else None) or name

    return resolve
