"""The cluster for tests is a real one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cluster import Cluster
from tests.cluster.binaries import binary
from tests.cluster.named import NamedCluster
from tests.cluster.pods import RESTRICTED, job, run
from tests.servers.processes import wait_until


@pytest.mark.parametrize("version", ["3.9", "3.11", "3.13"])
def test_a_job_completes_with_each_python(cluster: Cluster | NamedCluster, namespace: str, version: str) -> None:
    name = f"python-{version.replace('.', '-')}"
    # venv and pip are what users' images have; ssl and sqlite3 what a minimal Python lacks.
    code = "import sys, ssl, sqlite3, venv, pip, tempfile; print('.'.join(map(str, sys.version_info[:2]))); tempfile.mkdtemp()"
    run(cluster, namespace, name, "complete", job(name, cluster.image(f"python:{version}"), ["python", "-c", code]))
    assert cluster.kubectl("logs", "-n", namespace, f"job/{name}").strip() == version


def test_pods_that_are_not_restricted_are_refused(cluster: Cluster | NamedCluster, namespace: str) -> None:
    with pytest.raises(RuntimeError, match="violates PodSecurity"):
        cluster.kubectl("run", "-n", namespace, "root", f"--image={cluster.image('busybox:1')}")


def test_pods_reach_services_and_the_api_server_by_name(cluster: Cluster | NamedCluster, namespace: str) -> None:
    labels = {"app": "web"}
    server = {
        "name": "web",
        "image": cluster.image("python:3.13"),
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
    manifest = json.loads(job("client", cluster.image("python:3.13"), ["python", "-c", code]))
    pod = manifest["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": "authority", "configMap": {"name": "kube-root-ca.crt"}}]
    pod["containers"][0]["volumeMounts"] = [{"name": "authority", "mountPath": "/authority"}]
    run(cluster, namespace, "client", "complete", json.dumps(manifest))
    assert cluster.kubectl("logs", "-n", namespace, "job/client").split() == ["True", "200"]


def test_a_container_out_of_memory_is_killed_as_such(cluster: Cluster | NamedCluster, namespace: str) -> None:
    manifest = job(
        "hungry",
        cluster.image("python:3.11"),
        ["python", "-c", "x = bytearray(512 << 20)"],
        resources={"limits": {"memory": "64Mi", "cpu": "1"}},
    )
    pod = run(cluster, namespace, "hungry", "failed", manifest)
    terminated = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (terminated["reason"], terminated["exitCode"]) == ("OOMKilled", 137)


def test_a_claim_gets_a_volume(cluster: Cluster | NamedCluster, namespace: str) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(claim))
    manifest = json.loads(job("writer", cluster.image("busybox:1"), ["sh", "-c", "echo kept > /data/file; cat /data/file"]))
    pod = manifest["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    pod["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    run(cluster, namespace, "writer", "complete", json.dumps(manifest))
    assert cluster.kubectl("logs", "-n", namespace, "job/writer").strip() == "kept"


def test_a_pod_runs_what_buildkit_built_and_pushed(local_cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    base = local_cluster.push("busybox:1")
    (tmp_path / "Dockerfile").write_text(f'FROM {base}\nRUN echo built > /built\nCMD ["cat", "/built"]\n')
    image = f"{local_cluster.registry}/built:1"
    metadata = tmp_path / "metadata.json"
    subprocess.run(
        [
            binary("buildctl"), "--addr", local_cluster.buildkit, "build", "--progress=plain", "--frontend=dockerfile.v0",
            f"--local=context={tmp_path}", f"--local=dockerfile={tmp_path}", f"--output=type=image,name={image},push=true",
            f"--metadata-file={metadata}",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    pod = run(local_cluster, namespace, "built", "complete", job("built", image, ["cat", "/built"]))
    assert local_cluster.kubectl("logs", "-n", namespace, "job/built").strip() == "built"
    digest = json.loads(metadata.read_text())["containerimage.digest"]
    assert pod["status"]["containerStatuses"][0]["imageID"].endswith(digest)


def test_an_image_that_was_pulled_from_the_registry_keeps_its_other_name(local_cluster: Cluster, namespace: str) -> None:
    pulled = job("pulled", local_cluster.push("busybox:1"), ["true"], imagePullPolicy="Always")
    run(local_cluster, namespace, "pulled", "complete", pulled)
    run(local_cluster, namespace, "imported", "complete", job("imported", local_cluster.image("busybox:1"), ["true"]))


def test_a_user_has_only_the_rights_that_were_given(cluster: Cluster | NamedCluster, namespace: str) -> None:
    kubeconfig = cluster.kubeconfig_of("ada", "scientists")
    with pytest.raises(RuntimeError, match="forbidden"):
        cluster.kubectl("get", "jobs", "-n", namespace, kubeconfig=kubeconfig)
    cluster.kubectl("create", "rolebinding", "-n", namespace, "scientists", "--clusterrole=view", "--group=scientists")
    asked = ["auth", "can-i", "-n", namespace]
    assert wait_until(lambda: "yes" in cluster.kubectl(*asked, "list", "jobs", kubeconfig=kubeconfig, check=False), 10)
    assert "no" in cluster.kubectl(*asked, "create", "jobs", kubeconfig=kubeconfig, check=False)
