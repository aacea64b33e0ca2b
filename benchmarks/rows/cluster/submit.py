"""Jobs that are created: by runs, by a bare loop of the same HTTP client, by the official Python client and by kubernetes_asyncio."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from ... import cluster as clusters
from ...bench import Bench
from ...measure import TIMES, Failed, Spread, Worker, environment, interleave, ratios

NOTES = [
    "Jobs: all create the same object (that of a run of a small Python function), each subject in a namespace of its own. A queue that nobody serves holds "
    "them back (`suspend`), so that their pods are never executed. After each batch it is waited until the Job controller has seen its last Job. "
    "Bare: `Api::create` of the crate `kube` that Runwright is built with, 32 requests in flight; nothing is recorded and nothing watched. What Runwright does "
    "meanwhile is in its time: the function's capture, the record in SQLite before and after, and all that its watches tell.",
    "One at a time: `for …: f.run(…)`, and the same loop over each client. 32 at a time: a `ThreadPoolExecutor(32)` (Runwright, the official client, whose "
    "connection pool is made as large), `asyncio.gather` behind a `Semaphore(32)` (Runwright, kubernetes_asyncio).",
]
IN_FLIGHT = 32
TITLES = {
    "threads": "Runwright, threads",
    "asynchronous": "Runwright, asyncio",
    "bare": "bare create loop",
    "official": "official client, threads",
    "asyncio": "kubernetes_asyncio",
}


@dataclass
class Subject:
    """What creates Jobs, and where."""

    kube: Any
    worker: Worker

    def seconds(self, verb: str, count: int) -> float:
        """Seconds that one Job takes; returns when the Job controller has seen all of them."""
        self.worker.send(verb, count)
        answer = self.worker.receive()
        _seen(self.kube, answer["value"])
        return float(answer["seconds"]) / count


def measure(bench: Bench) -> None:
    """Add the lines."""
    with ExitStack() as stack:
        ours = _ours(bench, stack)
        manifest = plain(ours.worker.ask("warm"))
        bare, single = (_bare(bench, stack, manifest, in_flight) for in_flight in (IN_FLIGHT, 1))
        batch = 10 if bench.quick else 100
        subjects: dict[str, Callable[[], float]] = {
            "threads": lambda: ours.seconds("threads", batch),
            "asynchronous": lambda: ours.seconds("asynchronous", batch),
            "bare": lambda: bare.seconds("create", batch),
        }
        loops: dict[str, Callable[[], float]] = {
            "loop": lambda: ours.seconds("loop", batch // 5),
            "bare": lambda: single.seconds("create", batch // 5),
        }
        if bench.peers:
            official = _peer(bench, stack, "kubernetes", "kubernetes_create", manifest)
            other = _peer(bench, stack, "kubernetes-asyncio", "kubernetes_asyncio_create", manifest)
            subjects["official"] = lambda: official.seconds("threads", batch)
            subjects["asyncio"] = lambda: other.seconds("asynchronous", batch)
            loops["official"] = lambda: official.seconds("loop", batch // 5)
        rounds = bench.rounds(10)
        took = interleave(subjects, rounds)
        jobs = f"{rounds * batch:,} Jobs, {IN_FLIGHT} at a time"
        for name in ("threads", "asynchronous"):
            rate = ratios(took["bare"], took[name])
            bench.add(f"{jobs}: rate of {TITLES[name]} / of a bare create loop", "≥ 0.9", rate.text("x"), rate.median >= 0.9)
        if bench.peers:
            faster = ratios(took["official"], took["threads"])
            bench.add("… of Runwright, threads / of the official client, threads", f"≥ 5{TIMES}", faster.text("x"), faster.median >= 5)
            faster = ratios(took["asyncio"], took["asynchronous"])
            bench.add("… of Runwright, asyncio / of kubernetes_asyncio", "", faster.text("x"))
        for name, seconds in took.items():
            bench.add(f"… {TITLES[name]}", "", Spread.of([1 / each for each in seconds]).text("Jobs/s"))
        took = interleave(loops, rounds)
        jobs = f"{rounds * (batch // 5):,} Jobs, one at a time"
        rate = ratios(took["bare"], took["loop"])
        bench.add(f"{jobs}: rate of Runwright / of a bare create loop", "", rate.text("x"))
        if bench.peers:
            bench.add("… of Runwright / of the official client", "", ratios(took["official"], took["loop"]).text("x"))
        for name, title in {"loop": "Runwright", "bare": "bare create loop", "official": "official client"}.items():
            if name in took:
                bench.add(f"… {title}, one Job", "", Spread.of(took[name]).text("ms"))


def plain(job: dict[str, Any]) -> dict[str, Any]:
    """A Job as it was before the API server added to it."""
    metadata = {field: job["metadata"][field] for field in ("labels", "annotations")}
    spec = {field: value for field, value in job["spec"].items() if field not in ("selector", "manualSelector")}
    labels = spec["template"]["metadata"]["labels"]
    added = ("controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name")
    spec["template"]["metadata"]["labels"] = {name: value for name, value in labels.items() if name not in added}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def _ours(bench: Bench, stack: ExitStack) -> Subject:
    folder = bench.fresh("submit")
    kube = stack.enter_context(clusters.namespace(bench.cluster, folder))
    return Subject(kube, stack.enter_context(client(bench, folder, kube, IN_FLIGHT)))


def client(bench: Bench, folder: Any, kube: Any, in_flight: int) -> Worker:
    """A client of ours in a namespace."""
    settings = {"KUBECONFIG": str(kube.kubeconfig), "RUNWRIGHT_ON": "kubernetes", "RUNWRIGHT_IMAGE": kube.image("python:3.11")}
    return bench.worker("cluster_client", folder, str(in_flight), **settings)


def _bare(bench: Bench, stack: ExitStack, manifest: dict[str, Any], in_flight: int) -> Subject:
    folder = bench.fresh("bare")
    kube = stack.enter_context(clusters.namespace(bench.cluster, folder))
    (folder / "job.json").write_text(json.dumps(manifest))
    env = environment(folder, KUBECONFIG=str(kube.kubeconfig))
    return Subject(kube, stack.enter_context(Worker(None, bench.core_program("bare"), folder, env, str(in_flight))))


def _peer(bench: Bench, stack: ExitStack, peer: str, program: str, manifest: dict[str, Any]) -> Subject:
    folder = bench.fresh(program)
    kube = stack.enter_context(clusters.namespace(bench.cluster, folder))
    (folder / "job.json").write_text(json.dumps(manifest))
    return Subject(kube, stack.enter_context(bench.peer(peer, program, folder, str(IN_FLIGHT), KUBECONFIG=str(kube.kubeconfig))))


def _seen(kube: Any, job: str) -> None:
    """Wait until the Job controller has seen a Job.

    Raises:
        Failed: it does not.
    """
    path = f"/apis/batch/v1/namespaces/{kube.namespace}/jobs/{job}"
    deadline = time.monotonic() + 120
    while not kube.api.get(path).get("status", {}).get("conditions"):
        if time.monotonic() > deadline:
            raise Failed(f"the Job controller has not seen {job} in 2 minutes")
        time.sleep(0.1)
