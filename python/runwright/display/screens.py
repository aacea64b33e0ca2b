"""Where progress is shown: in a notebook, on a terminal, line by line where that is asked for, or nowhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

from . import terminal

if TYPE_CHECKING:
    from .watched import Watched

Record = dict[str, Any]


class Screen(Protocol):
    """Something that shows runs while one waits for them."""

    def update(self, watched: Watched) -> None:
        """Show how they are now; called a few times a second."""

    def close(self, watched: Watched, ended: bool) -> None:
        """Leave a tidy place behind. `ended`: the wait did; else it was interrupted, or failed."""


def screen_for(records: list[Record], progress: bool | None) -> Screen | None:
    """The screen for what this process is connected to; None where nobody looks and nobody asked."""
    if in_notebook():
        from .notebook_screen import NotebookScreen

        return NotebookScreen()
    if terminal.is_terminal(sys.stderr):
        from .terminal_screen import TerminalScreen

        return TerminalScreen(sys.stderr)
    if progress:
        from .terminal_screen import PlainScreen

        return PlainScreen(sys.stderr)
    return None


def in_notebook() -> bool:
    """Whether a kernel of IPython runs this code; IPython is not imported to find out."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return getattr(shell, "kernel", None) is not None


def say(text: str) -> None:
    """Tell the person, if there is one."""
    if in_notebook():
        print(text)
    elif terminal.is_terminal(sys.stderr):
        print(terminal.writable(text, sys.stderr), file=sys.stderr, flush=True)
