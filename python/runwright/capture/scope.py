"""The source of a live module: one file, or the cells of a notebook in the order in which they were executed."""

from __future__ import annotations

import ast
import builtins
import linecache
import re
import sys
from types import CodeType
from typing import Any, NamedTuple

from .handler import bindings
from .safe import MISSING
from .source_text import FunctionNode, Text

_CELL = re.compile(r"^<ipython-input-|/ipykernel_\d+/|^<python-input-")


class Binder(NamedTuple):
    """A statement that binds a name: its text, the statement at the top level, and the one inside of it that binds."""

    text: Text
    top: ast.stmt
    leaf: ast.stmt

    @property
    def position(self) -> tuple[int, int, int]:
        return self.text.order, self.top.lineno, self.top.col_offset


class Scope:
    """A module: the live values of its names, and the statements that bound them."""

    def __init__(self, names: dict[str, Any], filename: str) -> None:
        self.names = names
        self.module = str(names.get("__name__", ""))
        package = names.get("__package__")
        self.package = package if isinstance(package, str) else self.module.rpartition(".")[0]
        self._texts: dict[str, Text | None] = {}
        self._cells: list[Text] = []
        if _CELL.search(filename) or (self.module == "__main__" and "__file__" not in names):
            self._cells = _cells()
        else:
            self.text(filename)
            if isinstance(names.get("__file__"), str):
                self.text(names["__file__"])
        self._binders: dict[str, list[Binder]] = {}
        for text in self.texts():
            for top in text.tree.body:
                for name, leaf in bindings([top]):
                    self._binders.setdefault(name, []).append(Binder(text, top, leaf))

    def texts(self) -> list[Text]:
        """The texts in order, each once."""
        files = {id(text): text for text in self._texts.values() if text is not None and not text.is_cell}
        return sorted([*self._cells, *files.values()], key=lambda text: text.order)

    def text(self, filename: str) -> Text | None:
        """The text that code says it was compiled from."""
        if filename not in self._texts:
            if not _CELL.search(filename):
                linecache.checkcache(filename)
            lines = linecache.getlines(filename, self.names)
            self._texts[filename] = self._known("".join(lines), filename) if lines else None
        return self._texts[filename]

    def _known(self, text: str, filename: str) -> Text | None:
        for one in [*reversed(self._cells), *self._texts.values()]:
            if one is not None and one.text.strip() == text.strip():
                return one
        order = 1 + max((one.order for one in self.texts()), default=0)
        return Text.of(text, order, is_cell=bool(_CELL.search(filename)))

    def value(self, name: str, env: dict[str, Any]) -> Any:
        """What a name means to a function with these closure variables; `MISSING` where it means nothing."""
        if name in env:
            return env[name]
        if name in self.names:
            return self.names[name]
        return getattr(builtins, name, MISSING)

    def binders(self, name: str) -> list[Binder]:
        """The statements that bound a name, the one that was executed last at the end."""
        return self._binders.get(name, [])

    def definition(self, code: CodeType) -> tuple[Text, FunctionNode] | None:
        """Where a function's code is in the source, if it is told apart there from any other."""
        text = self.text(code.co_filename)
        # `%%time` compiles its cell under a name without text; the cell itself is known.
        for one in [text] if text is not None else reversed(self._cells) if code.co_filename.startswith("<timed") else []:
            found = one.function(code)
            if found is not None:
                return one, found
        return None


def _cells() -> list[Text]:
    """The cells of IPython (or the inputs of a REPL that keeps them), each as it was executed."""
    sources: list[str] = []
    shell = _shell()
    if shell is not None:
        sources += [one for one in getattr(shell.history_manager, "input_hist_parsed", []) if isinstance(one, str)]
    seen = {one.strip() for one in sources}
    # Cells that were run without history are known to linecache only.
    for filename, entry in list(linecache.cache.items()):
        if _CELL.search(filename) and len(entry) == 4:
            text = "".join(entry[2])
            if text.strip() not in seen:
                seen.add(text.strip())
                sources.append(text)
    texts: list[Text] = []
    for order, source in enumerate(sources):
        cell = Text.of(source, order, is_cell=True)
        if cell is not None:
            texts.append(cell)
            texts += [inner for inner in (Text.of(body, order, is_cell=True) for body in cell.magic_bodies()) if inner is not None]
    return texts


def _shell() -> Any:
    if "IPython" not in sys.modules:
        return None
    get = getattr(sys.modules["IPython"], "get_ipython", None)
    return get() if get is not None else None
