"""Writing one file so that it is there whole or not at all."""

# os.path and not pathlib, whose import costs milliseconds in every run
# ruff: noqa: PTH100, PTH103, PTH105, PTH106, PTH108, PTH112, PTH113, PTH114, PTH118, PTH120, PTH122, PTH123

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os

from .errors import MaterializeFailed

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any, Callable

_COUNTER = itertools.count()
_CHUNK = 1 << 20


def place(folder: str, file_name: str, fill: Callable[[str], dict[str, Any]]) -> tuple[str, dict[str, Any]]:
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
        with contextlib.suppress(OSError):  # not empty any more
            for path in reversed(made):
                os.rmdir(path)
        raise
    return final, {"size": size, "sha256": sha256, **extra}


def digest(path: str) -> tuple[int, str]:
    """Size and sha256 (hex) of a file."""
    hashed, size = hashlib.sha256(), 0
    with open(path, "rb", buffering=0) as file:
        while True:
            chunk = file.read(_CHUNK)
            if not chunk:
                return size, hashed.hexdigest()
            size += len(chunk)
            hashed.update(chunk)


def _make(folder: str) -> list[str]:
    """Create `folder`; the folders that were not there before, outermost first."""
    absent: list[str] = []
    path = os.path.abspath(folder)
    while not os.path.isdir(path) and os.path.dirname(path) != path:
        absent.append(path)
        path = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    return absent[::-1]


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        import shutil

        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        os.unlink(path)
