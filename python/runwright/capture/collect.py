"""What a function uses, and what that uses: each name of its module becomes a piece of one readable module."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from types import FunctionType, ModuleType
from typing import Any

from ..exceptions import CaptureError
from . import safe
from .decorators import plain_function, unwrapped
from .definitions import Definitions
from .imports import Imports
from .pieces import SECOND, Piece, Position, module_mark
from .plain import MAX_TEXT, NotPlainError, Renderer
from .scope import MISSING, Binder, Scope
from .symbols import uses
from .tree import Tree

_SECRET = re.compile(r"(?i)(^|_)(token|secret|password|passwd|api_?key|credentials?|private_key)(_|$)")
_GIVEN = frozenset("__name__ __file__ __doc__ __package__ __spec__ __loader__ __builtins__ __annotations__ __dict__ __path__".split())
Env = dict[str, Any]


class NoSourceError(Exception):
    """What has no source and cannot be written: the whole function is to be pickled. `args`: variable, value."""


class Collector:
    """Gathers the pieces for one function.

    Attributes:
        names: what each name of the captured module stands for.
        pieces: by what they were made from, so that none comes twice.
        postponed: whether the source has `from __future__ import annotations`.
    """

    def __init__(self, scope: Scope, function: str, tree: Tree) -> None:
        self.scope = scope
        self.function = function
        self.names: dict[str, Any] = {}
        self.pieces: dict[Any, Piece] = {}
        self.modules_needed: set[str] = set()
        self.postponed = False
        self.imports = Imports(self, tree)
        self.definitions = Definitions(self)

    def lookup(self, env: Env) -> safe.Lookup:
        """What names mean where a piece is."""
        return lambda name: safe.MISSING if (value := self.scope.value(name, env)) is MISSING else value

    def claim(self, name: str, value: Any) -> bool:
        """Take a name of the captured module. False if it stands for this value already.

        Raises:
            NoSourceError: if it stands for another value.
        """
        if name in self.names:
            if self.names[name] is value:
                return False
            raise NoSourceError(name, value)
        self.names[name] = value
        return True

    def require(self, text: str, env: Env, hidden: frozenset[str] = frozenset()) -> tuple[set[str], set[str]]:
        """Gather what a piece uses. Gives the names it needs when executed, and when called.

        Args:
            env: the closure variables of what is in the piece.
            hidden: names that mean something else where the piece is, in an enclosing function.
        """
        try:
            found = uses(text, postponed=self.postponed)
        except (SyntaxError, ValueError, RecursionError) as error:  # `nonlocal` of an enclosing function
            raise NoSourceError(self.function, error) from None
        for name in found.needed():
            if name in hidden and name not in env:
                raise NoSourceError(name, None)
            self.name(name, env, nested=bool(hidden))
        for name in sorted(found.sets - found.eager - found.lazy):
            if name in self.scope.names:
                self.name(name, env)
        for name in sorted(found.hints - found.eager - found.lazy - found.sets):
            self._hint(name, env)
        return found.eager | (found.hints & set(self.names)), found.lazy | found.sets

    def name(self, name: str, env: Env, nested: bool = False) -> None:
        """Gather one name.

        Raises:
            CaptureError: if it does not exist, or stands for something that cannot travel.
            NoSourceError: if only a pickle can hold it.
        """
        value = self.scope.value(name, env)
        if value is MISSING:
            if name in _GIVEN:
                return
            if nested:
                raise NoSourceError(name, None)
            raise self._missing(name)
        is_cell = name in env
        if not is_cell and name not in self.scope.names:
            if (getattr(value, "__module__", None) or "").startswith("IPython"):  # `display`: a notebook makes it a builtin
                self._value(name, value, env, is_cell=False)
            return
        if name in _GIVEN and not is_cell:
            return
        if self.claim(name, value):
            self._value(name, value, env, is_cell)

    def _missing(self, name: str) -> CaptureError:
        from .handler import close

        known = [one for one in [*self.scope.names, *vars(builtins)] if not one.startswith("_")]
        cure = close(name, known) or f"define {name!r} or import it before the function is run"
        return CaptureError(f"{self.function}() uses {name!r}, which does not exist", field=name, cure=cure)

    def _hint(self, name: str, env: Env) -> None:
        """Gather a name that only annotations (which nobody evaluates) use, if that is possible."""
        value = self.scope.value(name, env)
        if value is MISSING:
            self.imports.type_checking(name)
            return
        if name in self.names or not isinstance(value, (ModuleType, type, FunctionType)) or name not in self.scope.names:
            return
        before = dict(self.names), dict(self.pieces)
        try:
            self.name(name, {})
        except (CaptureError, NoSourceError):
            self.names, self.pieces = before

    def _value(self, name: str, value: Any, env: Env, is_cell: bool) -> None:
        binder = None if is_cell else next(reversed(self.scope.binders(name)), None)
        inner = plain_function(value)
        if isinstance(inner, ModuleType):
            self.imports.module(name, inner)
        elif binder is not None and self.imports.from_statement(name, value, binder):
            return
        elif self._plain(name, value, binder, is_cell):
            return
        elif callable(inner) and self._code(name, inner, binder, env):
            return
        elif binder is not None and self._statement(name, value, binder):
            return
        elif self._instance(name, value, binder) or self.imports.reference(name, inner):
            return
        elif is_cell:
            raise NoSourceError(name, value)
        else:
            raise self._live(name, value)

    def _code(self, name: str, value: Any, binder: Binder | None, env: Env) -> bool:
        """A function or a class of the module itself."""
        if isinstance(value, type):
            return self.definitions.a_class(name, value, env)
        raw = unwrapped(value)
        if isinstance(raw, FunctionType) and raw.__globals__ is self.scope.names:
            return self.definitions.function(name, value, raw, binder)
        # What a library's decorator made of a function of the module.
        return binder is not None and isinstance(binder.leaf, (ast.FunctionDef, ast.AsyncFunctionDef)) and self.definitions.named(name, binder)

    def renderer(self, needed: set[str]) -> Renderer:
        """Writes values; the names that they need are added to `needed` and gathered."""

        def thing(kind: type) -> str:
            if kind.__module__ == "builtins":
                return kind.__name__
            name = next((one for one, value in self.scope.names.items() if value is kind), None)
            if name is None:
                raise NotPlainError(kind)
            if name not in self.names:
                self.name(name, {})
            needed.add(name)
            return name

        def module(name: str) -> str:
            self.modules_needed.add(name)
            needed.add(module_mark(name))
            return module_mark(name)

        return Renderer(module, thing)

    def _plain(self, name: str, value: Any, binder: Binder | None, is_cell: bool) -> bool:
        """A value that can be written."""
        needed: set[str] = set()
        try:
            text = self.renderer(needed).render(value)
        except (NotPlainError, NoSourceError, RecursionError):
            return False
        statement = binder.leaf if binder is not None and binder.leaf is binder.top else None
        right = statement.value if isinstance(statement, (ast.Assign, ast.AnnAssign)) else None
        position: Position = binder.position if binder is not None else SECOND
        single = isinstance(statement, (ast.Assign, ast.AnnAssign)) and _single_target(statement) == name
        if binder is not None and right is not None:
            lookup = self.lookup({})
            if safe.reads_environment(right, lookup):
                # Written as it is now, a secret of the environment would be in the version.
                if single and self._statement(name, value, binder):
                    return True
                raise self._secret(name)
            if single and _keeps_its_source(value) and self._names_things(right, lookup) and self._statement(name, value, binder):
                return True
            if single and same_literal(right, value) and not _has_annotation(statement):
                self.pieces[name] = Piece(position, binder.text.segment(statement), "assign", {name})  # type: ignore[arg-type]
                return True
        if type(value) is str and _SECRET.search(name) and not is_cell and not isinstance(right, ast.Constant):
            raise self._secret(name)
        if len(text) > MAX_TEXT:
            cure = f"pass it as a parameter: {self.function}(…, {name}={name})"
            raise CaptureError(f"{self.function}() uses {name!r}, a value of {len(text):,} characters", field=name, cure=cure)
        self.pieces[name] = Piece(position, f"{name} = {text}\n", "assign", {name}, eager=needed)
        return True

    def _names_things(self, node: ast.expr, lookup: safe.Lookup) -> bool:
        """Whether an expression depends on nothing that may have changed: only on modules, classes and functions."""
        names = [one.id for one in ast.walk(node) if isinstance(one, ast.Name)]
        return all(name in _GIVEN or isinstance(lookup(name), ModuleType) or callable(lookup(name)) for name in names)

    def _secret(self, name: str) -> CaptureError:
        cure = f"read it inside of {self.function}() from os.environ, and name it in `secrets`"
        return CaptureError(f"{self.function}() uses {name!r}, which looks like a secret: it would be kept in the version", field=name, cure=cure)

    def _statement(self, name: str, value: Any, binder: Binder) -> bool:
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
        if not safe.is_safe(right, self.lookup({})) or any(isinstance(one.leaf, ast.AugAssign) for one in self.scope.binders(name)):
            return False
        text = binder.text.segment(leaf)
        piece = Piece(binder.position, text, "assign", {name})
        self.pieces[name] = piece
        piece.eager, piece.lazy = self.require(text, {})
        return True

    def block(self, binder: Binder) -> bool:
        """A compound statement of imports and safe assignments, as a whole."""
        from .handler import bindings

        if not safe.is_safe_block(binder.top, self.lookup({})):
            return False
        key = binder.position
        if key in self.pieces:
            return True
        text = binder.text.segment(binder.top)
        if any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(binder.top)):
            return False
        names = {name for name, _ in bindings([binder.top])}
        piece = Piece(key, text, "assign", names)
        self.pieces[key] = piece
        for name in sorted(names):
            if name in self.scope.names:
                self.names.setdefault(name, self.scope.names[name])
        self.imports.follow(binder.top)
        piece.eager, piece.lazy = self.require(text, {})
        return True

    def _instance(self, name: str, value: Any, binder: Binder | None) -> bool:
        """An object of a class of the module whose attributes are all plain: made as a pickle would make it."""
        kind = type(value)
        own = (kind.__module__ == self.scope.module) and kind.__bases__ == (object,) and not hasattr(kind, "__slots__")
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
        self.pieces[name] = Piece(binder.position if binder else SECOND, text, "assign", {name}, eager=needed)
        return True

    def _live(self, name: str, value: Any) -> CaptureError:
        kind = type(value)
        module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        cure = f"pass it as a parameter: {self.function}(…, {name}={name}), or create it inside of the function"
        return CaptureError(
            f"{self.function}() uses {name!r}, a live {module}{kind.__qualname__} that cannot travel with the code", field=name, cure=cure
        )


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


def _has_annotation(node: ast.stmt | None) -> bool:
    return isinstance(node, ast.AnnAssign)


def module_of(name: str) -> ModuleType | None:
    """A module that is imported, by name."""
    found = sys.modules.get(name)
    return found if isinstance(found, ModuleType) else None
