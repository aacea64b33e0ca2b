"""What a run's record says of where it really executed, held against the objects of the cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

import runwright as rw
from tests.cluster.kube import Kube


@pytest.fixture(autouse=True)
def on_kubernetes(kube: Kube, home: Path) -> None:
    rw.use("kubernetes", home=home)


@rw.function
def work(fail: bool = False) -> int:
    if fail:
        raise ValueError("as asked")
    return 1


def of_cluster(kube: Kube, run: rw.Run) -> dict:
    [job] = kube.get("jobs", selector=f"runwright.dev/run={run.id}")
    [pod] = kube.get("pods", selector=f"runwright.dev/run={run.id}")
    statuses = pod["status"]["initContainerStatuses"] + pod["status"]["containerStatuses"]
    return {
        "job": {"name": job["metadata"]["name"], "uid": job["metadata"]["uid"]},
        "pod": {"name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]},
        "node": pod["spec"]["nodeName"],
        "images": {status["name"]: status["imageID"] for status in statuses},
    }


@pytest.mark.parametrize("fail", [False, True])
def test_job_pod_node_and_images_are_those_of_the_cluster(kube: Kube, fail: bool) -> None:
    run = work.run(fail).wait()
    told = of_cluster(kube, run)
    assert {name: run.provenance[name] for name in told} == told
    assert set(told["images"]) == {"main", "results"}
    assert all("sha256:" in image for image in told["images"].values())
    # What the client knew of itself stays.
    assert run.provenance["host"]


def test_it_is_there_while_the_run_goes_on_and_after_the_pod_is_gone(kube: Kube) -> None:
    @rw.function
    def slow() -> None:
        import time

        print("begun", flush=True)
        time.sleep(600)

    run = slow.run()
    next(iter(run.logs(follow=True)))
    assert run.state == "RUNNING"
    told = of_cluster(kube, run)
    assert {name: run.provenance[name] for name in told} == told
    kube.kubectl("delete", "job", told["job"]["name"])
    assert run.wait(60).provenance["images"] == told["images"]


def test_two_runs_differ_by_their_images_and_not_by_their_pods(kube: Kube) -> None:
    one, same, other = work.run(), work.run(), work.run(image=kube.image("python:3.13"))
    for run in (one, same, other):
        run.wait()
    assert [difference["path"] for difference in rw.diff(one, same)] == []
    paths = {difference["path"] for difference in rw.diff(one, other)}
    assert {"provenance.images.main", "provenance.images.results"} <= paths
