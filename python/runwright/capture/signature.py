"""The parameters of a function, from the function or from its source; and the outputs that its source declares."""

from __future__ import annotations

import ast
import builtins
import contextlib
from collections.abc import Mapping
from typing import Any

from ..exceptions import InvalidError
from .handler import bindings, close, parse
from .types import ANY, Type, is_own, jsonable, parameter
from .types_source import Resolver, dotted_node, type_of_node

_KINDS = ("positional_only", "positional_or_keyword", "var_positional", "keyword_only", "var_keyword")
_OPEN = [
    parameter("args", "var_positional", ANY, has_default=False, default=None, variadic=True),
    parameter("kwargs", "var_keyword", ANY, has_default=False, default=None, variadic=True),
]
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def signature_of(fn: Any) -> list[dict[str, Any]]:
    """The parameters of a live function (or class, or other callable), in the shape of the contract.

    Never raises on an annotation: one that cannot be told is any.
    """
    import inspect

    from .types_live import type_of

    while getattr(fn, "__runwright_function__", False):
        fn = getattr(fn, "fn", None) or fn.__wrapped__
    try:
        found = inspect.signature(fn)
    except (ValueError, TypeError):  # a builtin that does not tell
        return [dict(one) for one in _OPEN]
    inner = inspect.unwrap(fn)
    inner = vars(inner).get("__init__", inner) if isinstance(inner, type) else getattr(inner, "__func__", inner)
    home = str(getattr(inner, "__module__", "") or "")
    names = _namespace(inner)
    result = []
    for one in found.parameters.values():
        type_: Type = ANY if one.annotation is one.empty else type_of(one.annotation, home, names)
        has_default = one.default is not one.empty
        default = one.default if has_default and jsonable(one.default) else None
        variadic = one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        result.append(parameter(one.name, _KINDS[one.kind], type_, has_default=has_default, default=default, variadic=variadic))
    return result


def _namespace(fn: Any) -> dict[str, Any]:
    names: dict[str, Any] = {**vars(builtins), **(getattr(fn, "__globals__", None) or {})}
    code = getattr(fn, "__code__", None)
    for name, cell in zip(code.co_freevars if code else (), getattr(fn, "__closure__", None) or (), strict=False):
        with contextlib.suppress(ValueError):  # not filled yet
            names[name] = cell.cell_contents
    for one in getattr(fn, "__type_params__", ()):
        names[one.__name__] = one
    return names


def signature_from_source(text: str, name: str) -> list[dict[str, Any]]:
    """The parameters of the function `name` of a module, told from its text; nothing is imported.

    Raises:
        InvalidError: if the module binds no such name.
        SourceError: with the line, if the text is no Python.
    """
    tree = parse(text, "code")
    node = _find(tree, name)
    if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Lambda):
        node_: _Function | None = node.value
    elif isinstance(node, ast.ClassDef):
        node_ = next(
            (one for key, one in reversed(list(bindings(node.body))) if key == "__init__" and isinstance(one, ast.FunctionDef)), None
        )
        if node_ is None and not node.bases and not node.decorator_list:
            return []
    else:
        node_ = node if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else None
    if node_ is None:
        return [dict(one) for one in _OPEN]
    resolver = source_resolver(tree, {one.name for one in getattr(node_, "type_params", [])})
    found = _parameters(node_.args, resolver, _constants(tree))
    return found[1:] if isinstance(node, ast.ClassDef) else found


def _find(tree: ast.Module, name: str) -> ast.stmt:
    found = [node for key, node in bindings(tree.body) if key == name]
    if not found:
        cure = close(name, [key for key, _ in bindings(tree.body)])
        raise InvalidError(f"handler: the code defines no {name!r} at its top level", field="handler", value=name, cure=cure)
    return found[-1]


