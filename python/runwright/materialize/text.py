"""Text and bytes as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

from .base import Materializer


class Text(Materializer):
    """A str too long to be inline: UTF-8, no translation of newlines."""

    kind, format = "text", "txt"

    def handles(self, value: Any) -> bool:
        return type(value) is str

    def write(self, value: Any, path: str) -> Dict[str, Any]:
        # surrogatepass: file names that are not UTF-8 are str with lone surrogates, and shall come back.
        Path(path).write_bytes(value.encode("utf-8", "surrogatepass"))
        return {}

    def read(self, path: str, descriptor: Dict[str, Any]) -> Any:
        return Path(path).read_bytes().decode("utf-8", "surrogatepass")


MATERIALIZER = Text()
