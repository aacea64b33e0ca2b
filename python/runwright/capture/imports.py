"""The import statements of a captured module, each with only the names that are used."""

from __future__ import annotations

import ast
import re
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .modules import Modules, absolute
from .pieces import FIRST, Piece
from .source_text import lines_of
from .tree import Tree

if TYPE_CHECKING:
    from .collect import Collector
    from .scope import Binder

_RELATIVE = re.compile(r"^from\s*(?:\.\s*)+(?:(?!import\b)[\w.]+)?\s*")


class Imports:
    """Makes the pieces that import, and puts the files of local modules into the tree."""

    def __init__(self, collector: Collector, tree: Tree) -> None:
        self._to = collector
        self._package = collector.scope.package if "." in collector.scope.module or collector.scope.package else ""
        self.local = Modules(tree)
        self._used: dict[tuple[Any, ...], set[str]] = {}

    def module(self, name: str, module: ModuleType) -> None:
        """A name that stands for a module."""
        full = module.__name__
        found = [one for one in self._to.scope.binders(name) if isinstance(one.leaf, (ast.Import, ast.ImportFrom))]
        fitting = [one for one in found if self._imports(one.leaf, name, module)]
        for one in fitting:
            # `import a.b` and `import a.c` both bind `a`, and both submodules may be meant.
            if one is fitting[-1] or isinstance(one.leaf, ast.Import):
                self._statement(one, name)
        if fitting:
            return
        if sys.modules.get(full) is not module or full == "__main__":
            raise self._to.live(name, module)
        text = f"import {full}\n" if name == full else f"import {full} as {name}\n"
        self._to.pieces[("module", name)] = Piece(FIRST, text, "import", {name})

    def from_statement(self, name: str, value: Any, binder: Binder) -> bool:
        """A name that an import statement bound, if it still stands for what was imported."""
        if not isinstance(binder.leaf, (ast.Import, ast.ImportFrom)):
            return False
        if binder.leaf.names[0].name == "*":  # any of those may have brought it
            stars = self._to.scope.binders("*")
            binder = next((one for one in reversed(stars) if self._imports(one.leaf, name, value)), binder)
        if not self._imports(binder.leaf, name, value):
            return False
        self._statement(binder, name)
        return True

    def _imports(self, leaf: ast.stmt, name: str, value: Any) -> bool:
        if isinstance(leaf, ast.Import):
            bound = [alias for alias in leaf.names if _bound(leaf, alias) == name]
            return any(sys.modules.get(alias.name if alias.asname else name) is value for alias in bound)
        if isinstance(leaf, ast.ImportFrom):
            base = absolute(leaf, self._package)
            for alias in leaf.names:
                if (alias.asname or alias.name) == name or alias.name == "*":
                    attribute = name if alias.name == "*" else alias.name
                    found = getattr(sys.modules.get(base), attribute, None)
                    if found is value or sys.modules.get(f"{base}.{attribute}") is value:
                        return True
        return False

    def _statement(self, binder: Binder, name: str) -> None:
        """Add one name of an import statement."""
        leaf = binder.leaf
        assert isinstance(leaf, (ast.Import, ast.ImportFrom))
        if leaf is not binder.top and self._to.values.block(binder):
            return
        key = ("import", binder.text.order, leaf.lineno, leaf.col_offset)
        used = self._used.setdefault(key, set())
        used.add(name)
        starred = any(alias.name == "*" for alias in leaf.names)
        chosen = [alias for alias in leaf.names if (alias.asname or _bound(leaf, alias)) in used]
        if starred:
            chosen = [ast.alias(one) for one in sorted(used)]
        as_written = len(chosen) == len(leaf.names) and not starred and not getattr(leaf, "level", 0)
        text = binder.text.segment(leaf) if as_written else self._write(leaf, chosen)
        position = (binder.text.order, leaf.lineno, leaf.col_offset)
        self._to.pieces[key] = Piece(position, text, "import", set(used))

    def _write(self, leaf: ast.Import | ast.ImportFrom, chosen: list[ast.alias]) -> str:
        names = ", ".join(f"{one.name} as {one.asname}" if one.asname else one.name for one in chosen)
        if isinstance(leaf, ast.Import):
            return f"import {names}\n"
        return f"from {absolute(leaf, self._package)} import {names}\n"

    def without_relative(self, text: str) -> str:
        """A piece whose functions import from beside the module: from the captured one, they have to say where that is."""
        if "." not in text or "\0" in text:
            return text
        lines = lines_of(text)
        found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom) and node.level]
        for node in sorted(found, key=lambda node: (node.lineno, node.col_offset), reverse=True):
            raw = lines[node.lineno - 1].encode()
            before, after = raw[: node.col_offset].decode(), raw[node.col_offset :].decode()
            lines[node.lineno - 1] = before + _RELATIVE.sub(f"from {absolute(node, self._package)} ", after, count=1)
        return "".join(lines)

    def reference(self, name: str, value: Any) -> bool:
        """What is known by its own name in a module: `sqrt` → `from math import sqrt`."""
        module, qualname = getattr(value, "__module__", None), getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
        if (
            not isinstance(module, str)
            or not isinstance(qualname, str)
            or not qualname.isidentifier()
            or module in ("__main__", self._to.scope.module)
        ):
            return False
        if getattr(sys.modules.get(module), qualname, None) is not value:
            return False
        if module == "builtins":
            self._to.pieces[("builtin", name)] = Piece(FIRST, f"{name} = {qualname}\n", "assign", {name})
            return True
        text = f"from {module} import {qualname}\n" if name == qualname else f"from {module} import {qualname} as {name}\n"
        self._to.pieces[("reference", name)] = Piece(FIRST, text, "import", {name})
        return True

    def type_checking(self, name: str) -> None:
        """A name that is imported `if TYPE_CHECKING:` only."""
        for binder in reversed(self._to.scope.binders(name)):
            top, leaf = binder.top, binder.leaf
            if not isinstance(top, ast.If) or not isinstance(leaf, (ast.Import, ast.ImportFrom)):
                continue
            test = ast.unparse(top.test)
            root = test.partition(".")[0]
            if test.rpartition(".")[2] != "TYPE_CHECKING" or root not in self._to.scope.names:
                continue
            self._to.name(root, {})
            key = ("checking", *binder.position)
            used = self._used.setdefault(key, set())
            used.add(name)
            lines = ""
            for one in ast.walk(top):
                if isinstance(one, (ast.Import, ast.ImportFrom)):
                    chosen = [alias for alias in one.names if (alias.asname or _bound(one, alias)) in used]
                    lines += "    " + self._write(one, chosen) if chosen else ""
            self._to.pieces[key] = Piece(binder.position, f"if {test}:\n{lines}", "assign", set(used), eager={root})
            return


def _bound(leaf: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    return alias.asname or (alias.name.partition(".")[0] if isinstance(leaf, ast.Import) else alias.name)
