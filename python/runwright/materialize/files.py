"""Writing one file so that it is there whole or not at all."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

from .errors import MaterializeFailed

_COUNTER = itertools.count()
_CHUNK = 1 << 20


def place(folder: str, file_name: str, fill: Callable[[str], Dict[str, Any]]) -> Tuple[str, Dict[str, Any]]:
    """Have `fill(path)` write a file under a temporary name, then rename it to `folder/file_name`.

    Returns:
        The final path and what `fill` returned, with `size` and `sha256`.

    Raises:
        Whatever `fill` raises; then neither the file nor a folder made for it is left.
    """
    made = _make(folder)
    # Keeps the extension: numpy and scipy append theirs where it is absent.
    temporary = os.path.join(folder, f".tmp-{os.getpid()}-{next(_COUNTER)}{os.path.splitext(file_name)[1][:32]}")
    final = os.path.join(folder, file_name)
    try:
        extra = fill(temporary)
        if not os.path.isfile(temporary) or os.path.islink(temporary):
            raise MaterializeFailed("its materializer did not write a file at the path it was given", "write exactly one file there")
        size, sha256 = digest(temporary)
        os.replace(temporary, final)
    except BaseException:
        _remove(temporary)
        for path in reversed(made):
            try:
                os.rmdir(path)
            except OSError:
                break
        raise
    return final, {"size": size, "sha256": sha256, **extra}


def digest(path: str) -> Tuple[int, str]:
    """Size and sha256 (hex) of a file."""
    hashed, size = hashlib.sha256(), 0
    with Path(path).open("rb", buffering=0) as file:
        while True:
            chunk = file.read(_CHUNK)
            if not chunk:
                return size, hashed.hexdigest()
            size += len(chunk)
            hashed.update(chunk)


def _make(folder: str) -> List[str]:
    """Create `folder`; the folders that were not there before, outermost first."""
    absent: List[str] = []
    path = os.path.abspath(folder)
    while not os.path.isdir(path) and os.path.dirname(path) != path:
        absent.append(path)
        path = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    return absent[::-1]


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
        return
    try:
        os.unlink(path)
    except OSError:
        pass
