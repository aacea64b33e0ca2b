"""Classes and functions of the user's own code in a pickle, which names them only: their source travels in the descriptor, so that any
process reads the value. That of a run's code is `functions`, a module that neither the notebook nor another run has.

Where a name is there already, that is taken: the reader's own class before the one that was written.
"""

# os.path and not pathlib, whose import costs milliseconds in every run
# ruff: noqa: PTH118, PTH123

from __future__ import annotations

import mmap
import os
import sys
import types

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

MARK = "__runwright_code__"  # of the module that a run's handler is in: the folder of its code
_SOURCE = "__runwright_source__"  # of a module that was made here: its text
_LONGEST = 32 * 1024  # bytes of all sources of a value: they are part of its record
_KINDS = (type, types.FunctionType)
_modules: dict[str, types.ModuleType] = {}  # those that were made here; importable from then on, so that what is read can be pickled again
_IN_CLIENT = __name__.startswith("runwright.")  # the runner has a copy of this package


def named_in(path: str) -> dict[str, Any]:
    """The field `code` of the descriptor of a pickle that was written to `path`: module → source; nothing where it names no code of the user's own."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = dict(_candidates(lambda word: content.find(word.encode()) >= 0))
    short = sum(len(text.encode("utf-8", "replace")) for text in found.values()) <= _LONGEST
    return {"code": found} if found and short else {}


def read_with(code: Any, read: Callable[[], Any]) -> Any:
    """What `read` gives. Where it lacks a module or a name of `code`, it is tried again with what the sources define.

    Raises:
        ImportError, AttributeError: as `read`, or what a source imports is not here.
    """
    try:
        return read()
    except (ImportError, AttributeError):
        if not isinstance(code, dict) or not code:
            raise
        before, own = {name: sys.modules.get(name) for name in code}, _own()
        try:
            sys.modules.update({name: _StandIn(name, text, before[name], own) for name, text in code.items()})
            return read()
        finally:
            for name, module in before.items():
                _put(name, module or _modules.get(name))


class _StandIn(types.ModuleType):
    """A module while a pickle is read: the names that are here, else those of the source."""

    def __init__(self, name: str, text: str, real: types.ModuleType | None, own: types.ModuleType) -> None:
        super().__init__(name)
        self.__dict__.update(_text=text, _real=real, _own=own)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if hasattr(self._real, name):
            return getattr(self._real, name)
        known = vars(self._own).get(name)
        if isinstance(known, _KINDS) and known.__module__ == self._own.__name__:
            return known
        return getattr(_made(self.__name__, self._text), name)


def _own() -> types.ModuleType:
    """The module of the reader's own code: that of the run, or what the user works in."""
    return next((module for module in list(sys.modules.values()) if MARK in getattr(module, "__dict__", ())), sys.modules["__main__"])


def _made(name: str, text: str) -> types.ModuleType:
    """The module of a source; the same for the same text, so that two values read are of one class."""
    from zlib import crc32

    ending = "_%08x" % crc32(text.encode("utf-8", "replace"))
    unique = name if name.endswith(ending) else name.strip("_") + ending
    if unique not in _modules:
        module = types.ModuleType(unique)
        module.__dict__[_SOURCE] = text
        before, sys.modules[unique] = sys.modules.get(unique), module  # dataclasses look themselves up while they are made
        try:
            exec(compile(text, f"<{unique}>", "exec"), vars(module))  # noqa: S102 - as trusted as the pickle that comes with it
            _modules[unique] = module
        finally:
            _put(unique, before or _modules.get(unique))
    return _modules[unique]


def _put(name: str, module: types.ModuleType | None) -> None:
    if module is None:
        sys.modules.pop(name, None)
    else:
        sys.modules[name] = module


def _candidates(names: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """The modules of the user's own code that are named, with their texts."""
    for name, module in list(sys.modules.items()):
        if _SOURCE in getattr(module, "__dict__", ()) and names(name):
            yield name, module.__dict__[_SOURCE]
    if not _IN_CLIENT:
        yield from _of_run(names)
    elif names("__main__"):
        from ..capture.classes import text_of

        main = vars(sys.modules["__main__"])
        used = [value for name, value in main.items() if isinstance(value, _KINDS) and value.__module__ == "__main__" and names(name)]
        text = text_of(used)
        if text:
            yield "__main__", text


def _of_run(names: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    folder = getattr(_own(), MARK, None)
    if not folder:
        return
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.startswith(os.path.join(folder, "")) and names(name):
            with open(file, encoding="utf-8") as source:
                yield name, source.read()
