"""What tells two runs apart."""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]


class Differences(list[Record]):
    """`[{"path": "parameters.depth", "left": 5, "right": 8}, …]`; a table in a notebook."""

    def __init__(self, left: str, right: str, found: list[Record]) -> None:
        super().__init__(found)
        self.left = left
        self.right = right

    def __repr__(self) -> str:
        from .display.text import differences_text

        return differences_text(self)

    def _repr_html_(self) -> str:
        from .display.html import differences_html

        return differences_html(self)
