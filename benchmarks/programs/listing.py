"""Listing runs of a large store: through `rw.runs`, through the engine alone, and by the same SQL through Python's sqlite3."""

import json
import os
import sqlite3
from pathlib import Path

from worker import serve

import runwright as rw
from runwright._engine import engine

LIMIT = 100
FILTERS = {
    "newest": {},
    "failed": {"function": "train", "state": "ERROR"},
    "completed": {"function": "train", "state": "COMPLETED"},
    "none": {"function": "train", "state": "PENDING"},
    "function": {"function": "train"},
    "state": {"state": "STOPPED"},
    "everywhere": {"function": "train", "project": "*"},
}
database = sqlite3.connect(Path(os.environ["RUNWRIGHT_HOME"], "runwright.db"), isolation_level=None)
database.executescript("PRAGMA mmap_size = 268435456; PRAGMA cache_size = -16000;")


@rw.function
def f(x: int) -> int:
    """One parameter, one metric, one result: as in `tracked.py`."""
    rw.log_metric("m", 1.0)
    return x


def inline():
    """A run beside a million others."""
    assert f.run(x=1, inline=True).result() == 1


def sql(filters):
    """The rows that the filters mean."""
    conditions = {"project": "default", **filters}
    if conditions["project"] == "*":
        del conditions["project"]
    where = " AND ".join(f"{name} = '{value}'" for name, value in conditions.items())
    return f"SELECT record FROM runs WHERE {where} ORDER BY id DESC LIMIT {LIMIT}"


def verify():
    """Whether what the engine gives is what the store holds, in both directions, and how many rows each filter finds."""
    found = {}
    for name, filters in FILTERS.items():
        records = [json.loads(text) for (text,) in database.execute(sql(filters))]
        assert [run.record for run in rw.runs(**filters, limit=LIMIT)] == records, name
        found[name] = len(records)
    return found


def verbs():
    """Three of each filter."""
    for name, filters in FILTERS.items():
        yield name, lambda filters=filters: len(rw.runs(**filters, limit=LIMIT))
        project = None if filters.get("project") == "*" else "default"
        rest = {key: value for key, value in filters.items() if key != "project"}
        yield f"engine_{name}", lambda project=project, rest=rest: len(engine().runs(project=project, limit=LIMIT, **rest).wait())
        yield f"sql_{name}", lambda filters=filters: len(database.execute(sql(filters)).fetchall())


serve(inline=inline, verify=verify, **dict(verbs()))
