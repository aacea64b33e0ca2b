"""A file, a folder or an archive on this machine."""

from __future__ import annotations

import keyword
import os
from pathlib import Path
from typing import Any

from ..exceptions import InvalidError, SourceError
from .handler import check_handler, parse_handler
from .ignore import Ignore
from .tree import MAX_BYTES, Tree, is_skipped


def fetch_local(code_src: str, handler: str | None) -> dict[str, Any]:
    """The source of a path.

    Raises:
        SourceError: if it is not there, cannot be read, leads out of its folder or is beyond the limits.
        InvalidError: on a handler that it does not define.
    """
    path = Path(_path(code_src)).expanduser()
    try:
        if path.is_dir():
            tree = read_folder(path, code_src)
            return tree.source("folder", None if handler is None else check_handler(handler, tree.files), uri=code_src)
        data = _read(path, code_src)
    except OSError as error:
        raise SourceError(f"code_src: {code_src}: {error.strerror or error}", field="code_src", value=code_src, cure=_cure(path)) from None
    if path.suffix == ".zip":
        from .archive import unpack

        return unpack(data, code_src, handler, origin="zip")
    return one_file(path.name, data, handler, origin="file", uri=code_src, folder=path.parent)


def _path(code_src: str) -> str:
    if not code_src.lower().startswith("file://"):
        return code_src
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(code_src)
    if parts.netloc not in ("", "localhost"):
        raise InvalidError(
            "code_src: file:// names another machine", field="code_src", value=code_src, cure="write file:///path or the path"
        )
    return unquote(parts.path)


def _cure(path: Path) -> str | None:
    from .handler import close

    try:
        near = close(path.name, [one.name for one in path.parent.iterdir()])
    except OSError:
        near = None
    return near or f"paths are relative to {Path.cwd()}"


def _read(path: Path, code_src: str) -> bytes:
    if not path.is_file():
        if path.exists():
            raise SourceError(f"code_src: {code_src} is neither a file nor a folder", field="code_src", value=code_src)
        raise FileNotFoundError(2, "no such file or folder")
    size = path.stat().st_size
    if size > MAX_BYTES and path.suffix != ".zip":
        raise SourceError(
            f"code_src: {code_src}: more than {MAX_BYTES >> 20} MiB", field="code_src", value=size, cure="pass data as inputs"
        )
    return path.read_bytes()


def one_file(name: str, data: bytes, handler: str | None, *, origin: str, uri: str, folder: Path | None = None) -> dict[str, Any]:
    """The source of one file. A module gets a name that can be imported; those beside it that it imports come along.

    Raises:
        SourceError, InvalidError: as `fetch_local`.
    """
    tree = Tree(name)
    if handler is None:
        tree.add(name, data)
        return tree.source(origin, None, uri=uri)
    stem, dot, suffix = name.rpartition(".")
    if dot and suffix != "py":
        cure = "name a .py file, or leave the handler out"
        raise InvalidError(f"handler: {name} is no Python module", field="handler", value=handler, cure=cure)
    module = module_name(stem if dot else name)
    asked, function = parse_handler(handler)
    if asked and asked.replace(".", "/") + ".py" == name:
        module = asked
    path = module + ".py"
    tree.add(path, data)
    if folder is not None:
        inside = _with_siblings(tree, path, data, folder)
        if asked == module:
            handler = f"{inside}:{function}"
        module = inside
    return tree.source(origin, check_handler(handler, tree.files, main=module), uri=uri)


def _with_siblings(tree: Tree, path: str, data: bytes, folder: Path) -> str:
    """Add the modules of the file's own folder that it imports, and theirs. Gives its name: with relative imports, it is in its package."""
    from .modules import Modules, has_relative_import

    text = tree.files.get(path, "")
    package: list[str] = []
    root = folder.resolve()
    if has_relative_import(text, path):
        while (root / "__init__.py").is_file() and root.name.isidentifier():
            package.insert(0, root.name)
            root = root.parent
        if package:
            tree.files.clear()
            tree.size = 0
            path = "/".join([*package, path])
            tree.add(path, data)
    module = path.removesuffix(".py").replace("/", ".")
    Modules(tree, folders=[root]).follow(text, path, module)
    return module


def module_name(stem: str) -> str:
    """A file's name without its suffix, made into a name that can be imported: `my-train` → `my_train`."""
    name = "".join(c if c.isidentifier() or c.isdigit() else "_" for c in stem) or "functions"
    return f"_{name}" if name[0].isdigit() or keyword.iskeyword(name) else name


def read_folder(root: Path, name: str) -> Tree:
    """The files of a folder, without caches, environments and what `.runwrightignore` or `.gitignore` leaves out.

    Raises:
        SourceError: beyond the limits, or where a link leads out of the folder.
        OSError: where something cannot be read.
    """
    tree = Tree(name)
    root = root.resolve()
    ignore = Ignore.of_folder(root)
    for folder, folders, names in os.walk(root, onerror=_raise):
        at = Path(folder)
        base = at.relative_to(root).as_posix()
        prefix = "" if base == "." else base + "/"
        keep = [one for one in sorted(folders) if not is_skipped(f"{prefix}{one}/x") and not ignore.leaves_out(f"{prefix}{one}", True)]
        folders[:] = [one for one in keep if not (at / one / "pyvenv.cfg").exists() and not _is_outside(at / one, root, tree, prefix + one)]
        for one in sorted(names):
            path = prefix + one
            if is_skipped(path) or ignore.leaves_out(path, False):
                continue
            file = at / one
            if _is_outside(file, root, tree, path) or not file.is_file():
                continue
            tree.check_path(path)
            tree.room(file.stat().st_size)
            tree.add(path, file.read_bytes())
    return tree


def _raise(error: OSError) -> None:
    raise error


def _is_outside(path: Path, root: Path, tree: Tree, name: str) -> bool:
    """Whether a link to a folder is to be left alone; one that leads out is refused: it could bring anything of this machine along."""
    if not path.is_symlink():
        return False
    target = path.resolve()
    if target != root and root not in target.parents:
        raise SourceError(
            f"{tree.name}: the link {name!r} leads out of the folder", field="code_src", value=name, cure="copy what it points to"
        )
    return path.is_dir() or not target.exists()  # os.walk does not follow links to folders
