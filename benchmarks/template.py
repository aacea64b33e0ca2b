"""What the engine really writes: its schema, and the records of a run as they are inserted and as they end."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .measure import Worker


@dataclass(frozen=True)
class Template:
    """Attributes:
    schema: the statements that make it. columns: of a run's row, but the record, when it has ended. begin, end: the record, first and last.
    """

    schema: list[str]
    columns: dict[str, Any]
    begin: str
    end: str

    def write(self, folder: Path) -> None:
        """For `programs/sqlite_commits.py`."""
        (folder / "template.json").write_text(json.dumps(asdict(self)))


def take(worker: Worker, store: Path, verb: str) -> Template:
    """Let a worker make one run, and see what is written. The store is afterwards as it would have been."""
    worker.ask(verb)
    with closing(sqlite3.connect(store, timeout=60, isolation_level=None)) as database:
        schema = [sql for (sql,) in database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")]
        database.execute("CREATE TABLE bench_seen (record TEXT)")
        database.execute("CREATE TRIGGER bench_see AFTER INSERT ON runs BEGIN INSERT INTO bench_seen VALUES (new.record); END")
        worker.ask(verb)
        (begin,) = database.execute("SELECT record FROM bench_seen").fetchone()
        database.execute("DROP TRIGGER bench_see")
        database.execute("DROP TABLE bench_seen")
        database.row_factory = sqlite3.Row
        row = dict(database.execute("SELECT * FROM runs ORDER BY id DESC LIMIT 1").fetchone())
    end = row.pop("record")
    return Template(schema, row, begin, end)


def store_of(folder: Path) -> Path:
    """Where a worker in that folder keeps its store."""
    return folder / "runwright" / "runwright.db"
