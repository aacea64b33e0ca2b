"""The cluster goes away without a trace. These tests run after all others, and only where their session started the cluster."""

from __future__ import annotations

import contextlib
import json
import os

from tests.cluster import Cluster, processes
from tests.cluster.traces import traces


def test_up_again_changes_nothing_and_starts_what_was_killed(own_cluster: Cluster) -> None:
    before = processes.recorded()
    own_cluster.up()
    assert processes.recorded() == before
    before["kube-scheduler"].stop()
    assert not own_cluster.running
    own_cluster.up()
    assert own_cluster.running


def test_down_leaves_nothing(own_cluster: Cluster) -> None:
    assert own_cluster.before is not None
    # Pods that run, with host ports and services, so that there is something to take back.
    pod = {"metadata": {"name": "sleeper", "labels": {"app": "sleeper"}}, "apiVersion": "v1", "kind": "Pod"}
    container = {
        "name": "main",
        "image": "runwright.test/busybox:1",
        "command": ["sleep", "1000"],
        "ports": [{"containerPort": 80, "hostPort": 18080}],
    }
    own_cluster.kubectl("apply", "-f", "-", stdin=json.dumps({**pod, "spec": {"containers": [container]}}))
    own_cluster.kubectl("expose", "pod", "sleeper", "--port=80", "--type=NodePort")
    own_cluster.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "pod/sleeper")
    during = traces()
    assert during["shims"]
    assert during["mounts"] != own_cluster.before["mounts"]
    own_cluster.down()
    assert traces() == own_cluster.before
    # And once more, where nothing is left.
    own_cluster.down()
    assert traces() == own_cluster.before


def test_down_removes_what_a_crash_left(own_cluster: Cluster) -> None:
    own_cluster.up()
    own_cluster.kubectl("run", "sleeper", "--image=runwright.test/busybox:1", "--", "sleep", "1000")
    own_cluster.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "pod/sleeper")
    for reference in processes.recorded().values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(reference.pid, 9)
    assert processes.shims()
    own_cluster.down()
    assert traces() == own_cluster.before
