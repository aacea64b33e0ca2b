"""Installed packages made fit for an image: scripts that start with its Python, compiled files that are the same each time."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_LONGEST_SCRIPT = 1 << 20
# pip starts a script whose interpreter has too long a path (or one with spaces) by way of a shell.
_SHELL_START = re.compile(rb"\A#!/bin/sh\n'''exec' .*python.*\n' '''\n")
_PLAIN_START = re.compile(rb"\A#!.*python[^\n]*\n")


def tidy(folder: Path, final: str, python: str, compiled: bool, say: Callable[[str], None]) -> list[str]:
    """Put a folder of packages in order.

    Args:
        final: where it will be in the image.
        python: the path of the image's Python, for scripts.
        compiled: whether to compile, with this process's Python.

    Returns:
        Further folders (below `final`) that packages want to be importable, from their .pth files.
    """
    for cache in list(folder.rglob("__pycache__")):
        shutil.rmtree(cache)
    (folder / ".lock").unlink(missing_ok=True)
    _point_scripts(folder, python)
    more = _path_files(folder, final, say)
    if compiled and reproducible():
        _compile(folder, final, say)
    return more


def reproducible() -> bool:
    """Whether this Python writes the same compiled file each time. Before 3.11 the order within a frozen set was left to chance."""
    return sys.version_info >= (3, 11)


def _point_scripts(folder: Path, python: str) -> None:
    changed: dict[str, bytes] = {}
    scripts = folder / "bin"
    for path in sorted(scripts.iterdir()) if scripts.is_dir() else ():
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _LONGEST_SCRIPT:
            continue
        content = path.read_bytes()
        begin = _SHELL_START.match(content) or _PLAIN_START.match(content)
        new = f"#!{python}\n".encode() + content[begin.end() :] if begin else content
        if new != content:
            path.write_bytes(new)
            changed[path.name] = new
    if changed:
        for record in folder.glob("*.dist-info/RECORD"):
            _correct(record, changed)


def _correct(record: Path, changed: dict[str, bytes]) -> None:
    """The list of a package's files with the hashes of its scripts as they are now."""
    rows = list(csv.reader(io.StringIO(record.read_text(encoding="utf-8"), newline="")))
    touched = False
    for row in rows:
        parent, _, name = row[0].rpartition("/") if row else ("", "", "")
        if (
            len(row) == 3
            and row[1]
            and name in changed
            and parent.rsplit("/", 1)[-1] == "bin"
            and (parent == "bin" or parent.startswith(".."))
        ):
            digest = base64.urlsafe_b64encode(hashlib.sha256(changed[name]).digest()).rstrip(b"=").decode()
            row[1:] = [f"sha256={digest}", str(len(changed[name]))]
            touched = True
    if touched:
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows(rows)
        record.write_bytes(out.getvalue().encode())


def _path_files(folder: Path, final: str, say: Callable[[str], None]) -> list[str]:
    """What .pth files ask for. Python reads them in its own folders only, so folders go onto PYTHONPATH; code in them is not executed."""
    more: list[str] = []
    for path in sorted(folder.glob("*.pth")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            text = line.strip()
            if text.startswith(("import ", "import\t")):
                say(f"{path.name}: the code in it is not executed when Python starts")
            elif text and not text.startswith("#") and ":" not in text and (folder / text).is_dir():
                more.append(f"{final}/{text}")
    return more


def _compile(folder: Path, final: str, say: Callable[[str], None]) -> None:
    """Compiled files that hold no date and name their sources by the path in the image; errors (templates) are no concern of ours."""
    say("compiling the packages")
    command = [
        sys.executable, "-I", "-S", "-m", "compileall", "-qq", "--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", final, str(folder),
    ]  # fmt: skip
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
