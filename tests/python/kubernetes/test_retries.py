"""Which failures the cluster tries again, and which it does not."""

from __future__ import annotations

import runwright as rw
from tests.cluster.kube import Kube
from tests.python.kubernetes.conftest import job_of
from tests.servers.processes import wait_until


@rw.function
def fail(item: int = 0, good: int = -1) -> int:
    """Fail, but for one item."""
    if item == good:
        return item
    raise ValueError(f"no {item}")


@rw.function
def sleep(seconds: float) -> str:
    """Sleep."""
    import time

    print("asleep", flush=True)
    time.sleep(seconds)
    return "awake"


def pods_of(kube: Kube, label: str) -> list[str]:
    return [pod["metadata"]["name"] for pod in kube.get("pods", selector=label)]


def test_a_function_is_tried_again_in_its_pod_and_not_by_another(here: Kube) -> None:
    run = fail.run(retries={"limit": 2, "delay": 0.01}, backoff_limit=3)
    assert run.wait().error.type == "ValueError"
    assert run.record["attempts"] == 3
    assert len(pods_of(here, f"runwright.dev/run={run.id}")) == 1, "the runner said its last word"
    assert job_of(here, run)["status"]["conditions"][0]["reason"] == "PodFailurePolicy"


def test_a_pod_that_is_deleted_is_replaced_where_another_may_follow(here: Kube) -> None:
    run = sleep.run(seconds=2, backoff_limit=1)
    assert wait_until(lambda: "asleep" in list(run.logs()), 60)
    (first,) = pods_of(here, f"runwright.dev/run={run.id}")
    here.kubectl("delete", "pod", first, "--wait=false")
    assert run.wait().result() == "awake"


def test_an_item_of_a_fan_out_fails_alone_and_once(here: Kube) -> None:
    runs = fail.map([{"item": item} for item in range(3)], good=1, backoff_limit=2)
    runs.wait()
    assert [run.state for run in runs] == ["ERROR", "COMPLETED", "ERROR"]
    assert len(pods_of(here, "runwright.dev/function=fail")) == 3
    (job,) = here.get("jobs")
    assert (job["spec"]["backoffLimitPerIndex"], job["status"]["failedIndexes"]) == (2, "0,2")


def test_what_the_cluster_takes_away_does_not_count(here: Kube) -> None:
    run = sleep.run(seconds=2)
    assert wait_until(lambda: "asleep" in list(run.logs()), 60)
    (first,) = pods_of(here, f"runwright.dev/run={run.id}")
    eviction = f'{{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {{"name": "{first}", "namespace": "{here.namespace}"}}}}'
    here.kubectl("create", "--raw", f"/api/v1/namespaces/{here.namespace}/pods/{first}/eviction", "-f", "-", stdin=eviction)
    assert run.wait().result() == "awake"
    assert job_of(here, run)["spec"]["backoffLimit"] == 0
