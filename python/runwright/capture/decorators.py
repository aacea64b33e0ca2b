"""Decorators of Runwright's own are taken off what travels, since it runs where Runwright is not installed; unless its own code runs it, tracked."""

from __future__ import annotations

import ast
from types import CodeType, FunctionType, ModuleType
from typing import Any

from .safe import MISSING, Lookup
from .scope import Scope
from .types import is_own


def own_decorators(node: ast.AST, lookup: Lookup, scope: Scope) -> list[ast.expr]:
    """Those of a definition that are Runwright's, told by what their name is bound to."""
    return [one for one in getattr(node, "decorator_list", []) if is_ours(one, lookup, scope)]


def is_ours(decorator: ast.expr | None, lookup: Lookup, scope: Scope) -> bool:
    """Whether a decorator, or a call that makes a function, is Runwright's."""
    return decorator is not None and is_own(_home(decorator, lookup, scope))


def run_names(text: str, lookup: Lookup) -> set[str]:
    """The names of Runwright's functions that a piece of source uses as such: `train.run(…)`, `train.map(…)`, `train.version`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            value = lookup(node.value.id)
            # `dir`, since to get some of them saves a version.
            if getattr(value, "__runwright_function__", False) is True and node.attr in dir(value):
                inner = plain_function(value)
                if inner is not value and not hasattr(inner, node.attr):
                    found.add(node.value.id)
    return found


def _home(decorator: ast.expr, lookup: Lookup, scope: Scope) -> str:
    """The module that a decorator is from, '' if it cannot be told."""
    func = decorator.func if isinstance(decorator, ast.Call) else decorator
    names: list[str] = []
    while isinstance(func, ast.Attribute):
        names.append(func.attr)
        func = func.value
    if not isinstance(func, ast.Name):
        return ""
    value = lookup(func.id)
    if value is MISSING:
        return _imported_from(func.id, scope)
    if isinstance(value, ModuleType):
        for name in reversed(names):
            inner = getattr(value, name, None)
            if not isinstance(inner, ModuleType):
                # A decorator that is made anew for each version of the package may carry another's module: the way to it decides.
                return str(getattr(inner, "__module__", None) or value.__name__) if not is_own(value.__name__) else value.__name__
            value = inner
        return value.__name__
    return str(getattr(value, "__module__", None) or "")


def _imported_from(name: str, scope: Scope) -> str:
    """The module of a name that was deleted meanwhile, told from its import."""
    leaf = scope.binders(name)[-1].leaf if scope.binders(name) else None
    if isinstance(leaf, ast.ImportFrom):
        return leaf.module or ""
    return leaf.names[0].name if isinstance(leaf, ast.Import) else ""


def plain_function(value: Any) -> Any:
    """What is inside of Function objects and of what `@handler` gives."""
    while getattr(value, "__runwright_function__", False) is True:
        inner = getattr(value, "fn", None) or getattr(value, "__wrapped__", None)
        if inner is None:
            break
        value = inner
    while (
        isinstance(value, FunctionType) and is_own(value.__module__ or "") is False and is_own(str(value.__globals__.get("__name__", "")))
    ):
        inner = getattr(value, "__wrapped__", None)  # functools.wraps copied the user's module onto our wrapper
        if inner is None:
            break
        value = inner
    return value


def unwrapped(value: Any) -> Any:
    """The function under decorators that say what they wrap."""
    seen = {id(value)}
    while (inner := getattr(value, "__wrapped__", None)) is not None and id(inner) not in seen:
        seen.add(id(inner))
        value = plain_function(inner)
    return value


def decorated(value: Any, scope: Scope) -> Any:
    """What a decorator that does not say so (no `functools.wraps`) wrapped, if `value` is its wrapper; else `value`."""
    code = getattr(value, "__code__", None)
    if not isinstance(code, CodeType):
        return value
    for cell in getattr(value, "__closure__", None) or ():
        try:
            inner = cell.cell_contents
        except ValueError:
            continue
        found = scope.definition(inner.__code__) if isinstance(inner, FunctionType) else None
        for one in getattr(found[1], "decorator_list", []) if found else []:
            func = one.func if isinstance(one, ast.Call) else one
            maker = scope.names.get(func.id) if isinstance(func, ast.Name) else None
            if _contains(getattr(maker, "__code__", None), code):
                return inner
    return value


def _contains(outer: Any, code: CodeType) -> bool:
    consts = getattr(outer, "co_consts", ())
    return any(one is code or _contains(one, code) for one in consts if isinstance(one, CodeType))
