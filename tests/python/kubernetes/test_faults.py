"""The API server is away, says no, says nothing: runs end as they should, each is executed once, and nobody asks more often than is good."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import runwright as rw
from tests.cluster.cluster import Cluster
from tests.cluster.faultproxy import FaultProxy
from tests.cluster.faults import Fault
from tests.cluster.kube import Kube
from tests.cluster.relay import Seen
from tests.servers.processes import wait_until

JOBS = r"/jobs(\?|$)"


@pytest.fixture
def here(home: Path, kube: Kube, faults: FaultProxy) -> Kube:
    """Runs go to the namespace of the test, through the proxy; one has been executed, so that the runner is there."""
    rw.use("kubernetes")
    assert square.run(x=2).wait(60).result() == 4
    return kube


@pytest.fixture
def frozen(kube: Kube, faults: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """A second proxy, to which the context `frozen` leads."""
    with FaultProxy() as proxy:
        through = tmp_path / "kubeconfig-frozen"
        proxy.write_kubeconfig(kube.kubeconfig, through)
        configuration = json.loads(through.read_text())
        configuration["clusters"][0]["name"] = configuration["contexts"][0]["context"]["cluster"] = "frozen"
        configuration["contexts"][0]["name"] = "frozen"
        through.write_text(json.dumps(configuration))
        monkeypatch.setenv("KUBECONFIG", f"{os.environ['KUBECONFIG']}:{through}")
        yield proxy


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


def check(kube: Kube, runs: list[rw.Run]) -> None:
    """Each has completed, was executed once, and has a history that goes forward; and there is nothing besides."""
    assert [run.wait(60).state for run in runs] == ["COMPLETED"] * len(runs)
    pods = Counter(pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] for pod in kube.get("pods"))
    recorded = {f"rw-{run.id}" for run in rw.runs(project="*") if run.state != "ERROR"}
    assert {job["metadata"]["name"] for job in kube.get("jobs")} == set(pods) == recorded
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


def count(seen: list[Seen], method: str = "", part: str = "") -> int:
    """How many of the requests are such."""
    return sum(method in request.method and part in request.path for request in seen)


def test_a_minute_without_an_answer(here: Kube, faults: FaultProxy, frozen: FaultProxy) -> None:
    """One way to the API server is closed, on another nothing moves. Runs that had begun end meanwhile; others are submitted meanwhile."""
    silent = "kubernetes:frozen/"
    assert square.run(x=2, on=silent).wait(60).result() == 4
    begun = [square.run(x=3, seconds=3), square.run(x=4, seconds=3, on=silent)]
    waits = [in_background(run.result) for run in begun]
    # Its answer is lost, no watch tells of it, and then nobody says anything.
    faults.close(path="watch=", times=None)
    faults.disconnect()
    faults.close(carried_out=True, method="POST", path=JOBS)
    lost = in_background(lambda: square.run(x=5))
    assert wait_until(lambda: count(faults.seen, "POST", "/jobs") == 3, 10)
    faults.refuse()
    frozen.freeze()
    submitted = [in_background(lambda: square.run(x=6)), in_background(lambda: square.run(x=7, on=silent))]
    assert wait_until(lambda: lost != [], 40), "nobody has to wait until it is certain"
    doubtful = lost[0]
    assert doubtful.state == "CREATED"
    assert wait_until(lambda: "not known yet" in str(doubtful.refresh().record["history"]), 10)
    time.sleep(62 - 30)
    assert [*waits, submitted[0]] == [[], [], []]
    at = [len(faults.seen), len(frozen.seen)]
    faults.clear()
    faults.listen()
    frozen.thaw()
    assert wait_until(lambda: waits == [[9], [16]], 60)
    assert wait_until(lambda: [] not in submitted, 60), submitted
    check(here, [*begun, doubtful, submitted[0][0], submitted[1][0]])
    asked = [*faults.seen[at[0] :], *frozen.seen[at[1] :]]
    assert len(asked) <= 60, asked


@pytest.mark.parametrize("carried_out", [True, False])
def test_answers_that_are_lost_or_bad(here: Kube, faults: FaultProxy, carried_out: bool) -> None:
    runs = []
    each: list[Callable[[], Fault]] = [
        lambda: faults.close(carried_out=carried_out, method="POST", path=JOBS),
        lambda: faults.answer(500, carried_out=carried_out, method="POST", path=JOBS),
        lambda: faults.answer(504, carried_out=carried_out, method="POST", path=JOBS, times=3),
        lambda: faults.answer(409, reason="Conflict", carried_out=carried_out, method="POST", path=JOBS),
        lambda: faults.answer(429, retry_after=2, carried_out=carried_out, method="POST", path=JOBS, times=2),
        lambda: faults.cut(30, method="POST", path=JOBS),
    ]
    for fault in each:
        fault()
        began, before = time.monotonic(), len(faults.seen)
        runs.append(square.run(x=1))
        took, tries = time.monotonic() - began, count(faults.seen[before:], "POST", JOBS[:5])
        assert 2 <= tries <= 4, faults.seen[before:]
        assert took < 8
    assert took < 2
    check(here, runs)


def test_watches_that_end(here: Kube, faults: FaultProxy) -> None:
    """Expired, cut in the middle, closed, refused, ended as soon as they begin: runs end as they should, and nobody asks all the time."""
    each: list[Callable[[], Fault]] = [
        lambda: faults.end_watches(410, times=4),
        lambda: faults.end_watches(500, times=4),
        lambda: faults.cut(1000, path="watch=", times=6),
        lambda: faults.cut(0, path="watch=", times=4),
        lambda: faults.close(path="watch=", times=4),
        lambda: faults.answer(429, retry_after=1, path="watch=", times=3),
        lambda: faults.answer(410, path="watch=", times=3),
        lambda: faults.answer(500, path="jobs|pods", method="GET", times=4),
    ]
    for fault in each:
        fault()
        before = len(faults.seen)
        faults.disconnect()
        run = square.run(x=3)
        assert run.wait(60).result() == 9
        assert len(faults.seen) - before < 60, faults.seen[before:]
        faults.clear()
    check(here, [run])


def test_a_gateway_that_ends_every_watch(here: Kube, faults: FaultProxy) -> None:
    ended = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"
    faults.add(Fault("GET", "watch=", None, answer=ended))
    faults.disconnect()
    before = len(faults.seen)
    began = time.monotonic()
    assert square.run(x=3).wait(60).result() == 9, "what no watch tells is listed"
    assert len(faults.seen) - before < 30 + 2 * (time.monotonic() - began), faults.seen[before:]


CLIENT = """
import sys, time
import runwright as rw
rw.use("kubernetes")

