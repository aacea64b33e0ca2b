"""What others do by hand in the namespace: objects of our names, edited and deleted ones, odd ones with our labels, quotas."""

from __future__ import annotations

import json
import random
import threading
from pathlib import Path
from typing import Any

import pytest

import runwright as rw
from runwright import _engine
from runwright.exceptions import ConflictError
from tests.cluster.faultproxy import FaultProxy
from tests.cluster.kube import Kube
from tests.servers.processes import wait_until

OURS = "app.kubernetes.io/managed-by"


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
def square(x: int, seconds: float = 0.0) -> int:
    """The square, after a while."""
    import time

    time.sleep(seconds)
    return x * x


def running(run: rw.Run) -> rw.Run:
    """It, when its code has begun."""
    assert wait_until(lambda: run.refresh().state == "RUNNING", 60), run
    return run


def how(run: rw.Run) -> tuple[str, str | None]:
    """How it ended, and of what."""
    run.wait(60)
    return run.state, run.error.cause if run.error else None


def patch(kube: Kube, kind: str, name: str, change: dict[str, Any]) -> None:
    """Change an object by hand."""
    kube.kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(change))


def pod_of(kube: Kube, run: rw.Run) -> str:
    """The name of its pod."""
    return str(kube.get("pods", selector=f"batch.kubernetes.io/job-name=rw-{run.id}")[-1]["metadata"]["name"])


def test_objects_are_edited_and_deleted(here: Kube, tmp_path: Path) -> None:
    unlabelled, nameless, paused, deleted, killed, waiting = (square.run(x=number, seconds=8) for number in range(2, 8))
    early = square.run(x=9)
    for run in (unlabelled, nameless, paused, deleted, killed, waiting):
        running(run)
    # Nobody's watch tells of it any more.
    patch(here, "job", f"rw-{unlabelled.id}", {"metadata": {"labels": {OURS: None, "runwright.dev/run": None}}})
    patch(here, "pod", pod_of(here, nameless), {"metadata": {"labels": {OURS: None}}})
    patch(here, "job", f"rw-{paused.id}", {"spec": {"suspend": True}})
    here.kubectl("delete", "job", f"rw-{deleted.id}")
    here.kubectl("delete", "pod", pod_of(here, killed), "--grace-period=0", "--force")
    assert wait_until(lambda: "suspended its Job" in str(paused.refresh().record["history"]), 30), paused.record["history"]
    assert paused.state == "RUNNING"
    patch(here, "job", f"rw-{paused.id}", {"spec": {"suspend": False}})
    assert how(deleted) == ("ERROR", "JobDeleted")
    assert how(killed) == ("ERROR", "PodDeleted")
    assert [run.wait(60).result() for run in (unlabelled, nameless, paused, waiting, early)] == [4, 9, 16, 49, 81]
    assert here.get("job", f"rw-{unlabelled.id}")["metadata"]["labels"][OURS] == "runwright", "it is found again by others"
    # Another client comes when a pod is gone, with the only copy of what it returned.
    here.kubectl("delete", "pod", pod_of(here, early), "--grace-period=0", "--force")
    another_client(tmp_path / "other")
    assert how(rw.attach(early.key)) == ("ERROR", "ResultsLost"), "not a wrong result"
    assert rw.attach(unlabelled.key).wait(60).result() == 4


