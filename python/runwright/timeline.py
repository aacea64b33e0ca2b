"""The phases of a run."""

from __future__ import annotations

from typing import Any

from .records import parse_time

Record = dict[str, Any]


def timeline(record: Record) -> list[Record]:
    """`[{"phase": "queue", "start": datetime, "seconds": 0.01}, …]`, in order, without overlap; of a run that goes on, until now."""
    from . import _core

    return [{"phase": part["name"], "start": parse_time(part["start"]), "seconds": part["seconds"]} for part in _core.timeline(record)]
