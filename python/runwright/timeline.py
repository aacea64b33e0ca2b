"""The phases of a run, from its history and the runner's own marks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from .records import duration, parse_time

Record = dict[str, Any]
# The runner's marks, in the order in which they happen.
_MARKS = {"requirements": "requirements", "import": "import", "call": "user code", "outputs": "outputs"}


def timeline(record: Record) -> list[Record]:
    """`[{"phase": "queue", "start": datetime, "seconds": 0.01}, …]`."""
    steps = [step for step in record["history"] if not (step.get("message") or "").startswith("attempt ")]
    phases: list[Record] = []
    names = {"CREATED": "client", "PENDING": "queue", "RESUME": "queue"}
    for step, following in pairwise(steps):
        start = parse_time(step["time"])
        if step["state"] in names:
            phases.append(
                {"phase": names[step["state"]], "start": start, "seconds": (parse_time(following["time"]) - start).total_seconds()}
            )
        elif step["state"] == "RUNNING":
            phases.append({"phase": "run", "start": start, "seconds": duration(record) or 0.0})
            phases += [
                {"phase": f"  {_MARKS[mark]}", "start": None, "seconds": record["marks"][mark]}
                for mark in _MARKS
                if mark in record["marks"]
            ]
    return phases
