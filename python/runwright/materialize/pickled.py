"""Anything else: pickle, or cloudpickle for what plain pickle cannot do (lambdas, classes of `__main__`).

A pickle is read only by the Python minor version that wrote it: code in it (cloudpickle) crashes another interpreter rather than
failing, and classes of the standard library change between minors. So that is checked before a byte of it is loaded.
"""

# os.path and not pathlib, whose import costs milliseconds in every run
# ruff: noqa: PTH123

from __future__ import annotations

import io
import mmap
import pickle
import sys
import types

from . import sources
from .base import Materializer, type_name
from .errors import MaterializeFailed, disk_error, first_line, passes

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any, Callable

_PROTOCOL = 5  # of Python 3.8 and later
_INSTALL = "add 'cloudpickle' to `requirements` (pip install 'runwright[pickle]')"


def python_version() -> str:
    """The running interpreter as `3.11`."""
    return "%d.%d" % sys.version_info[:2]


class Pickle(Materializer):
    """Whatever pickles."""

    kind, format = "pickle", "pkl"

    def handles(self, value: Any) -> bool:
        return True

    def write(self, value: Any, path: str) -> dict[str, Any]:
        refuse(value)
        return {"format": "pickle", "python": python_version(), "note": "pickled", **dump(value, path)}

    def read(self, path: str, descriptor: dict[str, Any]) -> Any:
        check_python(descriptor)
        if descriptor.get("versions"):
            from .sklearn_ import check_versions

            check_versions(descriptor)
        with open(path, "rb") as file:
            return load(file, descriptor)


def dump(value: Any, path: str) -> dict[str, Any]:
    """Pickle to `path`; `{"by": "cloudpickle"}` where that was needed.

    Raises:
        MaterializeFailed: neither can.
        OSError: the disk.
    """
    reason = _try(pickle.dump, value, path)
    code = {} if reason is not None else sources.named_in(path)
    if reason is None and (code or not names_main(path)):
        return code
    try:
        import cloudpickle
    except ImportError:
        if reason is None:
            return {
                "note": "pickled; it may refer to classes of __main__, which must be there where it is read (cloudpickle is not installed)"
            }
        raise MaterializeFailed(*_why(value, reason, without=True)) from reason
    reason = _try(cloudpickle.dump, value, path)
    if reason is not None:
        raise MaterializeFailed(*_why(value, reason, without=False)) from reason
    return {"by": "cloudpickle"}


def _try(dump: Callable[..., Any], value: Any, path: str) -> BaseException | None:
    """Why `dump` cannot, or None where it could; what the disk says is raised."""
    try:
        with open(path, "wb") as file:
            dump(value, file, _PROTOCOL)
    except BaseException as error:
        if passes(error):
            raise
        disk = disk_error(error)
        if disk is not None:
            raise disk from error
        return error
    return None


def names_main(path: str) -> bool:
    """Whether a pickle refers to `__main__`, which is another module in the process that reads it."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(b"__main__") >= 0


def check_python(descriptor: dict[str, Any]) -> None:
    """Refuse what another Python pickled.

    Raises:
        MaterializeFailed: naming both versions.
    """
    written, here = descriptor.get("python"), python_version()
    if written and written != here:
        raise MaterializeFailed(
            f"it was pickled by Python {written} and cannot be read by Python {here}",
            f"read it with Python {written}, or keep a value that is not pickled (a data frame, an array, JSON values)",
        )


def load(file: Any, descriptor: dict[str, Any]) -> Any:
    """Unpickle from an open file.

    Raises:
        MaterializeFailed: a module it needs is not here, or it is damaged.
    """

    def read() -> Any:
        file.seek(0)
        return pickle.load(file)  # noqa: S301

    try:
        return sources.read_with(descriptor.get("code"), read)
    except (ImportError, AttributeError) as error:
        raise MaterializeFailed(
            f"it cannot be unpickled here ({first_line(error)})",
            "make the module that defines its class importable here, in the same version; or name the class in the function, "
            "such as in an annotation: it then travels with it",
        ) from error


def refuse(value: Any) -> None:
    """Say no to what is used up or bound to this process, even where pickle would do something with it.

    Raises:
        MaterializeFailed: with the cure for the type.
    """
    for kinds, what, cure in _REFUSED:
        if isinstance(value, kinds):
            raise MaterializeFailed(f"such a thing cannot be kept: {what}", cure)


_REFUSED: tuple[tuple[tuple[type, ...], str, str], ...] = (
    ((types.GeneratorType, map, filter, zip, types.AsyncGeneratorType), "it is used up as it is read", "make it a list: `list(…)`"),
    ((types.CoroutineType,), "it was never awaited", "await it: what it gives can be kept"),
    (
        (io.FileIO, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.TextIOWrapper),
        "it is an open file of this process",
        "close it and give its path as `pathlib.Path`, or what it holds",
    ),
)


def _why(value: Any, error: BaseException, without: bool) -> tuple[str, str]:
    """Message and cure for what does not pickle; `without`: cloudpickle was not there to try."""
    message = f"cannot be pickled ({first_line(error)})"
    if isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError):  # cloudpickle wraps it
        return message, "it is nested too deep: give it in a flat form"
    if without and not (isinstance(error, TypeError) and "cannot pickle" in str(error)):
        return message + ", and cloudpickle, which might, is not installed", _INSTALL
    return message, (
        "give plain data, a data frame, an array or a model instead; or leave out what belongs to this process "
        f"(locks, connections, open files, generators) by `__getstate__` of {type_name(value)}; or register a materializer"
    )


MATERIALIZER = Pickle()
