"""The functions and classes of the module itself, as they are written."""

from __future__ import annotations
import __future__

import ast
from types import FunctionType
from typing import TYPE_CHECKING, Any

from . import safe
from .decorators import decorated, is_ours, own_decorators, plain_function
from .handler import bindings
from .pieces import Piece
from .plain import NotPlainError
from .source_text import Text, first_line

if TYPE_CHECKING:
    from .collect import Collector
    from .scope import Binder

_LITERALS = (ast.Constant, ast.List, ast.Dict, ast.Set, ast.Tuple, ast.UnaryOp)
_POSTPONED = __future__.annotations.compiler_flag


class Definitions:
    """Makes the pieces that define."""

    def __init__(self, collector: Collector) -> None:
        self._to = collector

    def function(self, name: str, value: Any, raw: FunctionType, binder: Binder | None) -> bool:
        """A function that `name` stands for.

        Args:
            raw: the function under its decorators, where these tell.

        Raises:
            NoSourceError: if its source is not to be found, or does not stand alone.
        """
        raw = decorated(raw, self._to.scope)
        found = self._to.scope.definition(raw.__code__)
        if found is None:
            if binder is not None and isinstance(binder.leaf, (ast.FunctionDef, ast.AsyncFunctionDef)) and value is not raw:
                return self.named(name, binder)
            raise self._no_source(name, value)
        text, node = found
        if isinstance(node, ast.Lambda):
            return self._lambda(name, raw, text, node)
        env = closure(raw)
        nested = self._hidden(text, node)
        own = own_decorators(node, self._to.lookup(env), self._to.scope)
        if len(own) < len(node.decorator_list) and nested and value is raw:
            raise self._no_source(name, value)  # decorated once more, it would be another function
        if raw.__code__.co_flags & _POSTPONED:
            self._to.postponed = True
        source = text.without(node, [] if {name, node.name} & self._to.tracked else own)
        position = (text.order, first_line(node), node.col_offset)
        piece = Piece(position, source, "define", {node.name})
        self._alias(name, node.name, value, piece)
        self._to.pieces[(text.order, first_line(node), node.col_offset)] = piece
        piece.eager, piece.lazy = self._to.require(source, env, nested)
        self._defaults(node, raw, piece)
        self._attributes(node.name, raw if value is raw else value, piece)
        self._registered(value)
        return True

    def named(self, name: str, binder: Binder) -> bool:
        """A function by the statement that defines it, where its decorator hides what it wraps."""
        leaf = binder.leaf
        assert isinstance(leaf, (ast.FunctionDef, ast.AsyncFunctionDef))
        source = binder.text.without(leaf, own_decorators(leaf, self._to.lookup({}), self._to.scope))
        piece = Piece(binder.position, source, "define", {name})
        self._to.pieces[binder.position] = piece
        piece.eager, piece.lazy = self._to.require(source, {})
        return True

    def made(self, name: str, binder: Binder) -> bool:
        """A function of Runwright's by the statement that makes it: `trained = rw.function(train, …)`."""
        call = getattr(binder.leaf, "value", None)
        if not isinstance(binder.leaf, (ast.Assign, ast.AnnAssign)) or not is_ours(call, self._to.lookup({}), self._to.scope):
            return False
        piece = Piece(binder.position, binder.text.segment(binder.leaf), "assign", {name})
        self._to.pieces[binder.position] = piece
        piece.eager, piece.lazy = self._to.require(piece.text, {})
        return True

    def _no_source(self, name: str, value: Any) -> Exception:
        from .plain import NoSourceError

        return NoSourceError(name, value)

    def _hidden(self, text: Text, node: ast.AST) -> frozenset[str]:
        """The names that enclosing functions bind: around the definition they hide those of the module."""
        names: set[str] = set()
        for around in text.enclosing(node):
            if isinstance(around, ast.ClassDef):
                raise self._no_source(getattr(node, "name", "<lambda>"), None)  # a method needs its class
            args = around.args  # type: ignore[attr-defined]
            names |= {arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg) if arg is not None}
            names |= {name for name, _ in bindings(around.body)} if isinstance(around, (ast.FunctionDef, ast.AsyncFunctionDef)) else set()
            names.add("")  # nested, even if nothing is hidden
        return frozenset(names)

    def _lambda(self, name: str, raw: FunctionType, text: Text, node: ast.Lambda) -> bool:
        statement = text.parent(node)
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1 or not isinstance(statement.targets[0], ast.Name):
            raise self._no_source(name, raw)
        env = closure(raw)
        hidden = self._hidden(text, node)
        source = text.segment(statement)
        piece = Piece((text.order, statement.lineno, statement.col_offset), source, "assign", {statement.targets[0].id})
        self._alias(name, statement.targets[0].id, raw, piece)
        self._to.pieces[piece.position] = piece
        piece.eager, piece.lazy = self._to.require(source, env, hidden)
        return True

    def _alias(self, name: str, own: str, value: Any, piece: Piece) -> None:
        """`name` may stand for something that is defined under another name."""
        if name == own:
            return
        self._to.claim(own, value)
        self._to.pieces[("alias", name)] = Piece(
            (*piece.position[:2], piece.position[2] + 1), f"{name} = {own}\n", "assign", {name}, eager={own}
        )

    def _defaults(self, node: ast.FunctionDef | ast.AsyncFunctionDef, raw: FunctionType, piece: Piece) -> None:
        """Defaults are made when a function is defined: what their names stand for may have changed since."""
        positional = raw.__defaults__ or ()
        pairs = list(zip(node.args.defaults, positional, strict=False)) if len(node.args.defaults) == len(positional) else []
        changed = any(isinstance(one, ast.Name) and self._differs(one.id, value) for one, value in pairs)
        named = {arg.arg: one for arg, one in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if isinstance(one, ast.Name)}
        keyword = raw.__kwdefaults__ or {}
        changed_named = any(key in keyword and self._differs(one.id, keyword[key]) for key, one in named.items())
        if not changed and not changed_named:
            return
        if node.decorator_list and len(own_decorators(node, self._to.lookup({}), self._to.scope)) < len(node.decorator_list):
            raise self._no_source(node.name, raw)
        renderer = self._to.values.renderer(piece.eager)
        try:
            if changed:
                piece.text += f"\n\n{node.name}.__defaults__ = {renderer.render(positional)}\n"
            if changed_named:
                piece.text += f"\n\n{node.name}.__kwdefaults__ = {renderer.render(dict(keyword))}\n"
        except NotPlainError as error:
            raise self._no_source(node.name, error.args[0]) from None

    def _differs(self, name: str, value: Any) -> bool:
        now = self._to.scope.names.get(name, value)
        if now is value:
            return False
        renderer = self._to.values.renderer(set())
        try:
            return type(now) is not type(value) or renderer.render(now) != renderer.render(value)
        except NotPlainError:
            return True

    def _attributes(self, name: str, value: Any, piece: Piece) -> None:
        """Attributes that were set on a function: `f.calls = 0`."""
        state = {key: one for key, one in getattr(value, "__dict__", {}).items() if key.isidentifier() and not key.startswith("__")}
        for key, one in sorted(state.items()):
            needed: set[str] = set()
            try:
                text = self._to.values.renderer(needed).render(one)
            except NotPlainError:
                continue  # set by the decorator, which sets it again
            piece.eager |= needed
            piece.text += f"\n\n{name}.{key} = {text}\n"

    def _registered(self, value: Any) -> None:
        """The implementations of a `functools.singledispatch` function."""
        registry: Any = getattr(value, "registry", None)
        if not callable(getattr(value, "dispatch", None)) or not hasattr(registry, "items"):
            return
        for kind, one in list(registry.items()):
            raw = plain_function(one)
            if kind is object or not isinstance(raw, FunctionType) or raw.__globals__ is not self._to.scope.names:
                continue
            found = self._to.scope.definition(raw.__code__)
            if found is None or isinstance(found[1], ast.Lambda) or not found[1].decorator_list:
                raise self._no_source(raw.__name__, raw)
            text, node = found[0], found[1]
            position = (text.order, first_line(node), node.col_offset)
            if position in self._to.pieces:
                continue
            piece = Piece(position, text.segment(node), "define")
            self._to.pieces[position] = piece
            piece.eager, piece.lazy = self._to.require(piece.text, closure(raw), self._hidden(text, node))

    def a_class(self, name: str, value: type) -> bool:
        """A class of the module itself. False if it is none that a `class` statement made."""
        if value.__module__ != self._to.scope.module:
            return False
        found = self._class_node(value)
        if found is None:
            return False
        text, node = found
        methods = [one for one in map(_method, vars(value).values()) if one is not None]
        inner: dict[str, Any] = {}
        for one in methods:
            inner.update(closure(one))
        inner.pop("__class__", None)
        if any(one.__code__.co_flags & _POSTPONED for one in methods):
            self._to.postponed = True
        source = text.without(node, own_decorators(node, self._to.lookup(inner), self._to.scope))
        position = (text.order, first_line(node), node.col_offset)
        piece = Piece(position, source, "define", {node.name})
        self._alias(name, node.name, value, piece)
        self._to.pieces[position] = piece
        piece.eager, piece.lazy = self._to.require(source, inner, self._hidden(text, node))
        self._changed(node, value, piece)
        return True

    def _class_node(self, value: type) -> tuple[Text, ast.ClassDef] | None:
        for one in map(_method, vars(value).values()):
            place = self._to.scope.definition(one.__code__) if one is not None else None
            if place is not None:
                for around in place[0].enclosing(place[1]):
                    if isinstance(around, ast.ClassDef) and around.name == value.__name__:
                        return place[0], around
        for binder in reversed(self._to.scope.binders(value.__name__)):
            # One with methods would have been found by them: this is another class of the name (that of a namedtuple).
            if isinstance(binder.leaf, ast.ClassDef) and not any(isinstance(one, ast.FunctionDef) for one in binder.leaf.body):
                return binder.text, binder.leaf
        return None

    def _changed(self, node: ast.ClassDef, value: type, piece: Piece) -> None:
        """Attributes of a class that were set since: `Config.rate = 2`."""
        from .values import same_literal

        for name, statement in bindings(node.body):
            right = getattr(statement, "value", None)
            if not isinstance(right, _LITERALS) or not isinstance(statement, (ast.Assign, ast.AnnAssign)) or name not in vars(value):
                continue
            now = vars(value)[name]
            if type(now) not in (int, float, str, bool, type(None), list, dict, tuple, set) or same_literal(right, now):
                continue
            if safe.is_unchanged(right, now, self._to.lookup({})) and not isinstance(right, ast.Constant):
                continue
            try:
                piece.text += f"\n\n{node.name}.{name} = {self._to.values.renderer(piece.eager).render(now)}\n"
            except NotPlainError:
                raise self._to.live(f"{node.name}.{name}", now) from None


def closure(function: Any) -> dict[str, Any]:
    """The variables of enclosing functions that a function uses, by name."""
    found: dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if not _is_empty(cell):
            found[name] = cell.cell_contents
    return found


def _is_empty(cell: Any) -> bool:
    try:
        return cell.cell_contents is _is_empty
    except ValueError:
        return True


def _method(value: Any) -> FunctionType | None:
    for one in (value, getattr(value, "__func__", None), getattr(value, "fget", None), getattr(value, "func", None)):
        raw = getattr(one, "__wrapped__", one)
        if isinstance(raw, FunctionType):
            return raw
    return None
