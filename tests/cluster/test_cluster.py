"""The cluster for tests is a real one, and goes away without a trace."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster, network, processes, teardown
from tests.cluster.settings import BRIDGE, STATE
from tests.servers.processes import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the cluster needs root")

RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


# Folders that Kubernetes or containerd make, ours and their defaults.
MAKES = (
    str(STATE),
    *("/var/log/containers", "/var/log/pods", "/var/lib/cni", "/var/lib/kubelet", "/var/lib/containerd", "/var/lib/buildkit"),
    *("/run/containerd", "/run/buildkit", "/var/run/netns", "/var/run/kubernetes", "/opt/containerd", "/opt/cni", "/etc/cni"),
    *("/usr/libexec/kubernetes", "/tmp/hostpath_pv"),
)


def traces() -> dict[str, object]:
    """Everything of a cluster that could stay on the machine."""
    interfaces = {path.name for path in Path("/sys/class/net").iterdir()}
    return {
        "processes": processes.mentioning(str(STATE)),
        "shims": processes.shims(),
        "mounts": [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()],
        "interfaces": {name for name in interfaces if name == BRIDGE or name.startswith("veth")},
        "rules": network.rules("iptables"),
        "rules of IPv6": network.rules("ip6tables"),
        "kernel settings": network.read_sysctls(),
        "control groups": teardown.control_groups(),
        "files": [path for path in MAKES if Path(path).exists()],
    }


@pytest.fixture(scope="module")
def before() -> dict[str, object]:
    """The machine without a cluster."""
    Cluster().down()
    return traces()


@pytest.fixture(scope="module")
def cluster(before: dict[str, object]) -> Iterator[Cluster]:
    """A cluster of these tests' own, which the last of them ends."""
    cluster = Cluster()
    cluster.up()
    yield cluster
    cluster.down()


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> str:
    """One namespace for all tests here, restricted."""
    cluster.kubectl("create", "namespace", "restricted")
    cluster.kubectl("label", "namespace", "restricted", "pod-security.kubernetes.io/enforce=restricted")
    assert wait_until(lambda: cluster.kubectl("get", "-n", "restricted", "serviceaccount", "default", "-o=name", check=False) != "", 20)
    return "restricted"


def job(name: str, image: str, command: list[str], **container: object) -> str:
    """A Job of one container that passes the restricted standard."""
    pod = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "containers": [{"name": "main", "image": image, "command": command, "securityContext": RESTRICTED, **container}],
    }
    return json.dumps(
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": {"spec": pod}}}
    )


def run(cluster: Cluster, namespace: str, name: str, condition: str, manifest: str) -> dict[str, Any]:
    """Create a Job, wait for a condition, and return its pod."""
    cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=manifest)
    cluster.kubectl("wait", "-n", namespace, f"--for=condition={condition}", "--timeout=120s", f"job/{name}")
    return json.loads(cluster.kubectl("get", "pods", "-n", namespace, "-l", f"job-name={name}", "-o=json"))["items"][0]


@pytest.mark.parametrize("version", ["3.9", "3.11", "3.13"])
def test_a_job_completes_with_each_python(cluster: Cluster, namespace: str, version: str) -> None:
    name = f"python-{version.replace('.', '-')}"
    # venv and pip are what users' images have; ssl and sqlite3 what a minimal Python lacks.
    code = "import sys, ssl, sqlite3, venv, pip, tempfile; print('.'.join(map(str, sys.version_info[:2]))); tempfile.mkdtemp()"
    run(cluster, namespace, name, "complete", job(name, f"runwright.test/python:{version}", ["python", "-c", code]))
    assert cluster.kubectl("logs", "-n", namespace, f"job/{name}").strip() == version


def test_pods_that_are_not_restricted_are_refused(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(RuntimeError, match="violates PodSecurity"):
        cluster.kubectl("run", "-n", namespace, "root", "--image=runwright.test/busybox:1")


def test_pods_reach_services_and_the_api_server_by_name(cluster: Cluster, namespace: str) -> None:
    labels = {"app": "web"}
    server = {
        "name": "web",
        "image": "runwright.test/python:3.13",
        "command": ["python", "-m", "http.server", "8080", "--directory", "/etc"],
        "readinessProbe": {"httpGet": {"port": 8080, "path": "/hostname"}, "periodSeconds": 1},
        "securityContext": RESTRICTED,
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [server]}},
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    for thing in (deployment, service):
        cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(thing))
    cluster.kubectl("rollout", "status", "-n", namespace, "deployment/web", "--timeout=120s")
    # The API server's certificate is checked with the authority that every pod with a token gets.
    code = """
import ssl, time, urllib.request
for attempt in range(50):
    try:
        print(urllib.request.urlopen("http://web/hostname", timeout=2).read().decode().startswith("web-"))
        break
    except OSError as error:
        last = error
        time.sleep(0.2)
else:
    raise last
context = ssl.create_default_context(cafile="/authority/ca.crt")
print(urllib.request.urlopen("https://kubernetes.default.svc/version", context=context, timeout=10).status)
"""
    manifest = json.loads(job("client", "runwright.test/python:3.13", ["python", "-c", code]))
    pod = manifest["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": "authority", "configMap": {"name": "kube-root-ca.crt"}}]
    pod["containers"][0]["volumeMounts"] = [{"name": "authority", "mountPath": "/authority"}]
    run(cluster, namespace, "client", "complete", json.dumps(manifest))
    assert cluster.kubectl("logs", "-n", namespace, "job/client").split() == ["True", "200"]


