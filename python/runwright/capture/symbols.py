"""Which names of its module a piece of source uses."""

from __future__ import annotations

import ast
import symtable
from dataclasses import dataclass, field

from .handler import bindings

_COMPREHENSIONS = frozenset(("listcomp", "setcomp", "dictcomp", "genexpr", "<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"))
_FUTURE = "from __future__ import annotations\n"


@dataclass
class Uses:
    """Names of the module.

    Attributes:
        eager: needed when the piece is executed (decorators, bases, defaults, class bodies, right sides).
        lazy: needed when a function in it is called.
        sets: globals that it assigns itself, so that they may be missing.
        hints: told from annotations that are not evaluated; may be missing, and matter to readers and type checkers only.
    """

    eager: set[str] = field(default_factory=set)
    lazy: set[str] = field(default_factory=set)
    sets: set[str] = field(default_factory=set)
    hints: set[str] = field(default_factory=set)

    def needed(self) -> list[str]:
        """The names that must be there, in a fixed order."""
        return sorted(self.eager | self.lazy)


def uses(text: str, *, postponed: bool) -> Uses:
    """The names that a piece uses.

    Args:
        text: one or more statements.
        postponed: whether annotations are not evaluated (`from __future__ import annotations`).

    Raises:
        SyntaxError: if the piece does not stand alone.
    """
    found = Uses()
    tree = ast.parse(text)
    own = {name for name, _ in bindings(tree.body)}
    top = symtable.symtable(_FUTURE + text if postponed else text, "piece", "exec")
    for symbol in top.get_symbols():
        # A variable of a comprehension that the compiler inlines shows up here, assigned, but is bound by no statement.
        if symbol.is_referenced() and (not symbol.is_assigned() or symbol.get_name() in own):
            found.eager.add(symbol.get_name())
    for child in top.get_children():
        _walk(child, found, eager=True)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            found.eager |= _read_before_set(node)
    _annotations(tree, found, postponed)
    return found


def _read_before_set(node: ast.ClassDef) -> set[str]:
    """Names of a class body that are read as the module's before the class has its own: `re = re.compile(…)`."""
    own = {name for name, _ in bindings(node.body)}
    bound: set[str] = set()
    found: set[str] = set()
    for statement in node.body:
        outside = (
            [statement] if isinstance(statement, ast.stmt) and not hasattr(statement, "body") else getattr(statement, "decorator_list", [])
        )
        read = {one.id for part in outside for one in ast.walk(part) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)}
        found |= (read & own) - bound
        bound |= {name for name, _ in bindings([statement])}
    return found


def _walk(table: symtable.SymbolTable, found: Uses, *, eager: bool) -> None:
    kind = str(getattr(table.get_type(), "value", table.get_type()))
    if kind == "function" and table.get_name() not in _COMPREHENSIONS:
        eager = False
    for symbol in table.get_symbols():
        name = symbol.get_name()
        if symbol.is_global() and symbol.is_assigned():
            found.sets.add(name)
        elif not symbol.is_referenced():
            continue
        elif symbol.is_global():
            (found.hints if kind == "annotation" else found.eager if eager else found.lazy).add(name)
    for child in table.get_children():
        _walk(child, found, eager=eager)


def _annotations(tree: ast.AST, found: Uses, postponed: bool) -> None:
    for node in ast.walk(tree):
        for one in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if not isinstance(one, ast.expr):
                continue
            if postponed:
                found.hints.update(_names(one))
            for text in ast.walk(one):
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    try:
                        found.hints.update(_names(ast.parse(text.value.strip(), mode="eval")))
                    except (SyntaxError, ValueError):  # `Literal["a b"]` is no annotation
                        continue


def _names(node: ast.AST) -> set[str]:
    found = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value.isidentifier():
            found.add(one.value)
    return found
