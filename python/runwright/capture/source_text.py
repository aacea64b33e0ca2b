"""One text of source: where a function is in it, and its statements as they are written."""

from __future__ import annotations
import __future__

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_POSTPONED = __future__.annotations.compiler_flag
_MAGICS = frozenset(("time", "capture", "prun", "timeit"))


class Text:
    """A file, or a cell.

    Attributes:
        text (str), tree (ast.Module): the source and what it means.
        order (int): its place among the texts of its module.
        is_cell (bool): whether it is a cell of a notebook or a REPL.
    """

    def __init__(self, text: str, tree: ast.Module, order: int, is_cell: bool) -> None:
        self.text = text
        self.tree = tree
        self.order = order
        self.is_cell = is_cell
        self._lines = lines_of(text)
        self._functions: dict[int, list[FunctionNode]] | None = None
        self._parents: dict[ast.AST, ast.AST] | None = None

    @classmethod
    @lru_cache(maxsize=64)  # reading a long module costs more than all the rest
    def of(cls, text: str, order: int, is_cell: bool = False) -> Text | None:
        """None where the text is no Python (a cell that failed)."""
        text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        try:
            return cls(text, ast.parse(text), order, is_cell)
        except (SyntaxError, ValueError, RecursionError):
            return None

    def magic_bodies(self) -> Iterator[str]:
        """The code inside of `%%time` and its like."""
        for node in ast.walk(self.tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "run_cell_magic"
                and len(node.args) == 3
            ):
                name, _, body = node.args
                if (
                    isinstance(name, ast.Constant)
                    and name.value in _MAGICS
                    and isinstance(body, ast.Constant)
                    and isinstance(body.value, str)
                ):
                    yield body.value

    def parent(self, node: ast.AST) -> ast.AST | None:
        """What a node is directly in."""
        if self._parents is None:
            self._parents = {child: above for above in ast.walk(self.tree) for child in ast.iter_child_nodes(above)}
        return self._parents.get(node)

    def enclosing(self, node: ast.AST) -> list[ast.AST]:
        """The functions and classes around a node, innermost first."""
        found: list[ast.AST] = []
        above = self.parent(node)
        while above is not None:
            if isinstance(above, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
                found.append(above)
            above = self.parent(above)
        return found

    def function(self, code: CodeType) -> FunctionNode | None:
        """The one function or lambda that this code can have been compiled from."""
        if self._functions is None:
            self._functions = {}
            for node in ast.walk(self.tree):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                    line = node.lineno if isinstance(node, ast.Lambda) else first_line(node)
                    self._functions.setdefault(line, []).append(node)
        parameters = list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
        found = [
            node
            for node in self._functions.get(code.co_firstlineno, [])
            if code.co_name == getattr(node, "name", "<lambda>")
            and [arg.arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)] == parameters
        ]
        return found[0] if len(found) == 1 and _agrees(found[0], code) else None

    def segment(self, node: ast.stmt) -> str:
        """A statement as it is written, with the comments on its lines; a definition with its decorators; without its indentation."""
        start, end = first_line(node), node.end_lineno or node.lineno
        after = self._lines[end - 1].encode()[node.end_col_offset or 0 :].decode("utf-8", "replace").strip()
        before = self._lines[node.lineno - 1].encode()[: node.col_offset].decode("utf-8", "replace").strip()
        if before or (after and not after.startswith("#")):  # it shares its lines with others: `a = 1; b = 2`
            return (ast.get_source_segment(self.text, node) or ast.unparse(node)) + "\n"
        return dedent("".join(self._lines[start - 1 : end]))

    def without(self, node: Definition, removed: list[ast.expr]) -> str:
        """The segment of a definition without some of its decorators."""
        text = self.segment(node)
        if not removed:
            return text
        lines = lines_of(text)
        start = first_line(node)
        gone = {line - start for one in removed for line in range(one.lineno, (one.end_lineno or one.lineno) + 1)}
        return "".join(line for at, line in enumerate(lines) if at not in gone)


def _agrees(node: FunctionNode, code: CodeType) -> bool:
    """Whether code can be of this source: a file may have been edited since it was imported.

    Compared are names and constants. What a test runner or a debugger put into the code besides does not matter.
    """
    is_lambda = isinstance(node, ast.Lambda)
    body = ast.Expression(node) if isinstance(node, ast.Lambda) else ast.Module([node], [])
    try:
        made = compile(body, "<check>", "eval" if is_lambda else "exec", flags=code.co_flags & _POSTPONED, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):  # `nonlocal`, which needs what is around it
        return True
    inner = next((one for one in made.co_consts if isinstance(one, CodeType) and one.co_name == code.co_name), None)
    return inner is None or _content(inner) <= _content(code) | {("name", name) for name in code.co_freevars}


def _content(code: CodeType) -> set[tuple[str, object]]:
    found: set[tuple[str, object]] = {("name", name) for name in code.co_names if not name.startswith("__")}
    for one in code.co_consts:
        if isinstance(one, CodeType):
            found |= _content(one) | {("name", name) for name in one.co_freevars}
        elif isinstance(one, (str, int, float, bytes)) and not isinstance(one, bool):
            found.add((type(one).__name__, one))
    return found


def lines_of(text: str) -> list[str]:
    """The lines of Python source, with their ends. (`str.splitlines` ends a line at characters that may be in a string.)"""
    return [line for line in re.split(r"(?<=\n)", text) if line]


def first_line(node: ast.stmt | Definition) -> int:
    """The line that a statement starts at, its decorators included: the line that its code object has."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)])


def dedent(block: str) -> str:
    """Remove the indentation of the first line from all, except inside of strings that span lines."""
    lines = lines_of(block)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    margin = len(lines[0]) - len(lines[0].lstrip(" \t"))
    if not margin:
        return "".join(lines)
    inside = _inside_strings("if 1:\n" + "".join(lines))
    out = []
    for at, line in enumerate(lines):
        blank = line[:margin].strip(" \t\n") == ""
        out.append(line if at in inside or not blank else (line[margin:] or "\n"))
    return "".join(out)


def _inside_strings(text: str) -> set[int]:
    """The lines (of the block that starts after the first) that begin inside of a string."""
    inside: set[int] = set()
    starts: list[int] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            name = tokenize.tok_name[token.type]
            if name in ("FSTRING_START", "TSTRING_START"):
                starts.append(token.start[0])
            elif name in ("FSTRING_END", "TSTRING_END") and starts:
                inside.update(range(starts.pop() + 1, token.end[0] + 1))
            elif name == "STRING":
                inside.update(range(token.start[0] + 1, token.end[0] + 1))
    except (tokenize.TokenError, IndentationError):
        pass
    return {line - 2 for line in inside}
