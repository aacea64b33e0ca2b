"""A map of a thousand items: in how many transactions it is recorded, and how long it takes."""

from __future__ import annotations

import shutil
import sqlite3
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from ..bench import Bench
from ..measure import Failed, Spread, environment, spawn
from ..template import store_of

NOTES = [
    "Transactions are counted in SQLite's write-ahead log: a copy of the store is opened as it was after each commit, and the commits that "
    "brought runs of the map are counted.",
]
FULL, QUICK = 1000, 12
HEADER, FRAME = 32, 24


def measure(bench: Bench) -> None:
    """Add the lines."""
    items = QUICK if bench.quick else FULL
    folder = bench.fresh("fanout")
    env = environment(folder)
    store = store_of(folder)
    with bench.worker("fanout", folder, str(items)) as worker:
        worker.ask("warm")
        with closing(sqlite3.connect(store, isolation_level=None)) as reader:
            # As long as this snapshot is held the log cannot begin anew.
            reader.execute("BEGIN")
            reader.execute("SELECT COUNT(*) FROM runs").fetchone()
            before = len(commits(store))
            start = time.perf_counter()
            fan_out = worker.ask("submit")
            submitted = time.perf_counter() - start
            counts = runs_after_commits(store, fan_out, before, items, bench.fresh("copies"))
            right = worker.ask("wait")
            took = time.perf_counter() - start
            whole = len(commits(store)) - before
    if not right:
        raise Failed("results of the map are wrong")
    transactions = sum(this < that for this, that in zip([0, *counts], counts, strict=False))
    bench.add(f"map of {items:,} items: transactions that record it", "1", f"**{transactions}**", transactions == 1)
    bench.add("… `map()` returns after", "", f"**{submitted * 1e3:,.0f} ms** ({submitted / items * 1e6:,.0f} µs an item)")
    bench.add("… commits from there to the last end", "", f"**{whole:,}** ({whole / items:.2f} an item)")
    with ThreadPoolExecutor(2) as pool:
        start = time.perf_counter()
        each = list(pool.map(lambda _: spawn([bench.python, "-c", "pass"], env, folder), range(min(items, 100))))
        bare = (time.perf_counter() - start) / len(each)
    pair = f"two bare `python -c pass` at a time: {bare * 1e3:.1f} ms each, alone {Spread.of(each).median * 1e3:.1f} ms"
    bench.add("… from `map()` to the last end, an item", "", f"**{took / items * 1e3:.1f} ms** ({pair})")


def commits(store: Path) -> list[int]:
    """Where each commit ends in the write-ahead log."""
    log = store.with_name(store.name + "-wal").read_bytes()
    if len(log) < HEADER:
        return []
    size, salts = struct.unpack(">I", log[8:12])[0], log[16:24]
    ends = []
    for at in range(HEADER, len(log) - FRAME - size + 1, FRAME + size):
        _, pages = struct.unpack(">II", log[at : at + 8])
        if log[at + 8 : at + 16] != salts:
            break
        if pages:
            ends.append(at + FRAME + size)
    return ends


def runs_after_commits(store: Path, fan_out: str, before: int, items: int, folder: Path) -> list[int]:
    """How many runs of the map are there after each commit since `before`, until all are.

    Raises:
        Failed: they never are.
    """
    log = store.with_name(store.name + "-wal").read_bytes()
    counts = []
    for end in commits(store)[before:]:
        copy = folder / "copy.db"
        shutil.copy(store, copy)
        copy.with_name("copy.db-wal").write_bytes(log[:end])
        copy.with_name("copy.db-shm").unlink(missing_ok=True)
        with closing(sqlite3.connect(copy)) as database:
            counts.append(int(database.execute("SELECT COUNT(*) FROM runs WHERE map = ?", [fan_out]).fetchone()[0]))
        if counts[-1] >= items:
            return counts
    raise Failed(f"the map was not recorded when map() had returned: {counts}")
