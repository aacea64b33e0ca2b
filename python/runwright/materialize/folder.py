"""A folder as a zip that is the same bytes for the same content: sorted names, one date, no owner."""

# os.path and not pathlib, whose import costs milliseconds in every run
# ruff: noqa: PTH101, PTH104, PTH112, PTH114, PTH116, PTH118, PTH119, PTH120, PTH122, PTH202, PTH208

from __future__ import annotations

import atexit
import os
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path

from .errors import MaterializeFailed

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any, Iterator

_DATE = (1980, 1, 1, 0, 0, 0)


def write(source: str, path: str) -> dict[str, Any]:
    """Zip the folder `source` to `path`; descriptor fields.

    Raises:
        MaterializeFailed: it holds a link to a folder, a dangling link, a pipe or socket, or the place of the output itself.
    """
    if os.path.realpath(path).startswith(os.path.join(os.path.realpath(source), "")):
        raise MaterializeFailed(f"the folder {source!r} holds the place where outputs are written", "give a folder made for this")
    files = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for name, full, mode in _walk(source, ""):
            info = zipfile.ZipInfo(name, _DATE)
            info.create_system = 3  # Unix, wherever this runs: the mode is kept in the high half
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            if name.endswith("/"):
                archive.writestr(info, b"")
                continue
            files += 1
            info.file_size = os.path.getsize(full)  # lets zipfile choose 64-bit sizes
            with Path(full).open("rb") as file, archive.open(info, "w") as target:
                shutil.copyfileobj(file, target, 1 << 20)
    return {"kind": "folder", "format": "zip", "of": "pathlib.Path", "files": files}


def _walk(folder: str, prefix: str) -> Iterator[tuple[str, str, int]]:
    """(name in the zip, path, mode) of everything below `folder`, sorted."""
    for name in sorted(os.listdir(folder)):
        full = os.path.join(folder, name)
        try:
            mode = os.stat(full).st_mode
            name.encode()
        except FileNotFoundError as error:
            raise MaterializeFailed(f"{full!r} is a link to nothing", "remove it") from error
        except UnicodeEncodeError as error:
            raise MaterializeFailed(f"the name of {full!r} is not UTF-8", "rename it") from error
        if stat.S_ISDIR(mode):
            if os.path.islink(full):  # may lead out of the folder, or round in circles
                raise MaterializeFailed(f"{full!r} is a link to a folder", "copy what it leads to into the folder")
            yield f"{prefix}{name}/", full, stat.S_IFDIR | 0o755
            yield from _walk(full, f"{prefix}{name}/")
        elif stat.S_ISREG(mode):
            yield prefix + name, full, stat.S_IFREG | (0o755 if mode & stat.S_IXUSR else 0o644)
        else:
            raise MaterializeFailed(f"{full!r} is neither a file nor a folder", "remove it")


def read(path: str, descriptor: dict[str, Any]) -> Path:
    """The unpacked folder, beside the zip (unpacked once), or in a temporary folder that ends with this process where that is read-only."""
    name = os.path.splitext(os.path.basename(path))[0]
    target = os.path.join(os.path.dirname(path), f"{name}-{str(descriptor.get('sha256') or 'unpacked')[:12]}")
    if os.path.isdir(target) and descriptor.get("sha256"):
        return Path(target)
    try:
        temporary = tempfile.mkdtemp(prefix=".tmp-", dir=os.path.dirname(path))
    except OSError:
        temporary = target = tempfile.mkdtemp(prefix="runwright-")
        atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    try:
        _unpack(path, temporary)
        if target != temporary:
            os.chmod(temporary, 0o755)  # noqa: S103 (mkdtemp makes it private, a folder is not)
            if os.path.isdir(target):  # another reader was first, or an older one without a digest
                old = temporary + ".old"
                os.rename(target, old)
                shutil.rmtree(old, ignore_errors=True)
            os.rename(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return Path(target)


def _unpack(path: str, folder: str) -> None:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            parts = info.filename.replace("\\", "/").split("/")
            if info.filename.startswith("/") or ".." in parts or stat.S_ISLNK(info.external_attr >> 16):
                raise MaterializeFailed(
                    f"the zip holds {info.filename!r}, which leads out of the folder", "do not use it: it was not written here"
                )
            target = archive.extract(info, folder)
            if not info.is_dir() and (info.external_attr >> 16) & stat.S_IXUSR:
                os.chmod(target, 0o755)  # noqa: S103 (a program stays one)
