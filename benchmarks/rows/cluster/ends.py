"""How soon `wait()` returns when a container has ended; and what a run asks of the API server from its beginning to its end."""

from __future__ import annotations

import statistics
from collections import Counter
from contextlib import ExitStack

from ... import cluster as clusters
from ...bench import Bench
from ...measure import Failed, Worker, environment
from .submit import client

NOTES = [
    "Ends: real pods, ten at a time, whose functions sleep for different times. A bare watch in a process of its own notes when the API server tells that the "
    "main container of a pod has ended, and when that its Job has; the client notes when `wait()` has returned, with the results in its record. All by this "
    "machine's clock. A run ends with its Job's condition, which Kubernetes sets when the pod's other containers have ended, too, and its Job controller, which "
    "gathers news for a second, has seen that.",
]
WAVE = 10


def measure(bench: Bench) -> None:
    """Add the lines."""
    waves = bench.rounds(10, 1)
    with ExitStack() as stack:
        folder = bench.fresh("ends")
        kube = stack.enter_context(clusters.namespace(bench.cluster, folder))
        worker = stack.enter_context(client(bench, folder, kube, WAVE))
        worker.ask("warm")
        watch = stack.enter_context(
            Worker(None, bench.core_program("bare"), folder, environment(folder, KUBECONFIG=str(kube.kubeconfig)), "1")
        )
        worker.send("ends", 1)
        worker.receive()
        watch.ask("watch")
        asked = len(clusters.requests(kube) or [])
        returned: dict[str, float] = {}
        for _ in range(waves):
            worker.send("ends", WAVE)
            returned |= worker.receive()["value"]
        told = watch.ask("ends")
        requests = clusters.requests(kube)
    end = "end of a run (its Job's condition), as the API server tells it → `wait()` returns, p99"
    _late(bench, end, "≤ 50 ms", returned, told["jobs"])
    _late(bench, "… end of its main container, as the API server tells it → `wait()` returns, p99", "", returned, told["pods"])
    if requests is not None:
        mine = Counter(f"{entry['verb']} {clusters.resource(entry)}" for entry in requests[asked:] if entry["verb"] != "watch")
        each = sum(mine.values()) / len(returned)
        shown = ", ".join(f"{verb} {number}" for verb, number in mine.most_common())
        bench.add(
            f"… requests a run, from `run()` to its end, of {len(returned)}",
            "",
            f"**{each:.2f}** ({shown})",
        )


def _late(bench: Bench, what: str, goal: str, returned: dict[str, float], told: dict[str, float]) -> None:
    if missing := [run for run in returned if run not in told]:
        raise Failed(f"the bare watch did not see the end of {len(missing)} runs")
    late = sorted(returned[run] - told[run] for run in returned)
    p99 = late[min(len(late) - 1, int(len(late) * 0.99))]
    shown = f"**{p99 * 1e3:.0f} ms** (median {statistics.median(late) * 1e3:.0f}, {late[0] * 1e3:.0f} to {late[-1] * 1e3:.0f} ms, n={len(late)})"
    bench.add(what, goal, shown, p99 <= 0.05 if goal else None)
