"""The files of a version while they are gathered: where a path may lead, what is left out, how much is too much."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..exceptions import CaptureError, SourceError

MAX_BYTES = 8 * 1024 * 1024
MAX_FILES = 2_000

# Caches and environments say nothing about the function; the dot files at the end hold credentials.
SKIPPED_FOLDERS = frozenset(
    [
        "__pycache__",
        ".git",
        ".hg",
        ".svn",
        ".ipynb_checkpoints",
        ".venv",
        ".tox",
        ".nox",
        ".eggs",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".idea",
        ".vscode",
        "node_modules",
        "__MACOSX",
    ]
)
SKIPPED_FILES = frozenset([".DS_Store", "Thumbs.db", ".env", ".netrc", ".pypirc", ".git-credentials", ".coverage"])
SKIPPED_SUFFIXES = (".pyc", ".pyo")
ENVIRONMENT_MARK = "pyvenv.cfg"


def is_skipped(path: str) -> bool:
    """Whether a relative path with slashes is a cache, a version control folder or a file of credentials."""
    *folders, name = path.split("/")
    if name in SKIPPED_FILES or name.endswith(SKIPPED_SUFFIXES):
        return True
    return any(folder in SKIPPED_FOLDERS or folder.endswith(".egg-info") for folder in folders)


def environments(paths: Iterable[str]) -> tuple[str, ...]:
    """The folders, each with its slash, that are virtual environments."""
    return tuple(path[: -len(ENVIRONMENT_MARK)] for path in paths if path.endswith("/" + ENVIRONMENT_MARK))


class Tree:
    """Files by relative path, text where the bytes are UTF-8, base64 where not.

    Args:
        error (type): the class to raise (`SourceError`, or `CaptureError` for a live function).
        name (str): what the tree is made from, for messages. Holds no credentials.
    """

    def __init__(self, name: str, error: type[SourceError] | type[CaptureError] = SourceError) -> None:
        self.name = name
        self.files: dict[str, str] = {}
        self.binary: dict[str, str] = {}
        self.size = 0
        self._error = error
        self._folders: set[str] = set()

    def __contains__(self, path: str) -> bool:
        return path in self.files or path in self.binary

    def check_path(self, path: str) -> str:
        """`path` if it stays inside of the tree.

        Raises:
            SourceError: if it is absolute, climbs out, or is no name on every system.
        """
        parts = path.split("/")
        fault = None
        if not path or path.startswith("/") or (len(path) > 1 and path[1] == ":"):
            fault = "is absolute"
        elif "\\" in path:
            fault = "has a backslash"
        elif any(part in ("", ".", "..") for part in parts):
            fault = "climbs out of the tree or is not in its normal form"
        elif any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in path):
            fault = "has a character that no file name should have"
        elif len(path.encode()) > 1024 or any(len(part.encode()) > 255 for part in parts):
            fault = "is too long"
        if fault:
            cure = "make it again with plain relative paths (folder/file.py)"
            raise self._error(f"{self.name}: the path {path!r} {fault}", field="code_src", value=path, cure=cure)
        return path

    def room(self, size: int) -> None:
        """Refuse before reading what would not fit.

        Raises:
            SourceError: if one more file of `size` bytes is beyond the limits.
        """
        cure = "leave out what the code does not need (a .runwrightignore file, a smaller folder) and pass data as inputs"
        if self.size + size > MAX_BYTES:
            raise self._error(f"{self.name}: more than {MAX_BYTES >> 20} MiB of code", field="code_src", value=self.size + size, cure=cure)
        if len(self.files) + len(self.binary) >= MAX_FILES:
            raise self._error(f"{self.name}: more than {MAX_FILES:,} files", field="code_src", cure=cure)

    def add(self, path: str, data: bytes) -> None:
        """Add one file.

        Raises:
            SourceError: on a bad path, one that is there already, or when the limits are reached.
        """
        self.check_path(path)
        self.room(len(data))
        above = {path[:at] for at, c in enumerate(path) if c == "/"}
        if path in self or path in self._folders or any(folder in self for folder in above):
            raise self._error(f"{self.name}: the path {path!r} is there twice", field="code_src", value=path)
        self._folders |= above
        self.size += len(data)
        try:
            self.files[path] = data.decode("utf-8")
        except UnicodeDecodeError:
            from base64 import b64encode

            self.binary[path] = b64encode(data).decode("ascii")

    def source(self, origin: str, handler: str | None, *, uri: str | None = None, commit: str | None = None) -> dict[str, Any]:
        """The version's `source`; paths are sorted, so that the same code gives the same bytes."""
        return {
            "origin": origin,
            "uri": uri,
            "commit": commit,
            "handler": handler,
            "files": dict(sorted(self.files.items())),
            "binary": dict(sorted(self.binary.items())),
        }