def _parameters(args: ast.arguments, resolve: Resolver, constants: Mapping[str, Any]) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = []

    def add(arg: ast.arg, kind: str, default: ast.expr | None = None, starred: bool = False) -> None:
        type_ = type_of_node(arg.annotation, resolve)
        value = None
        if default is not None:
            value = constants.get(default.id) if isinstance(default, ast.Name) else literal_value(default)
        value = value if jsonable(value) else None
        result.append(parameter(arg.arg, kind, type_, has_default=default is not None, default=value, variadic=starred))

    positional = [*args.posonlyargs, *args.args]
    defaults: list[ast.expr | None] = [*[None] * (len(positional) - len(args.defaults)), *args.defaults]
    for at, arg in enumerate(positional):
        add(arg, _KINDS[at >= len(args.posonlyargs)], defaults[at])
    if args.vararg:
        add(args.vararg, "var_positional", starred=True)
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        add(arg, "keyword_only", default)
    if args.kwarg:
        add(args.kwarg, "var_keyword", starred=True)
    return result


def literal_value(node: ast.expr) -> Any:
    """The value of a literal, None for anything else."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None


def _constants(tree: ast.Module) -> dict[str, Any]:
    """The names that are bound once, to a literal."""
    found: dict[str, list[ast.stmt]] = {}
    for name, node in bindings(tree.body):
        found.setdefault(name, []).append(node)
    return {name: literal_value(nodes[0].value) for name, nodes in found.items() if len(nodes) == 1 and _is_plain_assign(nodes[0])}  # type: ignore[attr-defined]


def _is_plain_assign(node: ast.stmt) -> bool:
    if isinstance(node, ast.AnnAssign):
        return isinstance(node.target, ast.Name) and node.value is not None
    return isinstance(node, ast.Assign) and all(isinstance(target, ast.Name) for target in node.targets)


def source_resolver(tree: ast.Module, parameters: set[str] | None = None) -> Resolver:
    """What names in annotations of this module are in full, told from its imports and definitions."""
    known: dict[str, str | ast.expr | None] = {}
    for name, node in bindings(tree.body):
        if isinstance(node, ast.Import):
            alias = next(one for one in node.names if (one.asname or one.name.partition(".")[0]) == name)
            known[name] = alias.name if alias.asname else name
        elif isinstance(node, ast.ImportFrom):
            alias = next(one for one in node.names if (one.asname or one.name) == name)
            known[name] = "." * node.level + (f"{node.module}." if node.module else "") + alias.name
        elif isinstance(node, ast.ClassDef):
            known[name] = _class_name(node, name)
        elif _is_plain_assign(node):
            known[name] = _alias(node.value)  # type: ignore[attr-defined]
        elif type(node).__name__ == "TypeAlias":
            known[name] = node.value  # type: ignore[attr-defined]
        else:
            known[name] = None

    def resolve(name: str) -> str | ast.expr | None:
        if parameters and name in parameters:
            return None
        return known.get(name, name)

    return resolve


def _class_name(node: ast.ClassDef, name: str) -> str:
    """A class of the module itself (marked by a dot: it is no entity, whatever its name is); a TypedDict is a dict."""
    if any(isinstance(base, (ast.Name, ast.Attribute)) and ast.unparse(base).rpartition(".")[2] == "TypedDict" for base in node.bases):
        return "dict"
    return f".{name}"


def _alias(value: ast.expr) -> ast.expr | None:
    if isinstance(value, ast.Call):  # NewType("UserId", int); a TypeVar says nothing
        called = ast.unparse(value.func).rpartition(".")[2]
        return value.args[1] if called == "NewType" and len(value.args) > 1 else None
    return value if isinstance(value, (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp)) else None


def outputs_from_source(text: str, name: str) -> list[str] | None:
    """The outputs that `@handler(outputs=[…])` (or `@function(outputs=[…])`) declares on a function of a module.

    None where none are declared.

    Raises:
        InvalidError, SourceError: as `signature_from_source`.
    """
    tree = parse(text, "code")
    node = _find(tree, name)
    resolve = source_resolver(tree)
    constants = _constants(tree)
    for call in getattr(node, "decorator_list", []):
        if not isinstance(call, ast.Call):
            continue
        dotted = dotted_node(call.func, resolve)
        if (
            not isinstance(dotted, str)
            or dotted.rpartition(".")[2] not in ("handler", "function")
            or ("." in dotted and not is_own(dotted))
        ):
            continue
        given = next((one.value for one in call.keywords if one.arg == "outputs"), None)
        if given is None and dotted.endswith("handler") and call.args:
            given = call.args[0]
        value = None if given is None else constants.get(given.id) if isinstance(given, ast.Name) else literal_value(given)
        if isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value):
            return list(value)
    return None
