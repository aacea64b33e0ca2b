"""What one core translates and lowers; and what a map of ten thousand items is in the cluster."""

from __future__ import annotations

import json
import subprocess

from ... import cluster as clusters
from ...bench import Bench
from ...measure import Failed, Spread
from .submit import client

NOTES = [
    "Translate and lower: steps 3 and 4 of a run's way (the plan of a Python function, then its typed Job with code, parameters and record packed), in one "
    "thread, in processor time, without a client, a store or Python. `benchmarks/core/lower.rs`.",
]
GOAL, ITEMS, QUICK = 20_000, 10_000, 20


def measure(bench: Bench) -> None:
    """Add the lines."""
    rounds, jobs = bench.rounds(20), 200 if bench.quick else 2000
    done = subprocess.run([bench.core_program("lower"), str(rounds), str(jobs)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(done.stderr.strip()[-400:])
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    rate = Spread.of([jobs / answer["seconds"] for answer in answers])
    shown = rate.text("Jobs/s")
    bench.add(f"translate and lower one Job ({answers[0]['value']:,} bytes), one core", f"≥ {GOAL:,}/s", shown, rate.median >= GOAL)
    _map(bench, QUICK if bench.quick else ITEMS)


def _map(bench: Bench, items: int) -> None:
    folder = bench.fresh("map")
    with clusters.namespace(bench.cluster, folder) as kube, client(bench, folder, kube, 1) as worker:
        worker.ask("warm")
        before, asked = len(list(clusters.all_jobs(kube))), len(clusters.requests(kube) or [])
        seconds = worker.seconds("mapped", items)
        made = len(list(clusters.all_jobs(kube))) - before
        requests = clusters.requests(kube)
    bench.add(f"map of {items:,} items: Job objects", "1", f"**{made}**", made == 1)
    bench.add("… `map()` returns after", "", f"**{seconds * items * 1e3:,.0f} ms** ({seconds * 1e6:,.0f} µs an item)")
    if requests is not None:
        mine = [f"{entry['verb']} {clusters.resource(entry)}" for entry in requests[asked:] if entry["verb"] != "watch"]
        bench.add("… requests", "", f"**{len(mine)}**: {', '.join(mine[:8])}")
