"""Why a run does not complete: each fault is provoked for real, and becomes an exception of its own with what was said and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import runwright as rw
from runwright import exceptions
from tests.cluster.api import ApiError
from tests.cluster.cluster import Cluster
from tests.cluster.kube import Kube
from tests.cluster.named import NamedCluster
from tests.servers.processes import wait_until


@pytest.fixture
def here(home: Path, kube: Kube) -> Kube:
    """Runs go to the namespace of the test."""
    rw.use("kubernetes")
    return kube


class Refused(Exception):
    """An exception of the user's own."""

    def __init__(self, message: str, row: int) -> None:
        super().__init__(message)
        self.row = row


@rw.function
def fine() -> int:
    """Complete."""
    print("fine")
    return 1


@rw.function
def eat(mebibytes: int) -> int:
    """Use memory."""
    print("eating", flush=True)
    taken = bytearray(mebibytes << 20)
    taken[::4096] = b"x" * len(taken[::4096])
    return mebibytes


@rw.function
def raise_own() -> None:
    """Raise."""
    raise Refused("bad row", 7)


@rw.function
def leave(code: int) -> None:
    """Leave without a word."""
    import os

    print("leaving", flush=True)
    os._exit(code)


@rw.function
def crash(signal: int) -> None:
    """Die by a signal."""
    import os

    os.kill(os.getpid(), signal)


@rw.function
def sleep(seconds: float) -> str:
    """Sleep."""
    import time

    print("asleep", flush=True)
    time.sleep(seconds)
    return "awake"


@rw.function
def write(mebibytes: int) -> None:
    """Write to the disk."""
    import time

    with open("/tmp/large", "wb") as file:
        file.write(bytes(mebibytes << 20))
    time.sleep(120)


def error_of(run: rw.Run, kind: type[rw.RunError], cause: str) -> rw.RunError:
    """The error that the run ends with, which says something of each sort."""
    with pytest.raises(kind) as caught:
        run.wait(timeout=120).result()
    error = caught.value
    assert error.cause == cause
    assert error.message
    assert error.cure
    return error


def notices(run: rw.Run) -> list[str]:
    """What was noticed on the way, in its order."""
    return [step["message"] for step in run.refresh().record["history"] if step.get("message")]


def until_noticed(run: rw.Run, text: str) -> None:
    """Wait until its history says so."""
    assert wait_until(lambda: any(text in message for message in notices(run)), 60), (run.record["history"], text)


def until_running(run: rw.Run) -> None:
    """Wait until it prints."""
    assert wait_until(lambda: "asleep" in str(run.logs()), 60), run.record


def job_of(here: Kube, run: rw.Run) -> Any:
    """Its Job."""
    return here.get("job", run.record["reference"]["job"])


def pod_of(here: Kube, run: rw.Run) -> str:
    """The name of its pod."""
    return str(here.get("pods", selector=f"runwright.dev/run={run.id}")[-1]["metadata"]["name"])


# What the code does


def test_the_users_exception_comes_with_its_traceback_and_attributes(here: Kube) -> None:
    error = error_of_user(raise_own.run())
    assert error.type == "Refused"
    assert error.attributes == {"row": 7}
    assert 'raise Refused("bad row", 7)' in str(error)


def error_of_user(run: rw.Run) -> rw.RunError:
    with pytest.raises(exceptions.UserError) as caught:
        run.wait(timeout=120).result()
    return caught.value


def test_exit_codes_and_signals(here: Kube) -> None:
    left, died = leave.run(3), crash.run(11)
    error = error_of(left, exceptions.ExitCodeError, "ExitCode")
    assert error.exit_code == 3
    assert error.log == ["leaving"]
    assert error_of(died, exceptions.SignalError, "Signal").signal == "SIGSEGV"