def test_a_container_out_of_memory_is_killed_as_such(cluster: Cluster, namespace: str) -> None:
    manifest = job(
        "hungry",
        "runwright.test/python:3.11",
        ["python", "-c", "x = bytearray(512 << 20)"],
        resources={"limits": {"memory": "64Mi", "cpu": "1"}},
    )
    pod = run(cluster, namespace, "hungry", "failed", manifest)
    terminated = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (terminated["reason"], terminated["exitCode"]) == ("OOMKilled", 137)


def test_a_claim_gets_a_volume(cluster: Cluster, namespace: str) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(claim))
    manifest = json.loads(job("writer", "runwright.test/busybox:1", ["sh", "-c", "echo kept > /data/file; cat /data/file"]))
    pod = manifest["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    pod["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    run(cluster, namespace, "writer", "complete", json.dumps(manifest))
    assert cluster.kubectl("logs", "-n", namespace, "job/writer").strip() == "kept"


def test_a_pod_runs_what_buildkit_built_and_pushed(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    from tests.cluster.binaries import binary

    base = cluster.push("busybox:1")
    (tmp_path / "Dockerfile").write_text(f'FROM {base}\nRUN echo built > /built\nCMD ["cat", "/built"]\n')
    image = f"{cluster.registry}/built:1"
    metadata = tmp_path / "metadata.json"
    subprocess.run(
        [
            binary("buildctl"), "--addr", cluster.buildkit, "build", "--progress=plain", "--frontend=dockerfile.v0",
            f"--local=context={tmp_path}", f"--local=dockerfile={tmp_path}", f"--output=type=image,name={image},push=true",
            f"--metadata-file={metadata}",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    pod = run(cluster, namespace, "built", "complete", job("built", image, ["cat", "/built"]))
    assert cluster.kubectl("logs", "-n", namespace, "job/built").strip() == "built"
    digest = json.loads(metadata.read_text())["containerimage.digest"]
    assert pod["status"]["containerStatuses"][0]["imageID"].endswith(digest)


def test_a_user_has_only_the_rights_that_were_given(cluster: Cluster, namespace: str) -> None:
    kubeconfig = cluster.kubeconfig_of("ada", "scientists")
    with pytest.raises(RuntimeError, match="forbidden"):
        cluster.kubectl("get", "jobs", "-n", namespace, kubeconfig=kubeconfig)
    cluster.kubectl("create", "rolebinding", "-n", namespace, "scientists", "--clusterrole=view", "--group=scientists")
    assert wait_until(lambda: "python" in cluster.kubectl("get", "jobs", "-n", namespace, kubeconfig=kubeconfig, check=False), 10)


def test_requests_can_be_counted(cluster: Cluster) -> None:
    since = cluster.audit_log.stat().st_size
    for _ in range(3):
        cluster.kubectl("get", "--raw", "/api/v1/namespaces/default/configmaps?limit=7")
    asked = [entry for entry in cluster.requests(since) if "limit=7" in str(entry["requestURI"])]
    assert [(entry["verb"], entry["user"]["username"]) for entry in asked] == [("list", "admin")] * 3


def test_up_again_changes_nothing_and_starts_what_was_killed(cluster: Cluster) -> None:
    before = processes.recorded()
    began = time.monotonic()
    cluster.up()
    assert time.monotonic() - began < 20 or os.getloadavg()[0] > 4
    assert processes.recorded() == before
    before["kube-scheduler"].stop()
    assert not cluster.running
    cluster.up()
    assert cluster.running


def test_down_leaves_nothing(cluster: Cluster, before: dict[str, object]) -> None:
    # Pods that run, with host ports and services, so that there is something to take back.
    pod = {"metadata": {"name": "sleeper", "labels": {"app": "sleeper"}}, "apiVersion": "v1", "kind": "Pod"}
    container = {
        "name": "main",
        "image": "runwright.test/busybox:1",
        "command": ["sleep", "1000"],
        "ports": [{"containerPort": 80, "hostPort": 18080}],
    }
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps({**pod, "spec": {"containers": [container]}}))
    cluster.kubectl("expose", "pod", "sleeper", "--port=80", "--type=NodePort")
    cluster.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "pod/sleeper")
    during = traces()
    assert during["shims"]
    assert during["mounts"] != before["mounts"]
    cluster.down()
    assert traces() == before
    # And once more, where nothing is left.
    cluster.down()
    assert traces() == before


def test_down_removes_what_a_crash_left(before: dict[str, object]) -> None:
    cluster = Cluster()
    cluster.up()
    cluster.kubectl("run", "sleeper", "--image=runwright.test/busybox:1", "--", "sleep", "1000")
    cluster.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "pod/sleeper")
    for reference in processes.recorded().values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(reference.pid, 9)
    assert processes.shims()
    cluster.down()
    assert traces() == before
