"""A live function → the files of a version: one readable module with what the function uses, and the local modules that it imports."""

from __future__ import annotations

import sys
from types import FunctionType
from typing import Any

from ..exceptions import CaptureError
from .collect import Collector
from .decorators import decorated, plain_function, unwrapped
from .pieces import in_order, write
from .places import is_installed
from .plain import NoSourceError
from .scope import Scope
from .tree import Tree

_NAMES = ("functions", "captured", "captured_functions", "captured_code")


def capture_function(fn: Any) -> dict[str, Any]:
    """The source of a version that does what `fn` does, told from what the names that it uses stand for now.

    Args:
        fn: a function (plain, decorated, or Runwright's), a lambda with a name, a class, or any callable that can be pickled.

    Returns:
        The `source` of docs/decisions/0003-code-travels-as-files.md; the same code gives the same.

    Raises:
        CaptureError: if it uses what does not exist or cannot travel; the error names it and says what to do.
    """
    fn = plain_function(fn)
    if not callable(fn):
        raise CaptureError(f"{fn!r} is not callable", field="fn", cure="decorate a function")
    try:
        return _readable(fn)
    except NoSourceError as error:
        from .pickled import capture_pickle

        name, value = (*error.args, None, None)[:2]
        return capture_pickle(fn, str(name), value)


def _readable(fn: Any) -> dict[str, Any]:
    raw = unwrapped(fn)
    name = getattr(raw, "__name__", type(fn).__name__)
    if isinstance(fn, type) or not isinstance(raw, FunctionType):
        if _is_public(fn):
            return _reference(fn)
        if not isinstance(fn, type) or fn.__module__ not in sys.modules:
            raise NoSourceError(name, fn)
        names, filename = vars(sys.modules[fn.__module__]), ""
    else:
        if is_installed(str(raw.__module__), raw.__code__.co_filename) and _is_public(fn):
            return _reference(fn)
        names, filename = raw.__globals__, raw.__code__.co_filename
        if names.get("__name__") != raw.__module__ and _is_public(raw):
            names = vars(sys.modules[raw.__module__])
    scope = Scope(names, filename)
    if isinstance(raw, FunctionType) and not isinstance(fn, type):
        name = _own_name(raw, scope)
    tracked: frozenset[str] = frozenset()
    while True:
        tree = Tree(f"{name}()", CaptureError)
        collector = Collector(scope, name, tree, tracked)
        try:
            text = _collected(collector, fn, raw, name)
        except NoSourceError:
            if collector.running <= tracked:
                raise
        # Which functions the code itself runs must be known before any of them is written; what those need may run more.
        if collector.running <= tracked:
            break
        tracked |= collector.running
    check_secrets(text, name)
    collector.imports.local.follow(text, "functions.py", "functions")
    module = next(one for one in _NAMES if f"{one}.py" not in tree and f"{one}/__init__.py" not in tree)
    tree.add(f"{module}.py", text.encode("utf-8"))
    return tree.source("function", f"{module}:{name}")


def _collected(collector: Collector, fn: Any, raw: Any, name: str) -> str:
    """The text of the module with the function and what it uses."""
    scope = collector.scope
    # What the module is called by now may be Runwright's Function object: both names stand for the same.
    collector.names[name] = scope.names[name] if plain_function(scope.names.get(name)) is fn else fn
    if isinstance(fn, type):
        if not collector.definitions.a_class(name, fn):
            raise NoSourceError(name, fn)
    else:
        assert isinstance(raw, FunctionType)
        binders = scope.binders(name)
        collector.definitions.function(name, fn, raw, binders[-1] if binders else None)
    return text_of(collector)


def check_secrets(text: str, name: str) -> None:
    """The last net: no value of an environment variable that is called a secret may be in the text, whatever way it came there."""
    import os

    from .values import SECRET

    for key, value in os.environ.items():
        if SECRET.search(key) and len(value) >= 8 and (value in text or repr(value)[1:-1] in text):
            cure = f"read it inside of {name}() from os.environ, and name it in `secrets`"
            raise CaptureError(
                f"{name}() uses the value of ${key}, which looks like a secret: it would be kept in the version", field=key, cure=cure
            )


def text_of(collector: Collector) -> str:
    """The captured module."""
    from .pieces import FIRST, Piece

    ways: dict[str, str] = {}
    marks = {one for piece in collector.pieces.values() for one in piece.eager if "\0" in one}
    for needed in sorted(one.strip("\0").removeprefix("module:") for one in marks):
        known = _known_as(collector, needed)
        if known is None:
            known = needed if needed.partition(".")[0] not in collector.names else f"_{needed.replace('.', '_')}"
            line = f"import {needed}\n" if known == needed else f"import {needed} as {known}\n"
            collector.pieces[("needed", needed)] = Piece(FIRST, line, "import", {known.partition(".")[0]})
        ways[needed] = known
    for piece in collector.pieces.values():
        found = {one.strip("\0").removeprefix("module:") for one in piece.eager if "\0" in one}
        piece.eager = {one for one in piece.eager if "\0" not in one} | {ways[one].partition(".")[0] for one in found}
        piece.text = collector.imports.without_relative(piece.text)
    return write(in_order(collector.pieces.values()), ways.__getitem__, postponed=collector.postponed)


def _known_as(collector: Collector, module: str) -> str | None:
    """The name by which the source has a module (`np`), which reads better than one made up."""
    found = sys.modules.get(module)
    for key, value in sorted(collector.names.items()):
        if value is found:
            return key
    for key, value in sorted(collector.scope.names.items()):
        if value is found and key not in collector.names and collector.scope.binders(key):
            collector.name(key, {})
            return key
    return None


def _own_name(raw: FunctionType, scope: Scope) -> str:
    """The name under which the function is defined: for a lambda, that which it was assigned to."""
    import ast

    raw = decorated(raw, scope)
    found = scope.definition(raw.__code__)
    if found is None:
        raise NoSourceError(raw.__name__, raw)
    text, node = found
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return node.name
    statement = text.parent(node)
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id
    raise NoSourceError("<lambda>", raw)


def _is_public(fn: Any) -> bool:
    """Whether it is an attribute of its module, by its name."""
    module = sys.modules.get(getattr(fn, "__module__", None) or "")
    name = getattr(fn, "__name__", None)
    return (
        module is not None
        and isinstance(name, str)
        and getattr(module, name, None) is fn
        and is_installed(module.__name__, getattr(module, "__file__", None))
    )


def _reference(fn: Any) -> dict[str, Any]:
    """What is installed is imported where it runs."""
    tree = Tree(f"{fn.__name__}()", CaptureError)
    if fn.__module__ == "builtins":
        tree.add("functions.py", f"import builtins\n\n{fn.__name__} = builtins.{fn.__name__}\n".encode())
    else:
        tree.add("functions.py", f"from {fn.__module__} import {fn.__name__}\n".encode())
    return tree.source("function", f"functions:{fn.__name__}")
