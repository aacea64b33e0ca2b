"""An annotation in source → the type of a signature, without importing anything."""

from __future__ import annotations

import ast
from collections.abc import Callable

from .types import ANY, CONTAINERS, NONE, SIMPLE, WRAPPERS, Type, container, entity, literal, union

Resolver = Callable[[str], "str | ast.expr | None"]
"""What a name is in full: `pd` → `pandas`. An expression where it is an alias of a type; None if it cannot be told."""


def type_of_text(text: str, resolve: Resolver) -> Type:
    """The type that an annotation in quotes means."""
    try:
        return type_of_node(ast.parse(text.strip(), mode="eval").body, resolve)
    except (SyntaxError, ValueError, RecursionError):
        return ANY


def type_of_node(node: ast.expr | None, resolve: Resolver, depth: int = 0) -> Type:
    """The type that an annotation means; any where it cannot be told."""
    if node is None or depth > 30:
        return ANY
    if isinstance(node, ast.Constant):
        if node.value is None:
            return NONE
        return type_of_text(node.value, resolve) if isinstance(node.value, str) else ANY
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return union(type_of_node(side, resolve, depth + 1) for side in (node.left, node.right))
    if isinstance(node, (ast.Name, ast.Attribute)):
        dotted = dotted_node(node, resolve)
        if isinstance(dotted, ast.expr):
            return type_of_node(dotted, resolve, depth + 1)
        return _named(dotted)
    if isinstance(node, ast.Subscript):
        return _generic(node, resolve, depth + 1)
    return ANY


def _generic(node: ast.Subscript, resolve: Resolver, depth: int) -> Type:
    dotted = dotted_node(node.value, resolve)
    if isinstance(dotted, ast.expr):
        return type_of_node(dotted, resolve, depth)
    arguments = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    name = (dotted or "").replace("typing_extensions.", "typing.")
    if name in WRAPPERS:
        return type_of_node(arguments[0], resolve, depth) if arguments else ANY
    if name == "typing.Literal":
        return _literal(arguments)
    if name == "typing.Optional":
        return union([type_of_node(node.slice, resolve, depth), NONE])
    if name == "typing.Union":
        return union(type_of_node(one, resolve, depth) for one in arguments)
    if name in CONTAINERS:
        given = [one for one in arguments if not (isinstance(one, ast.Constant) and one.value is Ellipsis)]
        return container(CONTAINERS[name], [type_of_node(one, resolve, depth) for one in given])
    return _named(dotted)


def _literal(arguments: list[ast.expr]) -> Type:
    try:
        return literal(ast.literal_eval(one) for one in arguments)
    except ValueError:
        return ANY


def _named(dotted: str | None) -> Type:
    if not dotted:
        return ANY
    if dotted.startswith("."):  # of the module itself, or from one beside it
        return {"type": "object", "name": dotted.lstrip(".")}
    dotted = dotted.replace("typing_extensions.", "typing.")
    if dotted in SIMPLE:
        return SIMPLE[dotted]
    if dotted in CONTAINERS:
        return container(CONTAINERS[dotted], [])
    if dotted.startswith("typing."):
        # `typing.Sequence` is, live, an alias of the class in collections.abc.
        from collections import abc

        name = dotted.removeprefix("typing.")
        return {"type": "object", "name": f"collections.abc.{name}"} if hasattr(abc, name) else ANY
    return entity(dotted) or {"type": "object", "name": dotted}


def dotted_node(node: ast.expr, resolve: Resolver) -> str | ast.expr | None:
    """The full dotted name of a name or an attribute."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    head = resolve(node.id)
    if not isinstance(head, str):
        return head if not names else None
    return ".".join([head, *reversed(names)])