def test_the_whole_pod_is_killed(here: Kube) -> None:
    run = sleep.run(60)
    until_running(run)
    here.kubectl("delete", "pod", pod_of(here, run), "--grace-period=1", "--wait=false")
    error = error_of(run, exceptions.DeletedError, "PodDeleted")
    assert "reproduce" in str(error.cure)


# Memory


def test_memory_that_runs_out(here: Kube) -> None:
    error = error_of(eat.run(200, resources={"mem": "64Mi"}), exceptions.OutOfMemoryError, "OutOfMemory")
    assert error.log == ["eating"]
    assert "mem" in str(error.cure)


def test_more_memory_by_itself(here: Kube) -> None:
    run = eat.run(100, resources={"mem": "48Mi"}, recover={"out_of_memory": {"factor": 2, "limit": "512Mi"}})
    assert run.wait(timeout=120).result() == 100
    said = notices(run)
    assert [words.split(" with ")[-1] for words in said] == [
        "48Mi of memory; the next one has 96Mi",
        "96Mi of memory; the next one has 192Mi",
    ]
    assert run.record["attempts"] == 3
    assert list(run.logs()) == ["eating"] * 3
    # Another client, which knows nothing, sees the same.
    rw.use("kubernetes", home=here.kubeconfig.parent / "elsewhere")
    rw.sync()
    found = rw.attach(run.key)
    assert found.result() == 100
    assert notices(found) == said
    found.delete()
    assert wait_until(lambda: not [name for name in here.objects() if not name.startswith("ConfigMap/runwright-runner")], 30), (
        here.objects()
    )


def test_no_more_memory_than_the_limit(here: Kube) -> None:
    run = eat.run(300, resources={"mem": "48Mi"}, recover={"out_of_memory": {"limit": "64Mi"}})
    assert "even with 64Mi" in error_of(run, exceptions.OutOfMemoryError, "OutOfMemory").message
    with pytest.raises(exceptions.InvalidError, match="does not say how much"):
        eat.run(1, recover={"out_of_memory": {"limit": "64Mi"}})


def test_one_of_a_fan_out_gets_more_memory(here: Kube) -> None:
    runs = eat.map(
        [{"mebibytes": 1}, {"mebibytes": 100}], resources={"mem": "48Mi"}, recover={"out_of_memory": {"factor": 5, "limit": "1Gi"}}
    )
    assert runs.results() == [1, 100]
    assert notices(runs[0]) == []
    assert len(notices(runs[1])) == 1


# Images


def test_an_image_that_is_not_there(here: Kube, local_cluster: Cluster) -> None:
    run = fine.run(image="10.244.0.1:5000/nothing:1", start_timeout=5)
    until_noticed(run, "ImagePull: the image 10.244.0.1:5000/nothing:1 cannot be pulled: the registry has no such image")
    error = error_of(run, exceptions.ImageError, "ImagePull")
    assert any("not found" in event for event in error.attributes["events"])
    assert len([message for message in notices(run) if message.startswith("ImagePull: ")]) == 1, "said once"
    assert job_of(here, run)["spec"]["suspend"], "nothing of it waits any more"
    assert wait_until(lambda: here.get("pods") == [], 30)


def test_an_image_that_comes_in_time(here: Kube, local_cluster: Cluster) -> None:
    from tests.cluster.images import _ctr

    name = f"10.244.0.1:5000/{here.namespace}/late:1"
    run = fine.run(image=name)
    until_noticed(run, "ImagePull: ")
    assert "ImagePull" in repr(run)
    _ctr("image", "push", "--plain-http", name, "runwright.test/python:3.11")
    assert run.wait(timeout=120).result() == 1


def test_an_image_without_python(here: Kube) -> None:
    error = error_of(fine.run(image=here.image("busybox:1")), exceptions.ContainerNotStartedError, "ContainerNotStarted")
    assert "python3 is not in the image" in error.message


def test_what_is_not_the_name_of_an_image(here: Kube) -> None:
    rw.use("kubernetes", image="Bad Name:1")
    error_of(fine.run(), exceptions.ImageError, "InvalidImageName")


