"""A folder as a layer, the same bytes each time: names in order, one date, one owner, modes of two kinds."""

from __future__ import annotations

import gzip
import hashlib
import os
import posixpath
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .failures import ConfigError
from .image import Layer

# Beyond this, packing takes much longer and the layer hardly gets smaller (1 percent at half as much time again).
_LEVEL = 5
_COPY = 1 << 20


@dataclass(frozen=True)
class Entry:
    """One thing in a tree. `kind`: file, folder or link."""

    name: str
    kind: str
    path: Path
    executable: bool = False
    target: str = ""


def entries(root: Path, skip: frozenset[str] = frozenset()) -> Iterator[Entry]:
    """Everything below a folder, by name. What is called as in `skip` is left out, wherever it is.

    Raises:
        ConfigError: on links that lead out of the folder, and on what is neither file, folder nor link.
    """
    yield from _below(root, "", skip, root)


def _below(folder: Path, prefix: str, skip: frozenset[str], root: Path) -> Iterator[Entry]:
    with os.scandir(folder) as found:
        names = sorted(found, key=lambda entry: os.fsencode(entry.name))
    for item in names:
        if item.name in skip or ("__pycache__" in skip and item.name.endswith((".pyc", ".pyo"))):
            continue
        name, path = f"{prefix}{item.name}", Path(item.path)
        if item.is_symlink():
            target = os.fspath(path.readlink())
            if target.startswith("/") or f"{posixpath.normpath(posixpath.join(posixpath.dirname(name), target))}/".startswith("../"):
                raise ConfigError(f"code: {path} is a link that leads out of {root}", "put what it leads to into the folder")
            yield Entry(name, "link", path, target=target)
        elif item.is_dir(follow_symlinks=False):
            yield Entry(name, "folder", path)
            yield from _below(path, f"{name}/", skip, root)
        elif item.is_file(follow_symlinks=False):
            yield Entry(name, "file", path, executable=bool(item.stat(follow_symlinks=False).st_mode & stat.S_IXUSR))
        else:
            raise ConfigError(f"code: {path} is neither a file, a folder nor a link", "leave it out")


@dataclass(frozen=True)
class Packed:
    """A layer and where its bytes are."""

    layer: Layer
    path: Path
    files: int
    content: int


def pack(root: Path, inside: str, target: Path, *, epoch: int, what: str, skip: frozenset[str] = frozenset()) -> Packed:
    """Write a folder as a compressed layer.

    Args:
        inside: the absolute path that the folder has in the image. Folders above it are not part of the layer: the base's stay as they are.
        target: the file to write.
        epoch: the date of everything, in seconds.

    Raises:
        ConfigError: see `entries`. OSError: if there is no room.
    """
    files = content = 0
    with target.open("wb") as file:
        stored = _Hashing(file)
        # Neither name nor time in its head.
        compressed = gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=stored, mtime=0)
        plain = _Hashing(compressed)
        with tarfile.open(fileobj=plain, mode="w|", format=tarfile.PAX_FORMAT, bufsize=1 << 18, copybufsize=_COPY) as archive:  # type: ignore[call-overload]
            archive.addfile(_header(inside.strip("/"), tarfile.DIRTYPE, 0o755, epoch))
            for entry in entries(root, skip):
                name = f"{inside.strip('/')}/{entry.name}"
                if entry.kind == "folder":
                    archive.addfile(_header(name, tarfile.DIRTYPE, 0o755, epoch))
                elif entry.kind == "link":
                    header = _header(name, tarfile.SYMTYPE, 0o777, epoch)
                    header.linkname = entry.target
                    archive.addfile(header)
                else:
                    header = _header(name, tarfile.REGTYPE, 0o755 if entry.executable else 0o644, epoch)
                    with entry.path.open("rb") as source:
                        header.size = os.fstat(source.fileno()).st_size
                        archive.addfile(header, source)
                    files += 1
                    content += header.size
        compressed.close()
    layer = Layer(digest=stored.digest, size=stored.size, diff_id=plain.digest, what=what)
    return Packed(layer, target, files, content)


def _header(name: str, kind: bytes, mode: int, epoch: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.type, header.mode, header.mtime = kind, mode, epoch
    return header


class _Hashing:
    """Passes on what is written and knows its SHA-256 and length."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._seen = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._seen.update(data)
        self.size += len(data)
        self._inner.write(data)
        return len(data)

    def flush(self) -> None:
        self._inner.flush()

    @property
    def digest(self) -> str:
        return f"sha256:{self._seen.hexdigest()}"


def content_digest(root: Path, skip: frozenset[str]) -> str:
    """What names a tree's content: the SHA-256 of its names, kinds and contents. Raises as `entries` does."""
    whole = hashlib.sha256()
    for entry in entries(root, skip):
        head = [entry.name, entry.kind, str(entry.executable), entry.target]
        if entry.kind == "file":
            seen = hashlib.sha256()
            with entry.path.open("rb") as file:
                while piece := file.read(_COPY):
                    seen.update(piece)
            head.append(seen.hexdigest())
        whole.update("\0".join(head).encode("utf-8", "surrogateescape") + b"\1")
    return whole.hexdigest()