def test_others_have_our_names(here: Kube, tmp_path: Path) -> None:
    noise = random.Random(7).randbytes(90_000).hex()
    code = f"def handler():\n    return len({noise!r})\n"
    project = rw.get_or_create_project("collisions")
    function = project.new_function(name="large", kind="python", code=code, handler="handler")
    run = function.run(action="job", wait=True)
    assert run.state == "COMPLETED"
    maps = {map["metadata"]["name"] for map in here.get("configmaps") if map["metadata"]["name"].startswith("runwright-")}
    assert len(maps) == 2
    run.delete()
    jobs = here.get("jobs")
    for name in maps:
        here.kubectl("delete", "configmap", name, "--ignore-not-found")
        here.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"mine": "precious"}})
        another_client(tmp_path / name)
        project = rw.get_or_create_project("collisions")
        function = project.new_function(name="large", kind="python", code=code, handler="handler")
        with pytest.raises(ConflictError, match=f"ConfigMap {name} is there already .* not Runwright's"):
            function.run(action="job")
        assert [how(run) for run in rw.runs(project="*")] == [("ERROR", "NotStarted")]
        assert wait_until(lambda: here.get("jobs") == jobs, 20), "nothing of it stays"
        theirs = here.get("configmap", name)
        assert theirs["data"] == {"mine": "precious"}
        assert "ownerReferences" not in theirs["metadata"], "it does not go when a run goes"
        here.kubectl("delete", "configmap", name)


def test_another_job_has_the_name_of_a_run(here: Kube, faults: FaultProxy) -> None:
    square.run(x=1).wait(60)
    faults.answer(500, method="POST", path=r"/jobs\?", times=3)
    failed: list[Exception] = []

    def submit() -> None:
        try:
            square.run(x=2)
        except Exception as error:
            failed.append(error)

    threading.Thread(target=submit).start()
    assert wait_until(lambda: any(request.status == 500 for request in faults.seen), 20)
    [run] = [run for run in rw.runs() if run.state == "CREATED"]
    container = {"name": "theirs", "image": here.image("busybox:1")}
    pod = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    here.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": f"rw-{run.id}"}, "spec": {"suspend": True, "template": pod}})
    assert wait_until(lambda: failed != [], 30)
    assert isinstance(failed[0], ConflictError)
    assert how(run.refresh()) == ("ERROR", "NotStarted")
    assert here.get("job", f"rw-{run.id}")["spec"]["suspend"] is True, "theirs is not touched"


def test_odd_objects_hide_nothing(here: Kube, tmp_path: Path) -> None:
    labels = {OURS: "runwright"}
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none:1"}]}
    # Those of Jobs that look like ours, but that nobody of ours has made.
    odd = [
        {},
        {"runwright.dev/run": "z:?", "runwright.dev/items": "[]"},
        {"runwright.dev/run": '{"record": "x"}', "runwright.dev/items": "{}"},
        {"runwright.dev/run": '{"record": {"spec": {}}}', "runwright.dev/items": "[1]"},
    ]
    names = [f"rw-0190aaaa-0000-7000-8000-00000000000{number}" for number in range(len(odd))]
    for name, carried in [*zip(names, odd, strict=True), ("rw-nonsense", {})]:
        metadata = {"name": name, "labels": labels, "annotations": {"runwright.dev/stopped": "yesterday"}}
        spec = {
            "suspend": True,
            "completionMode": "Indexed",
            "completions": 2,
            "template": {"metadata": {"annotations": carried}, "spec": pod},
        }
        here.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec})
    shared = {"name": "runwright-runner-x", "labels": {**labels, "runwright.dev/shared": "y"}}
    here.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": shared})
    for number in range(3):
        run = square.run(x=number)
        # A time that not every program can read.
        when = {"firstTimestamp": "9999-12-31T23:59:59Z", "lastTimestamp": "9999-12-31T23:59:59Z"}
        about = {"involvedObject": {"kind": "Job", "name": f"rw-{run.id}", "namespace": here.namespace}}
        said = {"reason": "Odd", "type": "Warning", "message": "x" * 900}
        here.apply({"apiVersion": "v1", "kind": "Event", "metadata": {"name": f"odd-{number}"}, **about, **said, **when})
        assert run.wait(60).result() == number**2
    another_client(tmp_path / "other")
    assert rw.sync()["found"] == 3
    assert sorted(run.wait(60).result() for run in rw.runs(project="*")) == [0, 1, 4]
