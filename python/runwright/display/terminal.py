"""The terminal: how wide it is, whether it may be coloured, what it can write."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any

from .format import SYMBOLS, TIMES

_COLOURS = {"CREATED": "2", "PENDING": "33", "RUNNING": "36", "COMPLETED": "32", "ERROR": "31", "STOPPED": "35", "RESUME": "33"}
# For terminals and files that cannot write these characters.
_PLAIN = str.maketrans("✓✗▶■○◔…→·█░▏▎▍▌▋▊▉" + TIMES, "+x>#o.~>-#.||||###x")


def width() -> int:
    """Places in a line."""
    return max(40, shutil.get_terminal_size((120, 24)).columns)


def is_terminal(stream: Any) -> bool:
    """Whether a person looks at it, on something that can move its cursor."""
    try:
        return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"
    except Exception:  # a stream that is closed, or none
        return False


def has_colour(stream: Any) -> bool:
    """As `is_terminal`, unless NO_COLOR is set (https://no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def repr_has_colour() -> bool:
    """Only at a prompt: a script's repr may go to a log file even where its output is a terminal."""
    return hasattr(sys, "ps1") and has_colour(sys.stdout)


def state(name: str, colour: bool) -> str:
    """`✓ COMPLETED`."""
    return painted(f"{SYMBOLS.get(name, '?')} {name}", name, colour)


def painted(text: str, name: str, colour: bool) -> str:
    """Text in the colour of a state."""
    return f"\x1b[{_COLOURS.get(name, '0')}m{text}\x1b[0m" if colour else text


def dim(text: str, colour: bool) -> str:
    return f"\x1b[2m{text}\x1b[0m" if colour else text


def writable(text: str, stream: Any) -> str:
    """The text in what the stream's encoding can write."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return text.translate(_PLAIN).encode("ascii", "replace").decode()
    return text
