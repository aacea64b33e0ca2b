"""The values that names of a module stand for: written as they are now, or made once more by their statement."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..exceptions import CaptureError
from . import safe
from .pieces import LAST, SECOND, Piece, Position, module_mark
from .plain import NoSourceError, NotPlainError, Renderer, TooLargeError

if TYPE_CHECKING:
    from .collect import Collector
    from .scope import Binder

SECRET = re.compile(r"(?i)(^|_)(token|secret|password|passwd|api_?key|credentials?|private_key)(_|$)")
_GIVEN = frozenset(("__name__", "__file__", "__doc__", "__package__", "__spec__"))


class Values:
    """Makes the pieces that assign."""

    def __init__(self, collector: Collector) -> None:
        self._to = collector

    def renderer(self, needed: set[str], *, named: bool = False) -> Renderer:
        """Writes values; the names that they need are added to `needed` and gathered."""

        def thing(kind: Any) -> str:
            own = getattr(kind, "__name__", "")
            if getattr(kind, "__module__", None) == "builtins" and getattr(builtins, own, None) is kind:
                return str(own)
            name = next((one for one, value in self._to.scope.names.items() if value is kind and one.isidentifier()), None)
            if name is None and self._is_reachable(kind):
                return f"{module(kind.__module__)}.{own}"
            if name is None:
                raise NotPlainError(kind)
            if name not in self._to.names:
                self._to.name(name, {})
            needed.add(name)
            return name

        def module(name: str) -> str:
            needed.add(module_mark(name))
            return module_mark(name)

        return Renderer(module, thing, named=named)

    def _is_reachable(self, kind: Any) -> bool:
        """Whether a class or a function is an attribute of the module that it is from, which is another one."""
        home = getattr(kind, "__module__", None)
        name = getattr(kind, "__qualname__", "")
        if not isinstance(home, str) or home in ("__main__", self._to.scope.module) or not name.isidentifier():
            return False
        return getattr(sys.modules.get(home), name, None) is kind

    def registry(self, name: str, value: Any, binder: Binder | None) -> bool:
        """A container of functions and classes that has changed since it was made.

        It is made empty where the source makes it, since decorators may fill it, and gets what it holds now at the very end.
        """
        if type(value) not in (list, dict, tuple):
            return False
        needed: set[str] = set()
        try:
            text = self.renderer(needed, named=True).render(value)
        except (NotPlainError, NoSourceError, TooLargeError, RecursionError):
            return False
        position: Position = binder.position if binder is not None else SECOND
        if type(value) is tuple:
            self._to.pieces[name] = Piece(position, f"{name} = {text}\n", "assign", {name}, eager=needed)
            return True
        self._to.pieces[name] = Piece(position, f"{name} = {'{}' if type(value) is dict else '[]'}\n", "assign", {name})
        fill = f"{name}.clear()\n{name}.update({text})\n" if type(value) is dict else f"{name}[:] = {text}\n"
        self._to.pieces[("fill", name)] = Piece(LAST, fill, "assign", eager=needed | {name})
        return True

    def plain(self, name: str, value: Any, binder: Binder | None, is_cell: bool) -> bool:
        """A value that can be written."""
        needed: set[str] = set()
        try:
            text = self.renderer(needed).render(value)
        except TooLargeError:
            cure = f"pass it as a parameter: {self._to.function}(…, {name}={name})"
            raise CaptureError(f"{self._to.function}() uses {name!r}, a value too large for source", field=name, cure=cure) from None
        except (NotPlainError, NoSourceError, RecursionError):
            return False
        statement = binder.leaf if binder is not None and binder.leaf is binder.top else None
        right = statement.value if isinstance(statement, (ast.Assign, ast.AnnAssign)) else None
        position: Position = binder.position if binder is not None else SECOND
        single = isinstance(statement, (ast.Assign, ast.AnnAssign)) and _single_target(statement) == name
        if binder is not None and right is not None:
            lookup = self._to.lookup({})
            if self._is_secret(right, lookup, set()):
                # Written as it is now, a secret of the environment would be in the version.
                if single and self.statement(name, value, binder):
                    return True
                raise self._secret(name)
            if single and _keeps_its_source(value) and self._names_things(right, lookup) and self.statement(name, value, binder):
                return True
            if single and same_literal(right, value):
                piece = Piece(position, binder.text.segment(statement), "assign", {name})  # type: ignore[arg-type]
                self._to.pieces[name] = piece
                piece.eager, piece.lazy = self._to.require(piece.text, {})  # an annotation's names
                return True
        if type(value) is str and SECRET.search(name) and not is_cell and not isinstance(right, ast.Constant):
            raise self._secret(name)
        self._to.pieces[name] = Piece(position, f"{name} = {text}\n", "assign", {name}, eager=needed)
        return True

    def _is_secret(self, node: ast.AST, lookup: safe.Lookup, seen: set[str]) -> bool:
        """Whether a right side reads the environment or asks a person, itself or by what the names in it were made from."""
        if safe.reads_environment(node, lookup):
            return True
        for name in {one.id for one in ast.walk(node) if isinstance(one, ast.Name)} - seen:
            seen.add(name)
            for binder in self._to.scope.binders(name):
                right = binder.leaf.value if isinstance(binder.leaf, (ast.Assign, ast.AnnAssign, ast.AugAssign)) else None
                if right is not None and self._is_secret(right, lookup, seen):
                    return True
        return False

    def _names_things(self, node: ast.expr, lookup: safe.Lookup) -> bool:
        """Whether an expression depends on nothing that may have changed: only on modules, classes and functions."""
        names = [one.id for one in ast.walk(node) if isinstance(one, ast.Name)]
        return all(name in _GIVEN or isinstance(lookup(name), ModuleType) or callable(lookup(name)) for name in names)

    def _secret(self, name: str) -> CaptureError:
        cure = f"read it inside of {self._to.function}() from os.environ, and name it in `secrets`"
        return CaptureError(
            f"{self._to.function}() uses {name!r}, which looks like a secret: it would be kept in the version", field=name, cure=cure
        )

    def statement(self, name: str, value: Any, binder: Binder) -> bool:
        """An assignment that is safe to be executed once more."""
        leaf = binder.leaf
        if leaf is not binder.top:
            return self.block(binder)
        if type(leaf).__name__ == "TypeAlias":
            right = leaf.value  # type: ignore[attr-defined]
        elif isinstance(leaf, (ast.Assign, ast.AnnAssign)) and _single_target(leaf) == name and leaf.value is not None:
            right = leaf.value
        else:
            return False
        lookup = self._to.lookup({})
        if not safe.is_safe(right, lookup) or any(isinstance(one.leaf, ast.AugAssign) for one in self._to.scope.binders(name)):
            return False
        if not safe.is_unchanged(right, value, lookup):
            return False
        text = binder.text.segment(leaf)
        piece = Piece(binder.position, text, "assign", {name})
        self._to.pieces[name] = piece
        piece.eager, piece.lazy = self._to.require(text, {})
        return True

    def block(self, binder: Binder) -> bool:
        """A compound statement of imports and safe assignments, as a whole."""
        from .handler import bindings

        if not safe.is_safe_block(binder.top, self._to.lookup({})):
            return False
        key = binder.position
        if key in self._to.pieces:
            return True
        text = binder.text.segment(binder.top)
        names = {name for name, _ in bindings([binder.top])}
        piece = Piece(key, text, "assign", names)
        self._to.pieces[key] = piece
        for name in sorted(names):
            if name in self._to.scope.names:
                self._to.names.setdefault(name, self._to.scope.names[name])
        piece.eager, piece.lazy = self._to.require(text, {})
        return True

    def instance(self, name: str, value: Any, binder: Binder | None) -> bool:
        """An object of a class of the module whose attributes are all plain: made as a pickle would make it."""
        kind = type(value)
        own = (kind.__module__ == self._to.scope.module) and kind.__bases__ == (object,) and not hasattr(kind, "__slots__")
        special = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__new__", "__getnewargs__", "__del__", "__enter__")
        if not own or any(one in vars(kind) for one in special) or not hasattr(value, "__dict__"):
            return False
        needed: set[str] = set()
        renderer = self.renderer(needed)
        try:
            cls = renderer._thing(kind)
            state = renderer.render(dict(vars(value)))
        except (NotPlainError, NoSourceError):
            return False
        text = f"{name} = object.__new__({cls})\n" + (f"vars({name}).update({state})\n" if vars(value) else "")
        self._to.pieces[name] = Piece(binder.position if binder else SECOND, text, "assign", {name}, eager=needed)
        return True


def same_literal(node: ast.expr, value: Any) -> bool:
    """Whether a right side is a literal that still is the value."""
    try:
        literal = ast.literal_eval(node)
        return type(literal) is type(value) and bool(literal == value) and repr(literal) == repr(value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False


def _keeps_its_source(value: Any) -> bool:
    """Whether a value cannot have changed since its statement made it, so that the statement, which reads better, can be taken."""
    kind = type(value)
    return kind.__module__ in ("re", "pathlib", "pathlib._local", "datetime", "decimal", "fractions", "uuid", "zoneinfo", "logging")


def _single_target(node: ast.stmt) -> str | None:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else None
