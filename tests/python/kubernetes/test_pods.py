"""What a run says of its pod is so, seen from inside it and from the API server."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

import runwright as rw
from runwright.exceptions import InvalidError
from tests.cluster.kube import Kube
from tests.python.kubernetes.conftest import job_of, messages, pod_of
from tests.servers.processes import wait_until


@rw.function
def who() -> dict[str, Any]:
    """Who it is, and where it can write."""
    import os

    def can_write(path: str) -> bool:
        try:
            open(path, "w").close()
        except OSError:
            return False
        return True

    return {
        "user": os.getuid(),
        "group": os.getgid(),
        "groups": os.getgroups(),
        "level": os.environ.get("LEVEL"),
        "written": [path for path in ("/usr/x", "/tmp/x", os.path.expanduser("~/x")) if can_write(path)],
    }


@pytest.fixture
def made(here: Kube) -> Iterator[Any]:
    """Makes objects that are of no namespace, and removes them."""
    names = []

    def make(kind: str, version: str, prefix: str, **fields: Any) -> str:
        name = f"{prefix}-{secrets.token_hex(3)}"
        metadata = {"name": name, **fields.pop("metadata", {})}
        here.apply({"apiVersion": version, "kind": kind, "metadata": metadata, **fields})
        names.append((kind, name))
        return name

    yield make
    for kind, name in names:
        here.kubectl("delete", kind, name, "--wait=false")


def test_user_and_groups(here: Kube) -> None:
    usual = who.run().result()
    assert (usual["user"], usual["group"]) == (10001, 10001)
    asked = who.run(run_as_user=1234, run_as_group=2345, fs_group=3456).result()
    assert (asked["user"], asked["group"]) == (1234, 2345)
    assert 3456 in asked["groups"]


def test_a_read_only_root(here: Kube) -> None:
    context = {"read_only_root_filesystem": True, "run_as_user": 4321}
    inside = who.run(security_context=context, envs={"LEVEL": "$(HOME) $$"}).result()
    assert (inside["user"], inside["level"]) == (4321, "$(HOME) $$")
    assert [path.rpartition("/")[0] for path in inside["written"]] == ["/tmp", "/runwright/home"]


def test_root_is_refused_with_the_policys_words(here: Kube) -> None:
    run = who.run(run_as_user=0)
    assert wait_until(lambda: "runAsNonRoot" in messages(run), 60), messages(run)
    run.stop()


def test_where_no_node_fits_it_waits_and_says_so(here: Kube) -> None:
    run = who.run(node_selector={"example.com/no-such": "node"})
    assert wait_until(lambda: "without the labels that node_selector=" in messages(run), 60), messages(run)
    assert run.state == "PENDING"
    assert run.stop().state == "STOPPED"
    anti = {"node_affinity": {"required_during_scheduling_ignored_during_execution": {"node_selector_terms": [
        {"match_expressions": [{"key": "kubernetes.io/os", "operator": "NotIn", "values": ["linux"]}]}]}}}  # fmt: skip
    run = who.run(affinity=anti)
    assert wait_until(lambda: "without the labels that node_selector=" in messages(run), 60), messages(run)
    run.stop()


def test_a_taint_keeps_runs_away_that_do_not_tolerate_it(here: Kube, made: Any) -> None:
    # A node without a kubelet: what is bound to it goes no further.
    node = made(
        "Node",
        "v1",
        "tainted",
        metadata={"labels": {"example.com/tainted": "yes"}},
        spec={"taints": [{"key": "example.com/gpu", "effect": "NoSchedule"}]},
    )
    capacity = {"cpu": "4", "memory": "8Gi", "pods": "10", "ephemeral-storage": "10Gi"}
    here.kubectl(
        "patch", "node", node, "--subresource=status", "-p", json.dumps({"status": {"capacity": capacity, "allocatable": capacity}})
    )
    there = {"example.com/tainted": "yes"}
    kept = who.run(node_selector=there)
    assert wait_until(lambda: "untolerated taint" in messages(kept), 60), messages(kept)
    kept.stop()
    let_in = who.run(node_selector=there, tolerations=[{"operator": "Exists"}])
    assert wait_until(lambda: pod_of(here, let_in)["spec"].get("nodeName") == node, 60)
    # Nobody there says that a pod has ended.
    here.kubectl("delete", "job", "--all", "--wait=false")
    here.kubectl("delete", "pods", "--all", "--force", "--grace-period=0")
    assert let_in.wait().error.cause == "JobDeleted"


def test_classes(here: Kube, made: Any) -> None:
    priority = made("PriorityClass", "scheduling.k8s.io/v1", "urgent", value=77, preemptionPolicy="Never")
    runtime = made("RuntimeClass", "node.k8s.io/v1", "usual", handler="runc")
    run = who.run(priority_class=priority, runtime_class=runtime)
    run.result()
    spec = pod_of(here, run)["spec"]
    assert (spec["priority"], spec["runtimeClassName"]) == (77, runtime)
    unknown = who.run(runtime_class="no-such")
    assert wait_until(lambda: 'RuntimeClass "no-such" not found' in messages(unknown), 60), messages(unknown)
    unknown.stop()


def test_resources_bound_what_it_uses(here: Kube) -> None:
    @rw.function
    def limits() -> list[str]:
        found = []
        for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
            try:
                found.append(open(path).read().strip())
            except OSError:
                continue
        return found

    run = limits.run(resources={"cpu": "500m", "mem": "128Mi", "disk": "100Mi"})
    assert str(128 * 1024 * 1024) in run.result()
    main = pod_of(here, run)["spec"]["containers"][0]
    assert main["resources"]["limits"] == main["resources"]["requests"] == {"cpu": "500m", "memory": "128Mi", "ephemeral-storage": "100Mi"}


def test_labels_annotations_and_how_long_it_stays(here: Kube) -> None:
    run = who.run(labels=["team=risk", "nightly"], annotations={"example.com/owner": "me"}, ttl=7200)
    run.result()
    job, pod = job_of(here, run), pod_of(here, run)
    for metadata in (job["metadata"], pod["metadata"]):
        assert (metadata["labels"]["team"], metadata["annotations"]["example.com/owner"]) == ("risk", "me")
    assert job["spec"]["ttlSecondsAfterFinished"] == 7200


def test_after_its_ttl_nothing_is_left_but_the_record(here: Kube) -> None:
    run = who.run(ttl=1)
    assert run.result()["user"] == 10001
    assert wait_until(lambda: here.get("jobs") == [] and here.get("pods") == [], 60)
    assert rw.attach(run.key).refresh().state == "COMPLETED"


@rw.function
def fetched() -> str:
    """What a step before it left, and who asks."""
    import os

    with open("/shared/fetched") as file:
        return file.read().strip() + " " + os.environ["NODE"]


def test_a_template_says_the_rest(here: Kube) -> None:
    def shared(**more: Any) -> dict[str, Any]:
        return {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}], **more}

    template = {
        "metadata": {"labels": {"inject": "no"}},
        "spec": {
            "automountServiceAccountToken": True,
            "restartPolicy": "OnFailure",
            "volumes": [{"name": "shared", "emptyDir": {}}],
            "init_containers": [
                shared(name="fetch", image=here.image("busybox:1"), command=["sh", "-c", "echo it > /shared/fetched"]),
                {
                    "name": "beside",
                    "image": here.image("busybox:1"),
                    "command": ["sh", "-c", "trap exit TERM; sleep 3600 & wait"],
                    "restartPolicy": "Always",
                },
            ],
            "containers": [
                shared(name="main", args=["ignored"], env=[{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}])
            ],
        },
    }
    run = fetched.run(pod_template=template)
    node = pod_of(here, run)["spec"]["nodeName"] if run.wait() else ""
    assert run.result() == f"it {node}"
    pod = pod_of(here, run)
    assert pod["metadata"]["labels"]["inject"] == "no"
    assert (pod["spec"]["automountServiceAccountToken"], pod["spec"]["restartPolicy"]) == (False, "Never")
    assert not any("serviceaccount" in mount["mountPath"] for container in pod["spec"]["containers"] for mount in container["volumeMounts"])


def test_a_sidecar_that_a_mesh_puts_first_delays_nothing(here: Kube) -> None:
    run = who.run()
    run.result()
    # The same Job again, as an admission webhook of a mesh would change it: its own sidecar stands before ours.
    template = job_of(here, run)["spec"]["template"]
    template["metadata"]["labels"] = {"of": "mesh"}
    mesh = {
        "name": "mesh",
        "image": here.image("busybox:1"),
        "command": ["sh", "-c", "trap exit TERM; sleep 3600 & wait"],
        "restartPolicy": "Always",
    }
    mesh["securityContext"] = template["spec"]["containers"][0]["securityContext"]
    template["spec"]["initContainers"].insert(0, mesh)
    here.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "meshed"}, "spec": {"template": template, "backoffLimit": 0}})
    here.kubectl("wait", "--for=condition=complete", "job/meshed", "--timeout=120s")
    (pod,) = here.get("pods", selector="of=mesh")
    restarts = {status["name"]: status["restartCount"] for status in pod["status"]["initContainerStatuses"]}
    assert restarts["results"] <= 1, "the kubelet ends the pod as soon as it was started again"


def test_an_unknown_profile_is_refused(here: Kube) -> None:
    with pytest.raises(InvalidError, match='there is no profile "gpu"'):
        who.run(profile="gpu")


def test_a_queue_lets_it_begin(here: Kube) -> None:
    run = who.run(queue="team")
    job = job_of(here, run)
    assert (job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"], job["spec"]["suspend"]) == ("team", True)
    # A stopped run must not be taken by the queue.
    assert run.stop().state == "STOPPED"
    assert "kueue.x-k8s.io/queue-name" not in job_of(here, run)["metadata"]["labels"]
    run.resume()
    job = job_of(here, run)
    assert (job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"], job["spec"]["suspend"]) == ("team", True)
    assert run.refresh().state in ("RESUME", "PENDING")
    # What the queue does when it is its turn.
    here.kubectl("patch", "job", f"rw-{run.id}", "-p", '{"spec": {"suspend": false}}')
    assert run.result()["user"] == 10001
