"""Text and bytes as they are."""

# os.path and not pathlib, whose import costs milliseconds in every run
# ruff: noqa: PTH123

from __future__ import annotations

from .base import Materializer

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any


class Text(Materializer):
    """A str too long to be inline: UTF-8, no translation of newlines."""

    kind, format = "text", "txt"

    def handles(self, value: Any) -> bool:
        return type(value) is str

    def write(self, value: Any, path: str) -> dict[str, Any]:
        # surrogatepass: file names that are not UTF-8 are str with lone surrogates, and shall come back.
        with open(path, "wb") as file:
            file.write(value.encode("utf-8", "surrogatepass"))
        return {}

    def read(self, path: str, descriptor: dict[str, Any]) -> Any:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "surrogatepass")


MATERIALIZER = Text()
