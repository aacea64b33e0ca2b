"""bytes, and files that are the value: a `pathlib.Path` to a file or a folder."""

# os.path and not pathlib, whose import costs milliseconds in every run
# ruff: noqa: PTH100, PTH112, PTH116, PTH119, PTH122

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from . import folder
from .base import Materializer
from .errors import MaterializeFailed

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any


class Bytes(Materializer):
    """bytes and bytearray, as `data.bin`."""

    kind, format = "file", "bin"

    def handles(self, value: Any) -> bool:
        return type(value) in (bytes, bytearray, memoryview)

    def write(self, value: Any, path: str) -> dict[str, Any]:
        Path(path).write_bytes(value)
        return {"of": "bytearray" if type(value) is bytearray else "bytes"}

    def read(self, path: str, descriptor: dict[str, Any]) -> Any:
        content = Path(path).read_bytes()
        return bytearray(content) if descriptor.get("of") == "bytearray" else content


class File(Materializer):
    """A path: the file is copied under its own name, a folder becomes a zip. Reads back as a `pathlib.Path` to the stored copy."""

    kind, format = "file", "bin"

    def handles(self, value: Any) -> bool:
        return isinstance(value, os.PathLike)

    def file_name(self, value: Any) -> str:
        path = os.path.abspath(os.fsdecode(value))
        name = os.path.basename(path) or "root"
        try:
            name.encode()
        except UnicodeEncodeError:  # not UTF-8, and the descriptor is
            name = name.encode("ascii", "replace").decode().replace("?", "_")
        if os.path.isdir(path):
            # Room for the ending: names end at 255 bytes.
            return name.encode()[:200].decode("utf-8", "ignore") + ".zip"
        # A leading dot marks what is not finished yet.
        return "_" + name[1:] if name.startswith(".tmp-") else name

    def write(self, value: Any, path: str) -> dict[str, Any]:
        source = os.path.abspath(os.fsdecode(value))
        try:
            mode = os.stat(source).st_mode
        except OSError as error:
            raise MaterializeFailed(
                f"there is no readable file at {source!r} ({error.strerror})",
                "write the file first, or give its path as text; a relative path is below the working directory",
            ) from error
        if stat.S_ISDIR(mode):
            return folder.write(source, path)
        if not stat.S_ISREG(mode):
            raise MaterializeFailed(f"{source!r} is neither a file nor a folder", "give the path of a regular file")
        try:
            with Path(source).open("rb"):
                pass
        except OSError as error:
            raise MaterializeFailed(f"{source!r} cannot be read ({error.strerror})", "make it readable") from error
        # Copied: a hard link would change with the original.
        shutil.copyfile(source, path)
        return {"format": os.path.splitext(source)[1][1:].lower() or "bin", "of": "pathlib.Path"}

    def read(self, path: str, descriptor: dict[str, Any]) -> Any:
        return folder.read(path, descriptor) if descriptor.get("kind") == "folder" else Path(path)


BYTES = Bytes()
FILE = File()
