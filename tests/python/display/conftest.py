"""Records made by hand: what is shown needs no run; and an engine of its own where one is needed."""

from __future__ import annotations

import copy

import pytest

ID = "01a20f94-7028-72f5-9b5e-1f9e7a6aa1ee"
RECORD = {
    "id": ID,
    "key": f"store://demo/run/python/{ID}",
    "project": "demo",
    "function": "train",
    "kind": "python",
    "version": "6ef4a52059b57b995ff1371dd34ada59b24c10d93aaa1356c8bec15452c289d9",
    "action": "job",
    "spec": {
        "parameters": {"depth": 9},
        "inputs": {},
        "resources": {},
        "envs": {},
        "secrets": {},
        "timeout": None,
        "retries": {"limit": 0, "delay": 1.0, "factor": 2.0, "max_delay": 300.0},
        "grace": 10.0,
        "labels": [],
        "map": None,
        "extra": {},
    },
    "backend": "local",
    "reference": {},
    "client": ID,
    "state": "COMPLETED",
    "history": [
        {"state": "CREATED", "time": "2026-07-24T22:01:56.008531Z"},
        {"state": "PENDING", "time": "2026-07-24T22:01:56.035393Z"},
        {"state": "RUNNING", "time": "2026-07-24T22:01:56.340489Z"},
        {"state": "COMPLETED", "time": "2026-07-24T22:01:57.160346Z"},
    ],
    "attempts": 1,
    "shape": "dict",
    "names": ["score", "n"],
    "results": {"n": 9, "score": 0.5},
    "outputs": {},
    "metrics": {"loss": [{"value": value, "time": "2026-07-24T22:01:56.473227Z"} for value in (1.0, 0.5, 0.25)]},
    "reads": [],
    "marks": {"call": 0.6, "import": 0.1, "outputs": 0.05},
    "phases": [
        {"name": "import", "start": "2026-07-24T22:01:56.400489Z", "seconds": 0.1},
        {"name": "call", "start": "2026-07-24T22:01:56.500489Z", "seconds": 0.6},
        {"name": "outputs", "start": "2026-07-24T22:01:57.100489Z", "seconds": 0.05},
    ],
    "seconds": 0.87,
    "provenance": {"python": "3.11.7"},
    "error": None,
    "cache_key": None,
    "log": None,
    "folded": 812,
    "created": "2026-07-24T22:01:56.008531Z",
    "updated": "2026-07-24T22:01:57.160346Z",
}
TRACEBACK = """Traceback (most recent call last):
  File "/home/me/.runwright/code/72f5cb3154c9de6421d2457b971160424eb371c07264645baf641ff7a07e8700/functions.py", line 2, in bad
    return pandas.read_csv(path)
  File "/usr/lib/python3/site-packages/pandas/io.py", line 700, in read_csv
    raise ValueError("no such column")
ValueError: no such column
"""


@pytest.fixture
def record():
    """`record(**changes)`: a completed run's record; a change of `parameters` or `inputs` is one of its spec."""

    def make(**changes):
        made = copy.deepcopy(RECORD)
        for part in ("parameters", "inputs", "map"):
            if part in changes:
                made["spec"][part] = changes.pop(part)
        made.update(changes)
        if "id" in changes:
            made["key"] = f"store://demo/run/python/{made['id']}"
        return made

    return make


@pytest.fixture
def failed(record):
    """`failed(**changes of its error)`: the record of a run that raised."""

    def make(**changes):
        error = {"cause": "UserError", "message": "no such column", "type": "ValueError", "traceback": TRACEBACK, "exit_code": 1}
        return record(state="ERROR", error={**error, **changes}, results={}, names=[], metrics={})

    return make


@pytest.fixture
def entity():
    """`entity(**changes)`: the record of a small table."""

    def make(**changes):
        spec = {
            "format": "parquet",
            "size": 2404,
            "rows": 3,
            "columns": 2,
            "of": "pandas.DataFrame",
            "schema": {"a": "int64", "b": "str"},
            "preview": {"columns": ["a", "b"], "rows": [[1, "x"], [2, "y"], [3, None]]},
        }
        key = f"store://demo/dataitem/table/clean:{ID}"
        made = {
            "project": "demo",
            "type": "dataitem",
            "kind": "table",
            "name": "clean",
            "id": ID,
            "key": key,
            "path": "/nowhere/data.parquet",
        }
        made |= {"spec": spec, "description": "", "labels": [], "metrics": {}, "producer": RECORD["key"]}
        return {**made, "created": RECORD["created"], "updated": RECORD["updated"], **changes}

    return make


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A home of its own for the engine of this process."""
    from runwright import _engine

    monkeypatch.setenv("RUNWRIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(_engine, "_settings", {})
    monkeypatch.setattr(_engine, "_engine", None)
    return tmp_path


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    """The same width everywhere, and no prompt."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delattr("sys.ps1", raising=False)
