"""The runs that one waits for, and what is known of them at each moment."""

from __future__ import annotations

import time
from typing import Any

from .._engine import engine
from ..records import is_awaited

Record = dict[str, Any]
# Seconds of each tick that may go into looking at runs, so that ten thousand cost no more than ten.
BUDGET = 0.02
LOG_LINES = 5


class Watched:
    """The newest records, in place, in the list that was given.

    Attributes:
        records: all. began: when the wait began (monotonic). going: the places of those that are waited for still, in order.
        counts: how many are in each state.
    """

    def __init__(self, records: list[Record], began: float) -> None:
        self.records = records
        self.began = began
        self.counts: dict[str, int] = {}
        self.going: list[int] = []
        for place, record in enumerate(records):
            self.counts[record["state"]] = self.counts.get(record["state"], 0) + 1
            if is_awaited(record):
                self.going.append(place)
        self._next = 0
        self._logs: dict[str, tuple[int, list[str]]] = {}

    def wait(self, seconds: float) -> None:
        """Wait so long for one after another, then see how the others are. Returns early only when there is nothing to wait for any more."""
        until = time.monotonic() + seconds
        for place in self.going:
            if is_awaited(self.records[place]):
                left = until - time.monotonic()
                if left <= 0:
                    break
                self._take(place, engine().wait(self.records[place]["id"], left).wait())
        self._look()
        self.going = [place for place in self.going if is_awaited(self.records[place])]

    def log_tail(self, record: Record) -> list[str]:
        """The last lines of its log; only what is new is read."""
        start, lines = self._logs.get(record["id"], (0, []))
        new, start, _ = engine().log(record["id"], start, False).wait()
        lines = [*lines, *(line["m"] for line in new[-LOG_LINES:])][-LOG_LINES:]
        self._logs[record["id"]] = (start, lines)
        return lines

    @property
    def ended(self) -> int:
        return len(self.records) - len(self.going)

    @property
    def failed(self) -> int:
        return self.counts.get("ERROR", 0) + self.counts.get("STOPPED", 0)

    def _look(self) -> None:
        """As many as the budget allows, going on where the last look ended: the oldest come first, as they are executed."""
        until = time.monotonic() + BUDGET
        for _ in range(len(self.going)):
            self._next %= len(self.going)
            place = self.going[self._next]
            self._next += 1
            if is_awaited(self.records[place]):
                self._take(place, engine().wait(self.records[place]["id"], 0.0).wait())
            if time.monotonic() > until:
                break

    def _take(self, place: int, record: Record) -> None:
        before = self.records[place]["state"]
        self.counts[before] -= 1
        self.counts[record["state"]] = self.counts.get(record["state"], 0) + 1
        self.records[place] = record
