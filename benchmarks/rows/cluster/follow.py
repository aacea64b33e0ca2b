"""Ten thousand runs of one client, followed at the same time."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from contextlib import closing
from typing import Any

from ... import cluster as clusters
from ...bench import Bench
from ...measure import Failed
from ...template import store_of
from .submit import IN_FLIGHT, client

NOTES = [
    "Followed: Jobs of one client process that a queue holds back. It has seen each of them wait (its record says PENDING) when its memory is read. Memory: what the "
    "process has resident then, less what it had after its first run; it includes 10,000 `Run` objects that the program keeps. Requests: the API server's audit "
    "log of the client's user. A watch is begun anew every few minutes (that of events every minute), so they are counted as they are open at the same time.",
]
FULL, QUICK = 10_000, 20
LIMIT = 100e6


def measure(bench: Bench) -> None:
    """Add the lines."""
    count = QUICK if bench.quick else FULL
    folder = bench.fresh("follow")
    with clusters.namespace(bench.cluster, folder) as kube, client(bench, folder, kube, IN_FLIGHT) as worker:
        worker.ask("warm")
        before, asked = worker.ask("memory"), len(clusters.requests(kube) or [])
        seconds = worker.seconds("threads", count)
        began = time.monotonic()
        _wait_until_pending(store_of(folder), count + 1)
        settled = time.monotonic() - began
        after = worker.ask("memory")
        grown, own = (after[part] - before[part] for part in ("resident", "own"))
        processor = worker.ask("processor")
        time.sleep(bench.rounds(10, 1))
        idle = (worker.ask("processor") - processor) / bench.rounds(10, 1)
        name = f"following {count:,} runs"
        shown = f"**{grown / 1e6:.1f} MB** ({grown / count / 1e3:.1f} kB a run; without the mapped store {own / 1e6:.1f} MB)"
        bench.add(f"{name}: memory of the client", f"≤ {LIMIT / 1e6:.0f} MB", shown, grown <= LIMIT)
        _requests(bench, name, clusters.requests(kube), asked, count)
        bench.add("… submitted", "", f"**{1 / seconds:,.0f} Jobs/s**; the last was seen to wait {settled:.1f} s later")
        bench.add("… processor while nothing happens", "", f"**{idle * 100:.1f} %** of one core")


def _requests(bench: Bench, name: str, requests: list[dict[str, Any]] | None, asked: int, count: int) -> None:
    if requests is None:
        bench.add(f"{name}: requests", "", "not counted: this cluster shows no audit log")
        return
    rest = Counter(f"{entry['verb']} {clusters.resource(entry)}" for entry in requests[asked:] if entry["verb"] != "watch")
    each = sum(rest.values()) / count
    shown = ", ".join(f"{verb} {number:,}" for verb, number in rest.most_common(6))
    bench.add(f"{name}: requests a run", "O(1)", f"**{each:.3f}** ({shown})", each <= 2)
    watches = clusters.watches(requests)
    shown = ", ".join(f"{resource} {number}" for resource, number in sorted(watches.items()))
    bench.add(f"{name}: watches at a time", "1 a kind", f"**{shown}**", max(watches.values(), default=0) == 1)


def _wait_until_pending(store: Any, count: int) -> None:
    """Wait until so many runs are recorded as waiting in the cluster.

    Raises:
        Failed: they are not.
    """
    deadline, found = time.monotonic() + 300, 0
    while time.monotonic() < deadline:
        with closing(sqlite3.connect(store, timeout=60)) as database:
            (found,) = database.execute("SELECT COUNT(*) FROM runs WHERE state = 'PENDING'").fetchone()
        if found >= count:
            return
        time.sleep(0.5)
    raise Failed(f"only {found:,} of {count:,} runs were seen to wait in 5 minutes")