# A place to run


def test_no_node_has_so_much(here: Kube) -> None:
    large, rare = fine.run(resources={"cpu": "64"}, pending_timeout=6), fine.run(resources={"gpu": "3"})
    until_noticed(rare, "Unschedulable: no node takes it: ")
    assert "too little nvidia.com/gpu left for the 3 that it asks for" in repr(rare)
    error = error_of(large, exceptions.UnschedulableError, "Unschedulable")
    assert "too little cpu left for the 64 that it asks for; it waited for" in error.message
    assert job_of(here, large)["spec"]["suspend"]
    assert rare.refresh().state == "PENDING", "it waits for as long as it takes"
    assert rare.stop().state == "STOPPED"


# What the cluster does not admit


def quota(here: Kube, **hard: str) -> None:
    """Let the namespace have so much, and wait until that counts."""
    here.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}, "spec": {"hard": hard}})
    assert wait_until(lambda: here.get("resourcequota", "small").get("status", {}).get("hard") == hard, 20)


def test_a_quota_makes_runs_wait_for_each_other(here: Kube) -> None:
    quota(here, **{"requests.memory": "300Mi"})
    first = sleep.run(8, resources={"mem": "200Mi"})
    until_running(first)
    second = fine.run(resources={"mem": "200Mi"})
    until_noticed(second, "QuotaExceeded: its pod is refused: exceeded quota: small")
    assert second.wait(timeout=120).result() == 1
    assert first.result() == "awake"


def test_a_quota_that_is_too_small_ends_the_run(here: Kube) -> None:
    quota(here, **{"requests.memory": "300Mi"})
    error = error_of(fine.run(resources={"mem": "400Mi"}), exceptions.NotAdmittedError, "QuotaExceeded")
    assert "requested: requests.memory" in error.message
    error = error_of(fine.run(), exceptions.NotAdmittedError, "QuotaExceeded")
    assert "must specify requests.memory" in error.message
    assert "resources=" in str(error.cure)


