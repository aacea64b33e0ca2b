"""Jobs of one container, for the cluster's own tests."""

from __future__ import annotations

import json
from typing import Any

from tests.cluster.cluster import Cluster
from tests.cluster.named import NamedCluster

RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


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


def run(cluster: Cluster | NamedCluster, namespace: str, name: str, condition: str, manifest: str) -> dict[str, Any]:
    """Create a Job, wait for a condition, and return its pod."""
    cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=manifest)
    cluster.kubectl("wait", "-n", namespace, f"--for=condition={condition}", "--timeout=120s", f"job/{name}")
    return json.loads(cluster.kubectl("get", "pods", "-n", namespace, "-l", f"job-name={name}", "-o=json"))["items"][0]