@rw.function
def nothing() -> int:
    return 1

try:
    nothing.record
    print("ready", flush=True)
    sys.stdin.readline()
    run = nothing.run()
    print("submitted", flush=True)
    run.wait()
except KeyboardInterrupt:
    print("interrupted", time.time(), flush=True)
"""


@pytest.mark.parametrize("fault", ["hang", "answer"])
def test_ctrl_c_is_heard(here: Kube, faults: FaultProxy, tmp_path: Path, fault: str) -> None:
    """While a submission waits for an API server that does not answer, or that says no again and again."""
    faults.hang(method="POST", path=JOBS, times=None) if fault == "hang" else faults.answer(500, method="POST", path=JOBS, times=None)
    script = tmp_path / "client.py"
    script.write_text(CLIENT)
    client = subprocess.Popen([sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert client.stdin is not None
    assert client.stdout is not None
    assert client.stdout.readline() == "ready\n"
    before = len(faults.seen)
    print(file=client.stdin, flush=True)
    time.sleep(3)
    sent = time.time()
    client.send_signal(signal.SIGINT)
    said, when = client.stdout.readline().split()
    assert said == "interrupted"
    assert float(when) - sent < 0.25
    assert client.wait(10) == 0
    assert count(faults.seen[before:], "POST", "/jobs") <= 8
    faults.clear()
    rw.sync()
    assert [(run.state, run.error and run.error.cause) for run in rw.runs(function="nothing")] == [("ERROR", "NotStarted")]


def test_the_api_server_is_restarted_again_and_again(here: Kube, local_cluster: Cluster) -> None:
    runs = []
    for number in range(3):
        runs.append(square.run(x=number, seconds=2))
        with local_cluster.without("kube-apiserver"):
            submitted = in_background(functools.partial(square.run, x=number))
            time.sleep(3)
        assert wait_until(functools.partial(bool, submitted), 60)
        runs.append(submitted[0])
    assert [run.wait(120).result() for run in runs] == [0, 0, 1, 1, 4, 4]
    check(here, runs)


DEPLOYMENTS = r"/deployments(\?|$)"


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_service_is_handed_over_once(here: Kube, faults: FaultProxy, monkeypatch: pytest.MonkeyPatch, carried_out: bool) -> None:
    """The answer to each of its requests is lost, or bad: there is one of it in the end, whole, and it answers."""
    monkeypatch.setenv("TOKEN", "a-secret-value")
    server = ["sh", "-c", 'test "$TOKEN" || exit 1; busybox httpd -p 8081 -h /tmp; trap exit TERM; sleep 3600 & wait']
    web = rw.container(name="web", image=here.image("busybox:1"), command=server)
    each: list[Callable[[], list[Fault]]] = [
        lambda: [faults.close(carried_out=carried_out, method="POST", path=DEPLOYMENTS)],
        lambda: [faults.answer(504, carried_out=carried_out, method="POST", path=DEPLOYMENTS, times=2)],
        lambda: [faults.answer(429, retry_after=1, method="POST", path=DEPLOYMENTS), faults.cut(20, method="POST", path=DEPLOYMENTS)],
        lambda: [
            faults.close(carried_out=carried_out, method="POST", path=r"/services\?"),
            faults.answer(500, carried_out=carried_out, method="POST", path=r"/secrets\?"),
            faults.close(carried_out=carried_out, method="PATCH", path="/deployments/"),
        ],
    ]
    for fault in each:
        met, before = fault(), len(faults.seen)
        run = web.run(action="deploy", secrets=["TOKEN"], service_ports=[{"port": 80, "target_port": 8081}])
        assert all(fault.times == 0 for fault in met)
        assert sum(request.method != "GET" for request in faults.seen[before:]) <= 12, faults.seen[before:]
        assert run.wait(60).is_ready
        (deployment,) = here.get("deployments")
        assert (deployment["metadata"]["name"], deployment["spec"]["replicas"]) == (f"rw-{run.id}", 1)
        assert [secret["metadata"]["name"] for secret in here.get("secrets")] == [f"rw-{run.id}"]
        assert [service["metadata"]["name"] for service in here.get("services")] == [f"rw-{run.id}"]
        # What is said to it later, too.
        faults.close(carried_out=carried_out, method="PATCH", path="/deployments/")
        assert run.scale(2).wait(60).record["service"]["ready"] == 2
        faults.answer(500, carried_out=carried_out, method="PATCH", path="/deployments/")
        assert run.stop().state == "STOPPED"
        faults.close(carried_out=carried_out, method="DELETE", path="/deployments/")
        run.delete()
        assert wait_until(lambda: not any(here.get(kind) for kind in ("deployments", "services", "secrets", "replicasets")), 60)


def test_a_service_whose_answer_stays_away(here: Kube, faults: FaultProxy) -> None:
    """Nobody has to wait until it is certain; it is handed over all the same, and only once."""
    web = rw.container(name="web", image=here.image("busybox:1"), command=["sh", "-c", "exec busybox httpd -f -p 8081 -h /tmp"])
    faults.close(carried_out=True, method="POST", path=DEPLOYMENTS)
    # And what comes after it cannot be asked.
    faults.close(method="POST", path=DEPLOYMENTS, times=None)
    faults.close(path="/deployments/rw-", times=None)
    faults.close(path="deployments.*watch=", times=None)
    faults.disconnect()
    submitted = in_background(lambda: web.run(action="deploy"))
    assert wait_until(lambda: submitted != [], 60)
    run = submitted[0]
    assert isinstance(run, rw.Run), run
    assert run.state == "CREATED"
    assert len(here.get("deployments")) == 1
    faults.clear()
    assert run.wait(60).is_ready
    assert len(here.get("deployments")) == 1
    run.stop()
