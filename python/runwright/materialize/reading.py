"""`read`: a descriptor becomes the value again."""

# os.path and not pathlib, whose import costs milliseconds in every run
# ruff: noqa: PTH100, PTH110, PTH113, PTH118, PTH122, PTH202

from __future__ import annotations

import os

from . import registry, values
from .errors import MaterializeFailed, first_line, passes

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

_ENDINGS = {".ndjson": "jsonl", ".pq": "parquet", ".pickle": "pickle", ".pkl": "pickle", ".pth": "pt"}
_TABLES = ("csv", "jsonl", "ndjson")


def read(descriptor: dict[str, Any], base: str) -> Any:
    """The value that `descriptor` describes.

    Args:
        descriptor: from `write`; or of a file from elsewhere, where `path` suffices and `format` (else the extension) decides: tables
            become a frame of the first of pandas, polars, pyarrow that is installed, files of unknown formats a `pathlib.Path`.
        base: the folder that a relative `path` is relative to.

    Raises:
        MaterializeFailed: the file is gone, was changed or damaged, needs a library that is not here, or another Python.
        OSError: it may not be read.
    """
    try:
        if descriptor.get("type") == "value":
            plain = descriptor.get("value")
            return values.decode(plain) if descriptor.get("format") == "tagged" else plain
        path = locate(descriptor, base)
        return _read(descriptor, path)
    except BaseException as error:
        # pyarrow calls damage an OSError too, but one without a number.
        if passes(error) or (isinstance(error, OSError) and error.errno is not None):
            raise
        label = descriptor.get("path") or "value"
        if type(error).__name__ == "MaterializeFailed":
            message, cure = getattr(error, "message", str(error)), getattr(error, "cure", None)
            raise MaterializeFailed(f"{label}: {message}", cure) from error
        raise MaterializeFailed(
            f"{label}: cannot be read as {file_format(descriptor)} ({first_line(error)})", "check that the file is whole and of that format"
        ) from error


def locate(descriptor: dict[str, Any], base: str) -> str:
    """The absolute path of the file.

    Raises:
        MaterializeFailed: there is none, or it is not the one that was written (by its size; a digest would mean reading all of it).
    """
    path = descriptor.get("path")
    if not path:
        raise MaterializeFailed("the descriptor has neither a value nor a path", "download it first")
    full = os.path.abspath(os.path.join(os.fspath(base), path))
    if not os.path.exists(full):
        raise MaterializeFailed(
            f"there is no file at {full!r}", "it was removed or is on another machine: run the function again, or download it"
        )
    size = descriptor.get("size")
    if size is not None and os.path.isfile(full) and os.path.getsize(full) != size:
        raise MaterializeFailed(
            f"the file has {os.path.getsize(full)} bytes, but {size} were written", "it was changed or cut short: run the function again"
        )
    return full


def file_format(descriptor: dict[str, Any]) -> str:
    """The format, by the descriptor or else by the file's extension."""
    form = descriptor.get("format")
    if not form:
        ending = os.path.splitext(descriptor.get("path") or "")[1].lower()
        form = _ENDINGS.get(ending, ending[1:])
    return str(form)


def _read(descriptor: dict[str, Any], path: str) -> Any:
    form, kind = file_format(descriptor), descriptor.get("kind")
    table = form in _TABLES or (form == "json" and descriptor.get("type") == "dataitem")
    if table and kind not in ("file", "folder") and not descriptor.get("materializer"):
        from . import frames

        return frames.of_any(path, form)
    # A file from elsewhere in a format without a reader is itself the value.
    if not descriptor.get("of") and not descriptor.get("materializer") and not any(form in b.formats for b in registry.BUILTINS):
        descriptor = {**descriptor, "kind": "folder" if kind == "folder" else "file"}
    return registry.reader(descriptor, form).read(path, descriptor)
