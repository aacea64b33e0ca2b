"""Fills a store that the engine made with very many runs, by SQL, equal in shape to what the engine writes."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .measure import Failed, Worker
from .template import Template, take

FUNCTIONS = ["train", *(f"step_{number:02}" for number in range(1, 20))]
INSERT = "INSERT INTO runs (id, project, function, state, cache_key, map, revision, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
# One every ten seconds, the last not long ago.
APART = 10_000
MAP = 100


@dataclass(frozen=True)
class Filled:
    """A filled store: bytes, bytes of a record on average, seconds that rows and indexes took."""

    store: Path
    templates: dict[str, Template]
    size: int
    record: float
    seconds: float
    indexing: float

    def verify(self) -> None:
        """The rows that the engine added meanwhile must have the shape of those inserted.

        Raises:
            Failed: they have not.
        """
        columns = "typeof(id), typeof(project), typeof(function), typeof(state), typeof(revision), typeof(record), length(id)"
        with closing(sqlite3.connect(self.store)) as database:
            shapes = set(database.execute(f"SELECT {columns} FROM (SELECT * FROM runs ORDER BY id DESC LIMIT 2000)"))
            newest = json.loads(database.execute("SELECT record FROM runs ORDER BY id DESC LIMIT 1").fetchone()[0])
            inserted = json.loads(
                database.execute("SELECT record FROM runs WHERE function = 'train' AND state = 'COMPLETED' LIMIT 1").fetchone()[0]
            )
        if len(shapes) != 1:
            raise Failed(f"the rows that were inserted have another shape than the engine's: {shapes}")
        if (
            newest["function"] == inserted["function"]
            or newest.keys() != inserted.keys()
            or newest["spec"].keys() != inserted["spec"].keys()
        ):
            raise Failed(f"the records that were inserted have other keys than the engine's: {newest.keys() ^ inserted.keys()}")


def templates(worker: Worker, store: Path) -> dict[str, Template]:
    """A run that completed and one that failed, each in its own process."""
    return {"COMPLETED": take(worker, store, "measured"), "ERROR": take(worker, store, "fail")}


def fill(store: Path, made: dict[str, Template], count: int) -> Filled:
    """Insert them. Indexes are made afterwards: the same file, sooner."""
    with closing(sqlite3.connect(store, isolation_level=None)) as database:
        database.executescript(
            "PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; PRAGMA temp_store = MEMORY;"
        )
        indexes = database.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'runs' AND sql IS NOT NULL"
        ).fetchall()
        _define(database)
        start = time.perf_counter()
        database.execute("BEGIN")
        for name, _ in indexes:
            database.execute(f"DROP INDEX {name}")
        database.executemany(INSERT, _rows(made, count))
        database.execute("COMMIT")
        rows = time.perf_counter()
        database.execute("BEGIN")
        for _, sql in indexes:
            database.execute(sql)
        database.execute("COMMIT")
        end = time.perf_counter()
        record = database.execute("SELECT AVG(LENGTH(record)) FROM (SELECT record FROM runs ORDER BY id DESC LIMIT 10000)").fetchone()[0]
        database.execute("PRAGMA journal_mode = WAL")
    return Filled(store, made, store.stat().st_size, record, rows - start, end - rows)


def add_open(filled: Filled, count: int) -> None:
    """Add runs that go on, on another machine."""
    project, text, placeholder = _pieces(filled.templates, FUNCTIONS[1], "RUNNING", mapped=False)
    record = json.loads(text)
    record["reference"]["host"] = "another"
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
    now = f"{int(time.time() * 1000):012x}"
    ids = [f"{now[:8]}-{now[8:]}-7fff-bfff-{number:012x}" for number in range(count)]
    with closing(sqlite3.connect(filled.store, timeout=60, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        database.executemany(INSERT, [(id, project, FUNCTIONS[1], "RUNNING", None, None, 1, text.replace(placeholder, id)) for id in ids])
        database.execute("COMMIT")


def _define(database: sqlite3.Connection) -> None:
    """The functions exist too: copies of the one that was run."""
    project, version, saved, text = database.execute("SELECT project, version, saved, record FROM functions WHERE name = 'f'").fetchone()
    for name in FUNCTIONS:
        record = json.dumps({**json.loads(text), "name": name}, separators=(",", ":"))
        database.execute(
            "INSERT INTO functions (project, name, version, saved, record) VALUES (?, ?, ?, ?, ?)", [project, name, version, saved, record]
        )


def _rows(made: dict[str, Template], count: int) -> Iterator[tuple[Any, ...]]:
    chance = random.Random(1)
    first = int(time.time() * 1000) - (count + 1) * APART
    texts: dict[tuple[str, str, bool], tuple[str, str, str]] = {}
    for at in range(count):
        state = chance.choices(("COMPLETED", "ERROR", "STOPPED"), (93, 6, 1))[0]
        function = chance.choice(FUNCTIONS)
        mapped = at // MAP % 5 == 0
        known = (function, state, mapped)
        if known not in texts:
            texts[known] = _pieces(made, *known)
        project, text, placeholder = texts[known]
        moment = f"{first + at * APART:012x}"
        id = f"{moment[:8]}-{moment[8:]}-7{at & 0xFFF:03x}-8{at >> 12 & 0xFFF:03x}-{chance.getrandbits(48):012x}"
        fan_out = f"{at // MAP:032x}" if mapped else None
        record = text.replace(placeholder, id)
        if fan_out is not None:
            record = record.replace("@MAP@", fan_out).replace('"@INDEX@"', str(at % MAP))
        yield id, project, function, state, None, fan_out, made["COMPLETED"].columns["revision"], record


def _pieces(made: dict[str, Template], function: str, state: str, mapped: bool) -> tuple[str, str, str]:
    """The project, the record as text with marks in it, and the id in it that others replace."""
    template = made["ERROR" if state == "ERROR" else "COMPLETED"]
    record = json.loads(template.end)
    record["function"] = function
    record["state"] = record["history"][-1]["state"] = state
    if mapped:
        record["spec"]["map"] = {"id": "@MAP@", "index": "@INDEX@", "of": MAP}
    return record["project"], json.dumps(record, separators=(",", ":"), ensure_ascii=False), record["id"]
