"""Unpack a zip that anyone may have made."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from typing import Any

from ..exceptions import InvalidError, SourceError
from .handler import check_handler, module_path, modules, parse_handler
from .tree import MAX_BYTES, Tree, environments, is_skipped

MAX_ARCHIVE = 64 * 1024 * 1024
_MAX_ENTRIES = 20_000
_MAX_RATIO = 250
_RATIO_FROM = 1024 * 1024


def unpack(data: bytes, uri: str, handler: str | None, *, origin: str) -> dict[str, Any]:
    """The source of an archive.

    Args:
        uri: where it came from, without credentials.

    Raises:
        SourceError: if it is damaged, encrypted, climbs out, explodes or is beyond the limits.
        InvalidError: on a handler that it does not hold.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = _files(archive, uri)
    except (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError, NotImplementedError, ValueError, OSError, RuntimeError) as error:
        if isinstance(error, InvalidError):
            raise
        raise _bad(uri, f"is no zip that can be read: {error}") from None
    tree = Tree(uri)
    for path, content in without_top(files, handler).items():
        tree.add(path, content)
    return tree.source(origin, None if handler is None else check_handler(handler, tree.files), uri=uri)


def _bad(uri: str, fault: str) -> SourceError:
    return SourceError(f"code_src: {uri} {fault}", field="code_src", value=uri, cure="make it again, as a plain zip of source files")


def _files(archive: zipfile.ZipFile, uri: str) -> dict[str, bytes]:
    entries = archive.infolist()
    if len(entries) > _MAX_ENTRIES:
        raise _bad(uri, f"has {len(entries):,} entries")
    tree = Tree(uri)
    for entry in entries:
        _check(entry, uri, tree)
    left_out = environments(entry.filename for entry in entries)
    chosen = [
        entry
        for entry in entries
        if not entry.is_dir() and not is_skipped(entry.filename) and not entry.filename.startswith(left_out or ("\0",))
    ]
    total = sum(entry.file_size for entry in chosen)
    if total > MAX_BYTES:
        cure = "leave data out of it and pass data as inputs"
        raise SourceError(f"code_src: {uri} unpacks to more than {MAX_BYTES >> 20} MiB", field="code_src", value=total, cure=cure)
    files: dict[str, bytes] = {}
    left = MAX_BYTES
    for entry in chosen:
        if entry.filename in files:
            raise _bad(uri, f"has the path {entry.filename!r} twice")
        with archive.open(entry) as stream:
            content = stream.read(left + 1)  # what the directory says of the size is only what its maker says
        left -= len(content)
        if left < 0:
            raise _bad(uri, f"unpacks to more than {MAX_BYTES >> 20} MiB")
        files[entry.filename] = content
    return files


def _check(entry: zipfile.ZipInfo, uri: str, tree: Tree) -> None:
    name = entry.filename
    if entry.orig_filename != name and "\0" in entry.orig_filename:
        raise _bad(uri, f"has a path with a zero byte: {entry.orig_filename!r}")
    tree.check_path(name.removesuffix("/"))
    if not entry.flag_bits & 0x800 and not name.isascii():
        raise _bad(uri, f"has a path that is not UTF-8: {name!r}")
    if entry.flag_bits & 0x1:
        raise _bad(uri, "is encrypted")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _bad(uri, f"has a link or a device: {name!r}")
    if entry.file_size > _RATIO_FROM and entry.file_size > _MAX_RATIO * max(entry.compress_size, 1):
        raise _bad(uri, f"explodes: {name!r} is packed {entry.file_size // max(entry.compress_size, 1)} times")


def without_top(files: dict[str, bytes], handler: str | None) -> dict[str, bytes]:
    """An archive of a repository has all in one folder. It is taken off where the handler does not name it."""
    tops = {path.partition("/")[0] for path in files}
    if len(tops) != 1 or any("/" not in path for path in files):
        return files
    top = f"{tops.pop()}/"
    if f"{top}__init__.py" in files:
        return files
    module = parse_handler(handler)[0] if handler else None
    names = dict.fromkeys(files, "")
    if module is not None and module_path(module, names) is not None:
        return files
    inner = {path.removeprefix(top): content for path, content in files.items()}
    if module is None or module_path(module, dict.fromkeys(inner, "")) is not None or not list(modules(names)):
        return inner
    return files
