"""Progress in a notebook: one output of the cell, updated in place, which is one line at the end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .format import count, duration
from .html import run_html, run_line, runs_html
from .html.parts import header, muted, piece, share_bar
from .html.runs import runs_table, tallied
from .text import run_text

if TYPE_CHECKING:
    from .watched import Watched

Record = dict[str, Any]
# More runs than this are shown as a bar, with those that failed.
FEW = 20
_FAILED = 5
# Seconds between two updates in which nothing but the time has changed.
_PATIENCE = 1.0


class NotebookScreen:
    """The display is made at the first update, so that a wait that ends soon leaves no trace."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._seen: Any = None
        self._sent = 0.0

    def update(self, watched: Watched) -> None:
        tail = watched.log_tail(watched.records[0]) if len(watched.records) == 1 else []
        each = [(record["state"], record["updated"], record["folded"]) for record in watched.records[:FEW]]
        seen = (dict(watched.counts), list(tail), each)
        now = time.monotonic()
        if seen == self._seen and now - self._sent < _PATIENCE:
            return
        self._seen, self._sent = seen, now
        self._send(_page(watched, tail), _plain(watched))

    def close(self, watched: Watched, ended: bool) -> None:
        if self._handle is not None:
            self._send(_last_page(watched, ended), _plain(watched))

    def _send(self, html: str, text: str) -> None:
        from IPython.display import display

        bundle = {"text/html": html, "text/plain": text}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(bundle, raw=True)


def _page(watched: Watched, tail: list[str]) -> str:
    records = watched.records
    if len(records) == 1:
        return run_html(records[0], tail)
    if len(records) <= FEW:
        return runs_html(records)
    failed = _failed(records)
    return piece(_summary(watched), share_bar(watched.counts), runs_table(failed, []) if failed else "")


def _last_page(watched: Watched, ended: bool) -> str:
    """One line: whoever wants more looks at the runs themselves."""
    if len(watched.records) == 1:
        return run_line(watched.records[0])
    return piece(_summary(watched), "" if not watched.going or not ended else muted("they go on"))


def _summary(watched: Watched) -> Any:
    spent = duration(time.monotonic() - watched.began)
    return header(f"{watched.ended} of {count(len(watched.records), 'run')}", *tallied(watched.counts), muted(spent))


def _failed(records: list[Record]) -> list[Record]:
    found = []
    for record in records:
        if record["state"] == "ERROR":
            found.append(record)
            if len(found) == _FAILED:
                break
    return found


def _plain(watched: Watched) -> str:
    """For frontends without HTML."""
    if len(watched.records) == 1:
        return run_text(watched.records[0])
    return ", ".join(f"{number} {state}" for state, number in watched.counts.items() if number)
