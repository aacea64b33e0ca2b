"""What a node cannot provide, and what it takes away: each fault is provoked for real, and the run ends with its cause."""

from __future__ import annotations

import secrets

from runwright import exceptions
from tests.cluster.cluster import Cluster
from tests.cluster.kube import Kube
from tests.python.kubernetes.test_failures import error_of, fine, sleep, until_running

ENDS = {"disruption": False}


def test_a_secret_that_is_not_there(here: Kube) -> None:
    variable = {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "password"}}}
    template = {"spec": {"containers": [{"name": "main", "env": [variable]}]}}
    error = error_of(fine.run(pod_template=template, start_timeout=3), exceptions.ConfigurationError, "CreateContainerConfigError")
    assert "absent" in error.message
    assert error.cure


def test_a_volume_of_what_is_not_there(here: Kube) -> None:
    volume = {"volume_type": "config_map", "name": "settings", "mount_path": "/settings", "spec": {"name": "absent"}}
    error = error_of(fine.run(volumes=[volume], start_timeout=3), exceptions.MountError, "FailedMount")
    assert "absent" in error.message
    assert error.cure


def test_a_run_of_higher_priority_takes_the_place(here: Kube, local_cluster: Cluster) -> None:
    """The node has room for one of the two."""
    [node] = here.get("nodes")
    cores = int(node["status"]["allocatable"]["cpu"])
    most = {"cpu": f"{cores * 1000 - 500}m"}
    name = f"urgent-{secrets.token_hex(3)}"
    here.apply({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 1000})
    try:
        low = sleep.run(120, resources=most, recover=ENDS)
        until_running(low)
        high = fine.run(resources=most, priority_class=name)
        assert error_of(low, exceptions.PreemptedError, "Preempted").cure
        assert high.wait(timeout=120).result() == 1
    finally:
        here.kubectl("delete", "priorityclass", name, "--wait=false")


def test_a_node_that_is_closed_to_what_runs_on_it(here: Kube, local_cluster: Cluster) -> None:
    """As the cluster itself taints nodes that are not well."""
    [node] = here.get("nodes")
    taint = f"example.com/lost-{secrets.token_hex(3)}=yes:NoExecute"
    run = sleep.run(120, recover=ENDS)
    until_running(run)
    here.kubectl("taint", "node", node["metadata"]["name"], taint)
    try:
        error = error_of(run, exceptions.NodeLostError, "NodeLost")
    finally:
        here.kubectl("taint", "node", node["metadata"]["name"], f"{taint}-")
    assert "taint" in error.message
