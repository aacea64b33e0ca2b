"""A run as a row of a data frame."""

from __future__ import annotations

from typing import Any

from .facts import value_of
from .redact import masked

Record = dict[str, Any]


def row(record: Record) -> Record:
    """What one compares runs by: `id, function, action, version, state, created, started, seconds`; `parameters.…`, `inputs.…`, `metrics.…`
    (the last value), `results.…`, `outputs.…` (keys); `error`, `message` and the key. The names are those of `run.diff`.
    """
    from ..records import duration, parse_time

    started = next((step["time"] for step in record["history"] if step["state"] == "RUNNING"), None)
    cells: Record = {
        "id": record["id"],
        "function": record["function"],
        "action": record["action"],
        "version": record["version"][:12],
        "state": record["state"],
        "created": parse_time(record["created"]),
        "started": parse_time(started) if started else None,
        "seconds": duration(record),
    }
    spec = record["spec"]
    cells.update({f"parameters.{name}": masked(value_of(value), name) for name, value in spec["parameters"].items()})
    cells.update({f"inputs.{name}": _input(given) for name, given in spec["inputs"].items()})
    cells.update({f"metrics.{name}": points[-1]["value"] for name, points in record["metrics"].items() if points})
    cells.update({f"results.{name}": masked(value_of(value), name) for name, value in record["results"].items()})
    cells.update({f"outputs.{name}": key for name, key in record["outputs"].items()})
    error = record.get("error") or {}
    cells["error"] = error.get("cause")
    cells["message"] = error.get("message")
    cells["key"] = record["key"]
    return cells


def _input(given: Record) -> Any:
    if given["from"] == "run" and given.get("output"):
        return f"{given['run']}[{given['output']!r}]"
    return given.get("key") or given.get("run") or given.get("descriptor", {}).get("of")
