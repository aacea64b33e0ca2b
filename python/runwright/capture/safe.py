"""Which assignments of a module may be executed once more, where a run executes.

A value that can be written is written as it is now (`plain.py`). For any other, its statement is taken only if its right side is made of
literals, names, attributes of modules and classes, subscripts, operators, lambdas, comprehensions, and calls of what is listed here: it
costs nothing, touches nothing outside, and gives the same each time. Anything else (a connection, a lock, a table that was read, a fitted
model) has a state that the statement does not have.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

MISSING = object()

# By module, since a call is judged by where it comes from.
_BY_MODULE = {
    "re": "compile",
    "logging": "getLogger",
    "os": "getenv",
    "collections": "namedtuple",
    "typing": "NamedTuple TypedDict NewType TypeVar ParamSpec TypeVarTuple cast",
    "typing_extensions": "TypedDict NewType TypeVar ParamSpec",
    "enum": "Enum IntEnum StrEnum Flag IntFlag",
    "dataclasses": "make_dataclass field",
    "pathlib": "Path PurePath PurePosixPath PureWindowsPath",
    "pathlib._local": "Path PurePath PurePosixPath PureWindowsPath",
    "datetime": "date time datetime timedelta timezone",
    "zoneinfo": "ZoneInfo",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "uuid": "UUID",
    "string": "Template",
    "struct": "Struct",
    "_struct": "Struct",
    "types": "MappingProxyType",
    "functools": "partial lru_cache cache cmp_to_key",
    "operator": "itemgetter attrgetter methodcaller",
    "contextvars": "ContextVar",
    "_contextvars": "ContextVar",
    "builtins": "object int float str bool bytes complex tuple list dict set frozenset range slice"
    " len min max sum sorted round abs mappingproxy property staticmethod classmethod",
    "numpy": "dtype vectorize",
    "pandas": "Timestamp Timedelta",
    "pandas._libs.tslibs.timestamps": "Timestamp",
    "pandas._libs.tslibs.timedeltas": "Timedelta",
    "torch": "device",
}
_CALLS = frozenset(f"{module}.{name}" for module, names in _BY_MODULE.items() for name in names.split(" "))
# What these give must not be written into a version, where anyone who may read it finds it.
_ENVIRONMENT = frozenset(("os.getenv", "getpass.getpass", "getpass.unix_getpass"))
_PLAIN_NODES = (
    ast.Constant, ast.Name, ast.Tuple, ast.List, ast.Set, ast.Dict, ast.Starred, ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp,
    ast.JoinedStr, ast.FormattedValue, ast.Subscript, ast.Slice, ast.ListComp, ast.SetComp, ast.DictComp, ast.comprehension, ast.keyword,
    ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context,
)  # fmt: skip

Lookup = Callable[[str], Any]


def is_safe(node: ast.AST | None, lookup: Lookup) -> bool:
    """Whether an expression may be executed once more.

    Args:
        lookup: gives what a name is bound to, or `MISSING`.
    """
    if node is None or isinstance(node, ast.Lambda):  # what a lambda does, it does when it is called
        return True
    if isinstance(node, ast.Attribute):
        return is_safe(node.value, lookup)
    if isinstance(node, ast.Call):
        arguments = [*node.args, *node.keywords]
        return is_pure_call(node.func, lookup) and all(is_safe(one, lookup) for one in arguments)
    return isinstance(node, _PLAIN_NODES) and all(is_safe(child, lookup) for child in ast.iter_child_nodes(node))


def is_pure_call(func: ast.expr, lookup: Lookup) -> bool:
    """Whether what is called is on the list."""
    if isinstance(func, ast.Call):  # lru_cache(maxsize=None)(f)
        inner = value_of(func.func, lookup)
        return full_name(inner) == "functools.lru_cache" and is_safe(func, lookup)
    value = value_of(func, lookup)
    if getattr(value, "__self__", None) is os.environ:
        return getattr(value, "__name__", "") == "get"
    return value is not MISSING and full_name(value) in _CALLS


def is_unchanged(node: ast.expr, value: Any, lookup: Lookup) -> bool:
    """Whether a list, dict, set or tuple still holds what its display says; anything else is taken to be as it was made."""
    if type(value) not in (list, dict, set, tuple):
        return not isinstance(node, (ast.Name, ast.Attribute)) or any(value_of(node, lookup) is one for one in (value, MISSING))
    if isinstance(node, ast.Dict) and type(value) is dict:
        if len(node.keys) != len(value) or None in node.keys:
            return False
        return all(_is_same(one, key, lookup) for one, key in zip(node.keys, value, strict=True)) and all(
            _is_same(one, item, lookup) for one, item in zip(node.values, value.values(), strict=True)
        )
    if isinstance(node, ast.Set) and type(value) is set:
        return len(node.elts) == len(value)
    if isinstance(node, ast.List if type(value) is list else ast.Tuple):
        elements: list[ast.expr] = node.elts
        return len(elements) == len(value) and all(_is_same(one, item, lookup) for one, item in zip(elements, value, strict=True))
    return False


def _is_same(node: ast.expr | None, value: Any, lookup: Lookup) -> bool:
    if isinstance(node, ast.Constant):
        return type(node.value) is type(value) and bool(node.value == value)
    if isinstance(node, (ast.Name, ast.Attribute)):
        found = value_of(node, lookup)
        return found is value or (isinstance(node, ast.Attribute) and found is MISSING) or _is_equal_plain(found, value)
    return node is not None and is_unchanged(node, value, lookup)


def _is_equal_plain(found: Any, value: Any) -> bool:
    return type(found) is type(value) and type(found) in (int, str, float, bool, bytes, tuple) and found == value


def value_of(node: ast.expr, lookup: Lookup) -> Any:
    """What a dotted name means, told without running code of anyone: attributes of modules and classes, and `os.environ.get`."""
    if isinstance(node, ast.Name):
        return lookup(node.id)
    if isinstance(node, ast.Attribute):
        base = value_of(node.value, lookup)
        if isinstance(base, (ModuleType, type)) or base is os.environ:
            return getattr(base, node.attr, MISSING)
    return MISSING


def full_name(value: Any) -> str:
    """`module.qualname` of a callable or a class."""
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", "")
    return f"{getattr(value, '__module__', '')}.{name}"


def reads_environment(node: ast.AST, lookup: Lookup) -> bool:
    """Whether an expression reads environment variables or a password: what it gives must not get into a version."""
    for one in ast.walk(node):
        if isinstance(one, (ast.Name, ast.Attribute)):
            value = value_of(one, lookup)
            if value is os.environ or full_name(value) in _ENVIRONMENT:
                return True
    return False


def is_safe_block(node: ast.stmt, lookup: Lookup) -> bool:
    """Whether a compound statement is made of imports and safe assignments: `try: import a except ImportError: a = None`."""
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.Pass)):
        return True
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        return is_safe(node.value, lookup)
    if isinstance(node, ast.If):
        blocks = [*node.body, *node.orelse]
        return is_safe(node.test, lookup) and all(is_safe_block(one, lookup) for one in blocks)
    if isinstance(node, ast.Try):
        blocks = [*node.body, *node.orelse, *node.finalbody, *(one for arm in node.handlers for one in arm.body)]
        return all(is_safe_block(one, lookup) for one in blocks)
    return False
