"""Aligned columns that fit a width: first the widest are shortened, then the least important left out."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from .format import ELLIPSIS

if TYPE_CHECKING:
    from collections.abc import Callable

GAP = 2


class Column(NamedTuple):
    """A column: its heading and its cells, one line each.

    `rank`: 0 stays in any case, else the highest is left out first. `least`: how narrow it may become (None: it keeps its width).
    `paint` colours a padded cell.
    """

    head: str
    cells: list[str]
    right: bool = False
    rank: int = 0
    least: int | None = None
    paint: Callable[[str], str] | None = None


def width(text: str) -> int:
    """How many places it takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def fit(text: str, places: int) -> str:
    """The text in at most so many places."""
    if width(text) <= places:
        return text
    kept, used = [], 1
    for char in text:
        used += width(char)
        if used > places:
            break
        kept.append(char)
    return "".join(kept) + ELLIPSIS if places > 0 else ""


def table(columns: list[Column], places: int) -> list[str]:
    """The lines of a table, headings first; columns without any text are left out."""
    shown = [column for column in columns if any(column.cells)]
    natural = {id(column): max(map(width, [column.head, *column.cells])) for column in shown}
    while True:
        widths = [natural[id(column)] for column in shown]
        if _shrink(shown, widths, places) or not any(column.rank for column in shown):
            break
        shown.remove(max(shown, key=lambda column: column.rank))
    lines = [_line([fit(column.head, w) for column, w in zip(shown, widths, strict=True)], shown, widths, False)]
    rows = zip(*(column.cells for column in shown), strict=True)
    return lines + [_line([fit(cell, w) for cell, w in zip(cells, widths, strict=True)], shown, widths, True) for cells in rows]


def _shrink(columns: list[Column], widths: list[int], places: int) -> bool:
    """Narrow the widest columns until all fit; False where they cannot."""
    while sum(widths) + GAP * (len(widths) - 1) > places:
        able = [place for place, column in enumerate(columns) if column.least is not None and widths[place] > column.least]
        if not able:
            return False
        widths[max(able, key=lambda place: widths[place])] -= 1
    return True


def _line(cells: list[str], columns: list[Column], widths: list[int], painted: bool) -> str:
    parts = []
    for cell, column, places in zip(cells, columns, widths, strict=True):
        blank = " " * (places - width(cell))
        text = blank + cell if column.right else cell + blank
        parts.append(column.paint(text) if painted and column.paint is not None else text)
    return (" " * GAP).join(parts).rstrip()
