"""Which Python is in an image, told from its layers' names alone: nothing of it is unpacked or executed."""

from __future__ import annotations

import gzip
import io
import json
import posixpath
import re
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .environment import PATH
from .failures import BaseImageError
from .image import Image
from .steady import Steady

_NAMED = re.compile(r"python3\.(\d+)$")
_MUSL = re.compile(r"(?:usr/)?lib/ld-musl-[^/]+\.so\.1$")
OLDEST = (3, 9)


@dataclass(frozen=True)
class Python:
    """The image's `python3`: its minor version (`3.11`), its path, and whether the C library is musl."""

    version: str
    path: str
    musl: bool = False


def find_python(place: Any, base: Image, say: Callable[[str], None], cache: str | None = None) -> Python:
    """The `python3` that a container of the image finds on its PATH.

    Args:
        place: where the image is.
        cache: a folder that remembers what was found, by the image's digest.

    Raises:
        BaseImageError: if there is none, it is too old, or the layers cannot be read. RegistryError, OSError.
    """
    kept = Path(cache, f"{base.document.digest[7:]}.json") if cache else None
    if kept is not None and kept.is_file():
        try:
            return Python(**json.loads(kept.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            pass  # half written or of another release: looked for again
    say(f"looking for Python in the base image ({len(base.layers)} layer{'s' if len(base.layers) != 1 else ''})")
    found = _resolve(_names(place, base), base.environment.get("PATH") or PATH, place.name)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(asdict(found)), encoding="utf-8")
    return found


class _Names:
    """What matters of a file system: files and links that are called like a Python, links among the folders, the C library."""

    def __init__(self) -> None:
        self.links: dict[str, str] = {}
        self.files: set[str] = set()
        self.musl = False

    def remove(self, path: str) -> None:
        """A layer took a file or folder away."""
        self.files = {name for name in self.files if name != path and not name.startswith(f"{path}/")}
        self.links = {name: to for name, to in self.links.items() if name != path and not name.startswith(f"{path}/")}


def _names(place: Any, base: Image) -> _Names:
    names = _Names()
    for layer in base.layers:
        kind = str(layer.get("mediaType"))
        if kind.endswith("zstd"):
            raise BaseImageError(
                f"the layers of {place.name} are compressed with zstd, which cannot be looked into here",
                "say which Python it has: `python`, e.g. {'version': '3.11', 'path': '/usr/local/bin/python3'}",
            )
        reader = Steady(place, layer["digest"])
        try:
            stream = io.BufferedReader(_Raw(reader), 1 << 18)
            packed = stream.peek(2)[:2] == b"\x1f\x8b"
            with tarfile.open(fileobj=gzip.GzipFile(fileobj=stream) if packed else stream, mode="r|") as archive:
                for entry in archive:
                    _note(names, entry)
        except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile) as error:
            raise BaseImageError(
                f"the layer {layer['digest']} of {place.name} cannot be read: {error}", "push the base image again"
            ) from None
        finally:
            reader.close()
    return names


def _note(names: _Names, entry: tarfile.TarInfo) -> None:
    path = posixpath.normpath(entry.name).lstrip("/")
    folder, _, name = path.rpartition("/")
    if name == ".wh..wh..opq":
        names.remove(folder)
    elif name.startswith(".wh."):
        names.remove(f"{folder}/{name[4:]}" if folder else name[4:])
    elif entry.issym():
        # A link may be a folder that leads to Pythons (/bin, /opt/venv/current).
        names.files.discard(path)
        names.links[path] = entry.linkname
        names.musl = names.musl or bool(_MUSL.match(path))
    elif name.startswith("python") and (entry.isreg() or entry.islnk()):
        names.links.pop(path, None)
        names.files.add(path)
    elif _MUSL.match(path):
        names.musl = True


class _Raw(io.RawIOBase):
    """A blob's reader as a raw stream."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._reader.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _resolve(names: _Names, search: str, shown: str) -> Python:
    for folder in search.split(":"):
        if not folder.startswith("/"):
            continue
        path = f"{folder.rstrip('/')}/python3"
        end = _follow(names, path)
        if end is None:
            continue
        version = _NAMED.search(end) or _version_beside(names, end)
        if version is None:
            raise BaseImageError(
                f"{shown} has {path}, but not which version it is in its name", "say it: `python`, e.g. {'version': '3.11'}"
            )
        if (3, int(version[1])) < OLDEST:
            raise BaseImageError(
                f"{shown} has Python 3.{version[1]}; Runwright needs 3.9 or later", "take a base image with a newer Python"
            )
        return Python(f"3.{version[1]}", path, names.musl)
    raise BaseImageError(f"{shown} has no python3 on its PATH ({search})", "take a base image with Python, e.g. python:3.13-slim")


def _follow(names: _Names, path: str) -> str | None:
    """Where a path ends, through links to files and folders; None where it does not exist."""
    for _ in range(40):
        parts, done = path.strip("/").split("/"), ""
        for number, part in enumerate(parts):
            done = f"{done}/{part}" if done else part
            if done in names.links:
                rest = "/".join(parts[number + 1 :])
                target = posixpath.join("/", posixpath.dirname(done), names.links[done], rest)
                path = posixpath.normpath(target)
                break
        else:
            return path if path.strip("/") in names.files else None
    return None


def _version_beside(names: _Names, path: str) -> re.Match[str] | None:
    """`python3` may be a file of its own, with `python3.11` in the same folder."""
    folder = posixpath.dirname(path).strip("/")
    beside = [match for name in names.files | set(names.links) if posixpath.dirname(name) == folder and (match := _NAMED.search(name))]
    return beside[0] if len(beside) == 1 else None
