"""Local modules that code imports, and those that they import: found by reading, not by importing."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from .handler import parse
from .places import is_installed
from .tree import Tree


def has_relative_import(text: str, path: str) -> bool:
    """Whether a module imports from beside itself (`from . import x`).

    Raises:
        SourceError: on a syntax error.
    """
    return any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(parse(text, path)))


def absolute(node: ast.ImportFrom, package: str) -> str:
    """The module that `from … import` names, a relative one resolved in `package`."""
    if not node.level:
        return node.module or ""
    parts = package.split(".") if package else []
    base = parts[: len(parts) - (node.level - 1)] if node.level > 1 else parts
    return ".".join([*base, *([node.module] if node.module else [])])


def imported(tree: ast.AST, package: str) -> Iterator[str]:
    """The full names of all that may be a module among what a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, package)
            if base:
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            name = node.args[0].value
            if called in ("import_module", "__import__") and all(part.isidentifier() for part in name.split(".")):
                yield name


class Modules:
    """Puts the local modules that code imports into a tree.

    Args:
        tree: what they are put into.
        folders: where local modules are looked for; None for everywhere that Python looks, less what is installed.
    """

    def __init__(self, tree: Tree, folders: Sequence[Path] | None = None) -> None:
        self._tree = tree
        self._folders = None if folders is None else [str(folder) for folder in folders]
        self._specs: dict[str, ModuleSpec | None] = {}
        self._done: set[str] = set()

    def follow(self, text: str, path: str, module: str) -> None:
        """Add what the module with this text imports.

        Raises:
            SourceError: on a syntax error or beyond the limits.
        """
        package = module if path.endswith("__init__.py") else module.rpartition(".")[0]
        for name in imported(parse(text, path), package):
            self.add(name)

    def add(self, name: str) -> bool:
        """Add a module if it is local, with the packages it is in and what they import. Tells whether it is local.

        Raises:
            SourceError: as `follow`.
        """
        spec = self._find(name)
        if spec is None:
            return False
        if name in self._done:
            return True
        self._done.add(name)
        parent = name.rpartition(".")[0]
        if parent:
            self.add(parent)
        if spec.origin and spec.origin.endswith(".py"):
            inside = name.replace(".", "/") + ("/__init__.py" if spec.submodule_search_locations is not None else ".py")
            data = Path(spec.origin).read_bytes()
            if inside not in self._tree:
                self._tree.add(inside, data)
            text = self._tree.files.get(inside)
            self.follow(data.decode("latin-1") if text is None else text, inside, name)
        return True

    def _find(self, name: str) -> ModuleSpec | None:
        if name not in self._specs:
            self._specs[name] = self._look(name)
        return self._specs[name]

    def _look(self, name: str) -> ModuleSpec | None:
        parent, _, _ = name.rpartition(".")
        if parent:
            above = self._find(parent)
            places = None if above is None else above.submodule_search_locations
            return None if places is None else _quiet(PathFinder.find_spec, name, list(places))
        if name == "__main__":
            return None
        if self._folders is not None:
            return _quiet(PathFinder.find_spec, name, self._folders)
        spec = None
        for finder in sys.meta_path:  # an editable install has a finder of its own; none of them executes the module
            find = getattr(finder, "find_spec", None)
            spec = _quiet(find, name, None) if find else None
            if spec is not None:
                break
        if spec is None:
            spec = getattr(sys.modules.get(name), "__spec__", None)  # its folder has left sys.path meanwhile
        if spec is None:
            return None
        file = spec.origin
        if not file and spec.submodule_search_locations:
            file = next(iter(spec.submodule_search_locations)) + "/__init__.py"
        return None if is_installed(name, file) else spec


def _quiet(find: object, name: str, places: list[str] | None) -> ModuleSpec | None:
    try:
        found = find(name, places)  # type: ignore[operator]
    except Exception:  # a finder that cannot say
        return None
    return found if isinstance(found, ModuleSpec) else None
