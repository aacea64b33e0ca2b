"""The API server is away, says no, says nothing: runs end as they should, each is executed once, and nobody asks more often than is good."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import runwright as rw
from tests.cluster.faultproxy import FaultProxy
from tests.cluster.kube import Kube
from tests.servers.processes import wait_until


@pytest.fixture
def here(home: Path, kube: Kube, faults: FaultProxy) -> Kube:
    """Runs go to the namespace of the test, through the proxy; one has been executed, so that the runner is there."""
    rw.use("kubernetes")
    assert square.run(x=2).wait().result() == 4
    return kube


@rw.function
def square(x: int, seconds: float = 0.0) -> int:
    """The square, after a while."""
    import time

    print("begun", flush=True)
    time.sleep(seconds)
    return x * x


def in_background(work: Callable[[], Any]) -> list[Any]:
    """The list gets what the work gives, or how it failed."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(work())
        except Exception as error:
            outcome.append(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome


def jobs(kube: Kube) -> list[str]:
    """The names of the Jobs."""
    return sorted(job["metadata"]["name"] for job in kube.get("jobs"))


def check(kube: Kube, runs: list[rw.Run]) -> None:
    """Each has completed, was executed once, and has a history that goes forward."""
    assert [run.wait(60).state for run in runs] == ["COMPLETED"] * len(runs)
    assert {f"rw-{run.id}" for run in runs} <= set(jobs(kube))
    pods = Counter(pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] for pod in kube.get("pods"))
    for run in runs:
        assert pods[f"rw-{run.id}"] == 1
        times = [datetime.fromisoformat(step["time"]) for step in run.record["history"]]
        assert times == sorted(times)
        assert [step["state"] for step in run.record["history"] if not step.get("message")] == [
            "CREATED",
            "PENDING",
            "RUNNING",
            "COMPLETED",
        ]


def test_a_server_that_is_away(here: Kube, faults: FaultProxy) -> None:
    begun = [square.run(x=1, seconds=2), square.run(x=2, seconds=2)]
    waits = [in_background(run.result) for run in begun]
    faults.refuse()
    submitted = in_background(lambda: square.run(x=3))
    time.sleep(12)
    assert [submitted, *waits] == [[], [], []]
    before = len(faults.seen)
    faults.listen()
    assert wait_until(lambda: waits == [[1], [4]], 30)
    assert wait_until(lambda: submitted != [], 30)
    assert submitted[0].result() == 9
    check(here, [*begun, submitted[0]])
    # Whoever waited knew within seconds, and none of them asked much: a watch for each kind, a log for each run, and the Job that was submitted.
    asked = Counter(request.method for request in faults.seen[before:])
    assert asked["POST"] <= 3 and asked.total() <= 25, faults.seen[before:]
