"""Waiting, with progress where somebody looks."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .._engine import engine
from ..exceptions import InvalidError
from ..records import FINAL, is_awaited

if TYPE_CHECKING:
    from .screens import Screen
    from .watched import Watched

Record = dict[str, Any]
# What ends within this time is not worth a display.
QUIET = 1.0
# Seconds between two updates.
TICK = 0.25


def waiting(records: list[Record], timeout: float | None, progress: bool | None) -> list[Record]:
    """Wait for all; gives the newest records, ended or not (after `timeout` seconds).

    Args:
        progress: True shows it in any case, False never, None where a person looks: in a terminal or a notebook.

    Raises:
        InvalidError: no such timeout. KeyboardInterrupt: Ctrl-C; the runs go on.
    """
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout >= 0):
        raise InvalidError(
            f"timeout={timeout!r} is not a number of seconds", field="timeout", value=timeout, cure="give 0 or more, or None"
        )
    records = list(records)
    now = time.monotonic()
    deadline = None if timeout is None else now + max(0.0, timeout)
    try:
        quick = progress is not False and _wait(records, deadline, now + QUIET)
        screen = None if progress is False or (quick and not progress) else _screen(records, progress)
        if screen is None:
            _wait(records, deadline, None)
        else:
            _show(records, deadline, screen, now)
    except KeyboardInterrupt:
        if progress is not False:
            _detached(records)
        raise
    return records


def _screen(records: list[Record], progress: bool | None) -> Screen | None:
    from .screens import screen_for

    return screen_for(records, progress)


def _wait(records: list[Record], deadline: float | None, until: float | None) -> bool:
    """Wait for one after another, in place: whoever has ended meanwhile (a service: answers) does so at once. Past `until` the rest is left.

    Returns:
        Whether all was waited for, be it past the deadline.
    """
    for place, record in enumerate(records):
        if not is_awaited(record):
            continue
        end = min((moment for moment in (deadline, until) if moment is not None), default=None)
        left = None if end is None else max(0.0, end - time.monotonic())
        records[place] = engine().wait(record["id"], left).wait()
        if until is not None and time.monotonic() >= until and (deadline is None or until < deadline):
            return not any(is_awaited(one) for one in records[place:])
    return True


def _show(records: list[Record], deadline: float | None, screen: Screen, began: float) -> None:
    """Wait for the first that goes on, look at some of the others, show it, and again."""
    from .watched import Watched

    watched = Watched(records, began)
    ended = False
    try:
        if watched.going:
            _update(screen, watched)
        while watched.going and (deadline is None or time.monotonic() < deadline):
            left = TICK if deadline is None else min(TICK, max(0.0, deadline - time.monotonic()))
            watched.wait(left)
            _update(screen, watched)
        ended = True
    finally:
        # Whatever is wrong with a display must not hide the end of a run.
        with suppress(Exception):
            screen.close(watched, ended)
    # Those that were not looked at lately.
    _wait(records, deadline, None)


def _update(screen: Any, watched: Watched) -> None:
    with suppress(Exception):
        screen.update(watched)


def _detached(records: list[Record]) -> None:
    """Say how to find them again."""
    with suppress(Exception):
        from .screens import say

        going = [record for record in records if record["state"] not in FINAL]
        if len(going) == 1:
            say(f"detached: the run goes on; attach again with rw.attach({going[0]['key']!r})")
        elif going:
            say(f"detached: {len(going)} runs go on; attach again with rw.attach({going[0]['key']!r}) and so on, or rw.runs(open=True)")
