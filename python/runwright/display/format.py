"""Durations, sizes, numbers, times and values, as a person reads them."""

from __future__ import annotations

import math
import re
import reprlib
from typing import TYPE_CHECKING, Any

from .redact import clean, masked

if TYPE_CHECKING:
    from datetime import datetime

ELLIPSIS = "…"
TIMES = "\u00d7"
SYMBOLS = {"CREATED": "○", "PENDING": "◔", "RUNNING": "▶", "COMPLETED": "✓", "ERROR": "✗", "STOPPED": "■", "RESUME": "◔"}
# Colours and cursor movements of a terminal, and links, which some tools print even to a pipe.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def duration(seconds: float | None) -> str:
    """`140 ms`, `3.2 s` (`3 s` for a whole number), `2 min 5 s`, `3 h 12 min`, `2 d 3 h`; nothing for None."""
    if seconds is None:
        return ""
    if isinstance(seconds, int) and seconds < 60:
        return f"{max(0, seconds)} s"
    if seconds < 0.9995:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, above, below, lower in ((60, 3600, 1, ("min", "s")), (3600, 86400, 60, ("h", "min")), (86400, None, 3600, ("d", "h"))):
        if above is None or whole < above:
            rest = whole % unit // below
            return f"{whole // unit} {lower[0]}" + (f" {rest} {lower[1]}" if rest else "")
    raise AssertionError


def size(count: float | None) -> str:
    """`512 B`, `2.4 kB`, `1.2 GB`; nothing for None."""
    if count is None:
        return ""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 999.5 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def number(value: Any) -> str:
    """A metric's value: four digits that count."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return short(value, 24)
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e6 else f"{value:.4g}"


def moment(time: datetime) -> str:
    """Local time, to the second."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def ago(time: datetime) -> str:
    """`just now`, `5 min ago`, `3 h ago`, then the date."""
    from datetime import datetime, timezone

    seconds = (datetime.now(timezone.utc) - time).total_seconds()
    if seconds < 10:
        return "just now"
    if seconds < 60:
        return f"{seconds:.0f} s ago"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min ago"
    return f"{seconds // 3600:.0f} h ago" if seconds < 86400 else time.astimezone().strftime("%Y-%m-%d %H:%M")


class _Short(reprlib.Repr):
    def __init__(self, limit: int) -> None:
        super().__init__()
        self.fillvalue = ELLIPSIS  # of Python 3.11; before that it is three dots
        self.maxlevel = 4
        self.maxstring = self.maxother = self.maxlong = max(12, limit)
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = max(4, limit // 4)


def short(value: Any, limit: int = 60, name: str = "") -> str:
    """The value's repr in one line of at most `limit` characters; what may be a secret is hidden. Never raises.

    Args:
        name: of the parameter or result; one that is called `password` is not shown.
    """
    try:
        text = _Short(limit).repr(masked(value, name))
    except Exception:  # a repr of somebody else's
        text = f"<{type(value).__name__}>"
    return cut(one_line(text), limit)


def cut(text: str, limit: int) -> str:
    """The beginning of a text that is too long."""
    return text if len(text) <= limit else text[: max(0, limit - 1)] + ELLIPSIS


def one_line(text: Any) -> str:
    """Text in one line, without what moves a cursor, turns the direction of writing, or is a secret."""
    text = clean(_ANSI.sub("", str(text)))
    return text if text.isprintable() else " ".join("".join(char if char.isprintable() else " " for char in text).split())


def lines_of(text: str) -> list[str]:
    """The lines of a longer text; each harmless, with its indentation."""
    shown = clean(_ANSI.sub("", text)).expandtabs(4)
    return ["".join(char if char.isprintable() else " " for char in line).rstrip() for line in shown.splitlines()]


def short_ids(ids: list[str]) -> list[str]:
    """Enough of each id to tell them apart, and to give to `rw.attach`."""
    for length in (18, 23, 28, 32):
        cutted = [one[:length] for one in ids]
        if len(set(cutted)) == len(set(ids)):
            return cutted
    return ids


def count(number: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