def test_a_limit_of_the_namespace(here: Kube) -> None:
    limits = [{"type": "Container", "max": {"memory": "128Mi"}}]
    here.apply({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"}, "spec": {"limits": limits}})
    error = error_of(fine.run(resources={"mem": "200Mi"}), exceptions.NotAdmittedError, "LimitRange")
    assert "maximum memory usage per Container is 128Mi" in error.message


@pytest.mark.parametrize("resource", ["pods", "jobs"])
def test_a_policy_of_the_clusters_own(here: Kube, resource: str) -> None:
    words = "everything says whose it is (label team)"
    name = f"{here.namespace}-{resource}"
    of = {"pods": {"apiGroups": [""]}, "jobs": {"apiGroups": ["batch"]}}[resource]
    rule = {**of, "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]}
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "has(object.metadata.labels) && 'team' in object.metadata.labels", "message": words}],
    }
    binding = {
        "policyName": name,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": here.namespace}}},
    }
    group = "admissionregistration.k8s.io/v1"
    try:
        here.apply({"apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec})
        here.apply({"apiVersion": group, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": binding})
        assert wait_until(lambda: _is_denied(here, resource), 30)
        if resource == "jobs":
            with pytest.raises(exceptions.RefusedError, match="label team") as caught:
                fine.run()
            assert caught.value.cause == "AdmissionDenied"
            assert rw.runs()[0].error.cause == "AdmissionDenied"
        else:
            assert words in error_of(fine.run(), exceptions.NotAdmittedError, "AdmissionDenied").message
            assert fine.run(labels=["team=risk"]).wait(timeout=120).result() == 1
    finally:
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            here.cluster.kubectl("delete", kind, name, check=False)


def _is_denied(here: Kube, resource: str) -> bool:
    """Whether the policy counts already, asked with something that only it refuses."""
    confined = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    pod = {
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "a", "image": "x", "securityContext": confined}],
    }
    group, spec = {"pods": ("api/v1", pod), "jobs": ("apis/batch/v1", {"template": {"spec": pod}})}[resource]
    probe = {"metadata": {"name": "probe"}, "spec": spec}
    try:
        here.api.request("POST", f"/{group}/namespaces/{here.namespace}/{resource}", probe, dryRun="All")
    except ApiError as error:
        return "label team" in str(error)
    return False


# What the cluster takes away


def evict(here: Kube, pod: str) -> None:
    """Evict a pod, as `kubectl drain` does."""
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": here.namespace}}
    here.api.request("POST", f"/api/v1/namespaces/{here.namespace}/pods/{pod}/eviction", eviction)


def test_an_evicted_run_is_started_anew(here: Kube) -> None:
    run = sleep.run(6)
    until_running(run)
    evict(here, pod_of(here, run))
    assert run.wait(timeout=120).result() == "awake"
    assert run.record["attempts"] == 2
    assert [message.split(":")[0] for message in notices(run)] == ["attempt 1 failed (Evicted"]


def test_an_evicted_run_ends_where_it_is_not_to_be_started_anew(here: Kube) -> None:
    run = sleep.run(60, recover={"disruption": False})
    until_running(run)
    evict(here, pod_of(here, run))
    error = error_of(run, exceptions.EvictedError, "Evicted")
    assert isinstance(error, exceptions.DisruptedError)


def test_more_on_the_disk_than_asked_for(here: Kube) -> None:
    error = error_of(write.run(40, resources={"disk": "8Mi"}), exceptions.EvictedError, "Evicted")
    assert "8Mi" in error.message
    assert "disk" in str(error.cure)


def test_a_job_may_take_no_longer(here: Kube) -> None:
    run = sleep.run(60)
    until_running(run)
    here.kubectl("patch", "job", run.record["reference"]["job"], "--patch", '{"spec": {"activeDeadlineSeconds": 1}}')
    assert "timeout=" in str(error_of(run, exceptions.TimedOutError, "Timeout").cure)


# What others do


def test_the_job_is_deleted_from_outside(here: Kube) -> None:
    run = sleep.run(60)
    until_running(run)
    here.kubectl("delete", "job", run.record["reference"]["job"], "--wait=false")
    error_of(run, exceptions.DeletedError, "JobDeleted")


def test_the_namespace_is_deleted(here: Kube) -> None:
    run = sleep.run(60)
    until_running(run)
    here.cluster.kubectl("delete", "namespace", here.namespace, "--wait=false")
    error_of(run, exceptions.DeletedError, "NamespaceTerminating")
    with pytest.raises(exceptions.RefusedError) as caught:
        fine.run()
    assert caught.value.cause in ("NamespaceTerminating", "NamespaceMissing", "Forbidden")


def test_what_is_forbidden_says_which_rule_is_missing(here: Kube, cluster: Cluster | NamedCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = cluster.kubeconfig_of("runwright-stranger")
    monkeypatch.setenv("KUBECONFIG", str(stranger))
    rw.use("kubernetes", namespace=here.namespace, context=_context(stranger))
    with pytest.raises(exceptions.ForbiddenError) as caught:
        fine.run()
    assert caught.value.cause == "Forbidden"
    for part in ("runwright-stranger", "apiGroups: [", "resources: [", "verbs: ["):
        assert part in str(caught.value.cure)


def _context(kubeconfig: Path) -> str:
    return str(json.loads(kubeconfig.read_text())["current-context"])


def test_a_namespace_that_is_not_there(here: Kube) -> None:
    rw.use("kubernetes", namespace="not-there")
    with pytest.raises(exceptions.RefusedError) as caught:
        fine.run()
    # Whoever has rights in one namespace only is not told which others there are.
    assert caught.value.cause == "Forbidden"
