"""The raw cost of what an inline run writes: the same two commits, same schema, pragmas and sizes, by Python's sqlite3."""

import json
import sqlite3
import sys
import uuid
from pathlib import Path

from worker import serve

folder = Path(sys.argv[1])
template = json.loads((folder / "template.json").read_text())
database = sqlite3.connect(folder / "raw.db", isolation_level=None)
database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA mmap_size = 268435456; PRAGMA cache_size = -16000;")
for statement in template["schema"]:
    database.execute(statement)
columns = template["columns"]
names = [*columns, "record"]
INSERT = f"INSERT INTO runs ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) ON CONFLICT (id) DO NOTHING"
UPDATE = "UPDATE runs SET state = ?, revision = revision + 1, record = ? WHERE id = ? AND revision = ?"


def commits():
    """One run's."""
    row = {**columns, "id": str(uuid.uuid1()), "state": "RUNNING", "revision": 0}
    database.execute("BEGIN IMMEDIATE")
    database.execute(INSERT, [*row.values(), template["begin"]])
    database.execute("COMMIT")
    database.execute("BEGIN IMMEDIATE")
    database.execute(UPDATE, ["COMPLETED", template["end"], row["id"], 0])
    database.execute("COMMIT")


serve(commits=commits)
