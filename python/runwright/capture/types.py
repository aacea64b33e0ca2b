"""The types of a signature, shared by the live and the source reading, so that both say the same."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

Type = dict[str, Any]

ANY: Type = {"type": "any"}
NONE: Type = {"type": "none"}
INJECTED = frozenset(("project", "run", "context", "event"))
ENTITIES = ("dataitem", "artifact", "model")

# What the platform's own packages are called; `digitalhub_runtime_python` is one of them.
_OWN = ("runwright", "digitalhub")

# Dotted names (and live types, which have the same names) that have a type of their own.
SIMPLE: dict[str, Type] = {
    "int": {"type": "int"},
    "float": {"type": "float"},
    "str": {"type": "str"},
    "bool": {"type": "bool"},
    "bytes": {"type": "bytes"},
    "None": NONE,
    "NoneType": NONE,
    "types.NoneType": NONE,
    "object": ANY,
    "typing.Any": ANY,
    "typing.AnyStr": ANY,
    "typing.LiteralString": {"type": "str"},
}
CONTAINERS: dict[str, str] = {
    "list": "list",
    "set": "set",
    "frozenset": "set",
    "tuple": "tuple",
    "dict": "dict",
    "typing.List": "list",
    "typing.Set": "set",
    "typing.FrozenSet": "set",
    "typing.Tuple": "tuple",
    "typing.Dict": "dict",
}
# Written around a type, they say nothing about the value.
WRAPPERS = frozenset(
    f"{module}.{name}"
    for module in ("typing", "typing_extensions")
    for name in ("Annotated", "Final", "ClassVar", "Required", "NotRequired")
)


def container(kind: str, arguments: list[Type]) -> Type:
    """`list[T]` and its like. A tuple of several types is a tuple of their union."""
    if kind == "dict":
        return {"type": "dict", "values": arguments[1] if len(arguments) > 1 else ANY}
    return {"type": kind, "items": union(arguments) if kind == "tuple" else (arguments[0] if arguments else ANY)}


def union(members: Iterable[Type]) -> Type:
    """Flat, each member once, in the order written."""
    flat: list[Type] = []
    for member in members:
        for one in member["of"] if member["type"] == "union" else [member]:
            if one not in flat:
                flat.append(one)
    if not flat or ANY in flat:
        return ANY
    return flat[0] if len(flat) == 1 else {"type": "union", "of": flat}


def literal(values: Iterable[Any]) -> Type:
    """`Literal[…]`; a member that is not JSON (an Enum's, bytes) makes it any."""
    found = list(values)
    if all(value is None or type(value) in (str, int, bool) for value in found):
        return {"type": "literal", "values": found}
    return ANY


def is_own(module: str) -> bool:
    """Whether a module is Runwright's or the platform's."""
    root = module.partition(".")[0]
    return root == _OWN[0] or root == _OWN[1] or root.startswith(_OWN[1] + "_")


def entity(dotted: str) -> Type | None:
    """The entity that a class of ours is, by its name: `runwright.Dataitem`, `digitalhub.….DataItem`, `Model`."""
    module, _, name = dotted.rpartition(".")
    if module and not is_own(module):
        return None
    lower = name.lower()
    return next(({"type": "entity", "entity": one} for one in ENTITIES if lower == one or (module and lower.startswith(one))), None)


def parameter(name: str, kind: str, type: Type, *, has_default: bool, default: Any, variadic: bool) -> dict[str, Any]:
    """One parameter of a signature, in the shape of the contract."""
    inject = name in INJECTED and not has_default and not variadic and _allows_injection(type)
    return {
        "name": name,
        "kind": kind,
        "type": type,
        "required": not (has_default or variadic or inject),
        "default": default,
        "has_default": has_default,
        "inject": inject,
    }


def _allows_injection(type: Type) -> bool:
    if type == ANY:
        return True
    return type["type"] == "object" and type["name"].rpartition(".")[2].lower() in INJECTED


def jsonable(value: Any, depth: int = 0) -> bool:
    """Whether a default survives JSON as it is."""
    if value is None or type(value) in (str, bool, int):
        return True
    if type(value) is float:
        return math.isfinite(value)
    if depth > 20:
        return False
    if type(value) is list:
        return all(jsonable(item, depth + 1) for item in value)
    return type(value) is dict and all(type(key) is str and jsonable(item, depth + 1) for key, item in value.items())
