"""What a function uses, and what that uses: each name of its module becomes a piece of one readable module."""

from __future__ import annotations

import ast
import builtins
from types import FunctionType, ModuleType
from typing import Any

from ..exceptions import CaptureError
from . import safe
from .decorators import plain_function, run_names, unwrapped
from .definitions import Definitions
from .imports import Imports
from .pieces import Piece
from .plain import NoSourceError
from .safe import MISSING
from .scope import Binder, Scope
from .symbols import uses
from .tree import Tree
from .values import Values

_GIVEN = frozenset(
    ["__name__", "__file__", "__doc__", "__package__", "__spec__", "__loader__", "__builtins__", "__annotations__", "__dict__", "__path__"]
)
Env = dict[str, Any]


class Collector:
    """Gathers the pieces for one function.

    Attributes:
        names: what each name of the captured module stands for.
        pieces: by what they were made from, so that none comes twice.
        tracked: names of Runwright's functions that keep their decorators, since the code runs them: `train.run(…)`.
        running: those of which that was seen; where there are others than `tracked`, all must be gathered anew.
        postponed: whether the source has `from __future__ import annotations`.
    """

    def __init__(self, scope: Scope, function: str, tree: Tree, tracked: frozenset[str] = frozenset()) -> None:
        self.scope = scope
        self.function = function
        self.tracked = tracked
        self.running: set[str] = set()
        self.names: dict[str, Any] = {}
        self.pieces: dict[Any, Piece] = {}
        self.postponed = False
        self.imports = Imports(self, tree)
        self.definitions = Definitions(self)
        self.values = Values(self)

    def lookup(self, env: Env) -> safe.Lookup:
        """What names mean where a piece is."""
        return lambda name: self.scope.value(name, env)

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
        self.running |= run_names(text, self.lookup(env))
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
            if any(one.top is not one.leaf for one in self.scope.binders(name)):
                return  # `if WINDOWS: import winreg`: used under the same condition
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
        binders = [] if is_cell else self.scope.binders(name) or self.scope.binders("*")
        binder = binders[-1] if binders else None
        inner = plain_function(value)
        if isinstance(inner, ModuleType):
            self.imports.module(name, inner)
            return
        done = binder is not None and self.imports.from_statement(name, value, binder)
        done = done or (binder is not None and name in self.tracked and self.definitions.made(name, binder))
        done = done or self.values.plain(name, value, binder, is_cell)
        done = done or (callable(inner) and self._code(name, inner, binder, env))
        done = done or (binder is not None and self.values.statement(name, value, binder))
        done = done or self.values.instance(name, value, binder) or self.values.registry(name, value, binder)
        done = done or self.imports.reference(name, inner)
        if not done and is_cell:
            raise NoSourceError(name, value)
        if not done:
            raise self.live(name, value)

    def _code(self, name: str, value: Any, binder: Binder | None, env: Env) -> bool:
        """A function or a class of the module itself."""
        if isinstance(value, type):
            return self.definitions.a_class(name, value)
        raw = unwrapped(value)
        if isinstance(raw, FunctionType) and raw.__globals__ is self.scope.names:
            return self.definitions.function(name, value, raw, binder)
        # What a library's decorator made of a function of the module.
        return (
            binder is not None and isinstance(binder.leaf, (ast.FunctionDef, ast.AsyncFunctionDef)) and self.definitions.named(name, binder)
        )

    def live(self, name: str, value: Any) -> CaptureError:
        kind = type(value)
        module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        cure = f"pass it as a parameter: {self.function}(…, {name}={name}), or create it inside of the function"
        return CaptureError(
            f"{self.function}() uses {name!r}, a live {module}{kind.__qualname__} that cannot travel with the code", field=name, cure=cure
        )
