"""Progress on a terminal, updated in place and gone at the end; and line by line, for logs of a build server and the like."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from ..records import FINAL
from . import facts, terminal
from .columns import fit
from .format import count, duration, one_line
from .terminal import painted, state

if TYPE_CHECKING:
    from .watched import Watched

Record = dict[str, Any]
# More runs than this are shown as one bar.
FEW = 8
_BAR = 24
# Seconds between two lines that say nothing new.
_PATIENCE = 10.0


class TerminalScreen:
    """A line for each of a few runs, a bar for many."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._colour = terminal.has_colour(stream)
        self._shown: list[str] = []

    def update(self, watched: Watched) -> None:
        places, height = _measure(self._stream)
        few = len(watched.records) <= min(FEW, height - 2)
        lines = [run_line(record, watched, places, self._colour) for record in watched.records] if few else [bar_line(watched, places)]
        if lines != self._shown:
            self._write(self._home() + "\n".join(lines))
            self._shown = lines

    def close(self, watched: Watched, ended: bool) -> None:
        if self._shown:
            self._write(self._home())
            self._shown = []

    def _home(self) -> str:
        """To the beginning of what is shown, which is then erased."""
        up = len(self._shown) - 1
        return "\r" + (f"\x1b[{up}A" if up > 0 else "") + "\x1b[J"

    def _write(self, text: str) -> None:
        self._stream.write(terminal.writable(text, self._stream))
        self._stream.flush()


class PlainScreen:
    """A line for each change, and now and then one that says that it goes on."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._seen: dict[str, str] = {}
        self._tenth = 0
        self._last = time.monotonic()

    def update(self, watched: Watched) -> None:
        due = time.monotonic() - self._last >= _PATIENCE
        if len(watched.records) <= FEW:
            for record in watched.records:
                going = record["state"] not in FINAL
                if self._seen.get(record["id"]) != record["state"] or (due and going):
                    self._seen[record["id"]] = record["state"]
                    self._say(run_line(record, watched, 200, False))
        elif due or 10 * watched.ended // len(watched.records) > self._tenth:
            self._tenth = 10 * watched.ended // len(watched.records)
            self._say(bar_line(watched, 200))

    def close(self, watched: Watched, ended: bool) -> None:
        if len(watched.records) <= FEW:
            self.update(watched)
        else:
            self._say(bar_line(watched, 200))

    def _say(self, text: str) -> None:
        self._last = time.monotonic()
        self._stream.write(terminal.writable(text, self._stream) + "\n")
        self._stream.flush()


def run_line(record: Record, watched: Watched, places: int, colour: bool) -> str:
    """`train.job ▶ RUNNING 12 s · loss=0.2 · epoch 5`."""
    parts = [elapsed(record)]
    if record["state"] == "RUNNING":
        parts += [f"{name}={value}" for name, value in list(facts.last_metrics(record).items())[:2]]
    parts += [facts.service(record), facts.notice(record)]
    if record["state"] in ("PENDING", "RUNNING"):  # before it runs: what installs its requirements prints
        parts += [one_line(line) for line in watched.log_tail(record)[-1:]]
    failure = facts.failure(record)
    if failure is not None:
        parts.append(f"{failure.cause}: {failure.message}")
    head = f"{facts.title(record)} {state(record['state'], False)} "
    # The name is coloured last: colours take no place.
    text = fit(head + " · ".join(part for part in parts if part), places)
    whole = state(record["state"], False)
    return text.replace(whole, painted(whole, record["state"], colour), 1)


def bar_line(watched: Watched, places: int) -> str:
    """`train.job ██████░░░░ 52/100 done · 2 failed · 4 running · 12 s`."""
    whole, ended, failed = len(watched.records), watched.ended, watched.failed
    names = {one_line(f"{record['function']}.{record['action']}") for record in watched.records[:50]}
    full = _BAR * ended // whole
    parts = [f"{ended}/{whole} done"]
    parts += [f"{failed} failed"] if failed else []
    parts.append(f"{watched.counts.get('RUNNING', 0)} running")
    spent = time.monotonic() - watched.began
    parts.append(duration(int(spent)) if spent >= 1 else "")
    name = names.pop() if len(names) == 1 else count(whole, "run")
    return fit(f"{name} {'█' * full}{'░' * (_BAR - full)} " + " · ".join(part for part in parts if part), places)


def elapsed(record: Record) -> str:
    """How long it took, has run so far, or has waited for its turn; whole seconds while it goes on."""
    from datetime import datetime, timezone

    from ..records import duration as seconds
    from ..records import parse_time

    took = seconds(record)
    if record["state"] in FINAL:
        return duration(took)
    if took is None:
        took = (datetime.now(timezone.utc) - parse_time(record["created"])).total_seconds()
        return f"waits for {duration(int(took))}" if took >= 1 else ""
    return duration(int(took)) if took >= 1 else ""


def _measure(stream: Any) -> tuple[int, int]:
    """Places in a line (one less than there are: a full line would wrap) and lines."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return 79, 24
    # Some pseudo-terminals have no size: zero.
    return max(20, (size.columns or 80) - 1), max(4, size.lines or 24)
