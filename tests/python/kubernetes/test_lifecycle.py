"""Stop, resume, delete, clean up; a run survives its client and is found again by others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import runwright as rw
from runwright import _engine
from runwright.exceptions import ConflictError
from tests.cluster.kube import Kube
from tests.servers.processes import wait_until


@pytest.fixture
def here(home: Path, kube: Kube) -> Kube:
    """Runs go to the namespace of the test."""
    rw.use("kubernetes")
    return kube


def another_client(home: Path) -> None:
    """What follows is done by a client that knows nothing: another store, another home."""
    _engine._engine = None
    rw.use("kubernetes", home=home)


@rw.function
def sleep(seconds: float = 60.0) -> str:
    """Sleep."""
    import time

    print("asleep", flush=True)
    time.sleep(seconds)
    return "awake"


@rw.function
def square(x: int) -> int:
    """The square."""
    return x * x


def test_a_run_is_one_job_and_its_pod(here: Kube) -> None:
    square.run(x=1).wait()
    before = here.requests()
    run = square.run(x=5)
    assert run.result() == 25
    posts = [request for request in here.requests()[len(before) :] if request["verb"] == "create"]
    assert [request["objectRef"]["resource"] for request in posts] == ["jobs"], "one object, one request"


def test_stop_and_resume(here: Kube) -> None:
    run = sleep.run(seconds=3)
    while run.refresh().state != "RUNNING":
        time.sleep(0.1)
    assert run.stop().state == "STOPPED"
    assert run.stop().state == "STOPPED", "twice is the same as once"
    assert wait_until(lambda: here.kubectl("get", "pods", "-o", "name") == "", 30), "nothing of it is left but its Job"
    assert list(run.logs())[:1] == ["asleep"], "what it printed is kept"
    with pytest.raises(rw.RunError):
        run.result()
    run.resume()
    assert run.wait().state == "COMPLETED"
    assert run.result() == "awake"
    assert [step["state"] for step in run.record["history"] if not step.get("message")][-3:] == ["PENDING", "RUNNING", "COMPLETED"]
    with pytest.raises(ConflictError, match="only a stopped one"):
        run.resume()


def test_one_of_a_fan_out_is_stopped_and_the_others_go_on(here: Kube) -> None:
    runs = sleep.map([{"seconds": 60}, {"seconds": 8}])
    while runs[0].refresh().state != "RUNNING":
        time.sleep(0.1)
    assert runs[0].stop().state == "STOPPED"
    assert runs[1].wait().result() == "awake"
    assert len(here.kubectl("get", "jobs", "-o", "name").split()) == 1


def test_everything_goes(here: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "a-secret-value")
    runs = [square.run(x=2, secrets=["TOKEN"]), *square.map([{"x": 1}, {"x": 2}])]
    for run in runs:
        run.wait()
    assert len(rw.gc(0)["runs"]) == 3
    rw.gc(0)
    wait_until(lambda: not here.objects(), 60)
    assert here.objects() == []
    assert square.run(x=3).result() == 9, "the runner is put there again"


def test_gc_removes_what_clients_left_in_the_home(here: Kube, home: Path) -> None:
    """What is kept by run, of runs that have ended; not that of one that goes on."""
    ended, going = square.run(x=2).wait(), sleep.run(seconds=60)
    left = [home / folder / name for folder in ("held", "fetched") for name in (ended.id, going.id, "019b7c00-0000-7000-8000-000000000000")]
    young = home / "fetched" / "019b7c00-0000-7000-8000-000000000001"
    for folder in (*left, young):
        folder.mkdir(parents=True)
        (folder / "data").write_bytes(b"x")
        if folder != young:
            os.utime(folder, (time.time() - 7200, time.time() - 7200))
    assert not set(map(str, left)).isdisjoint(rw.gc(dry_run=True)["paths"])
    assert left[0].exists()
    rw.gc()
    assert {folder for folder in (*left, young) if folder.exists()} == {home / "held" / going.id, home / "fetched" / going.id, young}
    going.stop()


def test_gc_leaves_the_runner_while_a_service_may_need_it(here: Kube) -> None:
    square.run(x=2).wait()
    server = ["sh", "-c", "exec busybox httpd -f -p 8081 -h /tmp"]
    service = rw.container(name="web", image=here.image("busybox:1"), command=server).run(action="deploy")
    service.wait(60)
    rw.gc(0)
    assert wait_until(lambda: here.get("jobs") == [], 30)
    assert any(name.startswith("ConfigMap/runwright-runner") for name in here.objects())
    service.stop().delete()
    assert wait_until(lambda: here.get("deployments") == [], 30)
    assert any("configmap runwright-runner" in path for path in rw.gc(0)["paths"])


def test_another_client_finds_runs_and_functions(here: Kube, tmp_path: Path) -> None:
    runs = [square.run(x=7).wait(), *square.map([{"x": 3}, {"x": 4}]).wait()]
    results = [run.result() for run in runs]
    another_client(tmp_path / "other")
    assert rw.runs(project="*") == []
    found = rw.attach(runs[0].key)
    assert (found.wait().result(), found.parameters) == (49, {"x": 7})
    assert rw.sync()["found"] == 2
    by_id = {run.id: run for run in rw.runs(project="*")}
    assert [by_id[run.id].wait().result() for run in runs] == results
    assert by_id[runs[1].id].parameters == {"x": 3}
    assert by_id[runs[0].id].reproduce().result() == 49, "the version came back, too"


def test_pipelines_go_on(here: Kube) -> None:
    first = square.run(x=3)
    second = square.run(x=first)
    third = square.map([{"x": second}, {"x": 2}])
    assert third[0].wait().result() == 6561
    assert third[1].wait().result() == 4


def test_items_of_one_fan_out_wait_for_different_runs(here: Kube) -> None:
    """It begins when the last of them has ended, whichever item waits, and one that waits for none is not forgotten."""
    fast, slow = square.run(x=2), sleep.run(seconds=6)

    @rw.function
    def show(value: object) -> str:
        """What came."""
        return str(value)

    assert show.map([{"value": 5}, {"value": fast}, {"value": slow}]).results() == ["5", "4", "awake"]


def test_what_needs_a_failed_run_never_starts(here: Kube) -> None:
    @rw.function
    def fail() -> int:
        """Fail."""
        raise ValueError("no")

    second = square.run(x=fail.run())
    assert second.wait().error.cause == "UpstreamFailed"
    assert wait_until(lambda: len(here.kubectl("get", "jobs", "-o", "name").split()) == 1, 30), "only the one that failed is left"


CLIENT = """
import os, sys
import runwright as rw
from pathlib import Path

rw.use("kubernetes")

@rw.function
def once(folder: str = "/tmp") -> str:
    import time
    time.sleep(1)
    return "done"

run = once.run()
print(run.id, flush=True)
run.wait()
"""


@pytest.mark.parametrize("after", [0.0, 0.3, 0.5, 0.7, 0.9, 1.1, 1.5])
def test_a_killed_client_loses_nothing(here: Kube, home: Path, tmp_path: Path, after: float) -> None:
    script = tmp_path / "client.py"
    script.write_text(CLIENT)
    client = subprocess.Popen([sys.executable, str(script)], env=dict(os.environ), stdout=subprocess.PIPE, text=True)
    time.sleep(after)
    client.send_signal(signal.SIGKILL)
    client.wait()
    rw.sync()
    runs = rw.runs(project="*")
    jobs = here.kubectl("get", "jobs", "-o", "jsonpath={.items[*].metadata.name}").split()
    assert [f"rw-{run.id}" for run in runs if run.state != "ERROR"] == jobs
    for run in runs:
        if run.state == "ERROR":
            assert run.error.cause == "NotStarted"
        else:
            assert run.wait().result() == "done"
            assert run.record["attempts"] == 1
