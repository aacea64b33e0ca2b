"""Pytest fixtures, for all tests: `tests/conftest.py` has them. A test that asks for one of these is a test on a cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import availability
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ControlPlane
from tests.cluster.faultproxy import FaultProxy
from tests.cluster.kube import Kube, delete_namespace, new_namespace
from tests.cluster.named import NamedCluster
from tests.cluster.settings import NODE_IP
from tests.cluster.traces import traces
from tests.cluster.wheels import WheelIndex
from tests.servers.s3 import S3, Bucket

__all__ = ["cluster", "control_plane", "faults", "kube", "local_cluster", "namespace", "own_cluster", "pod_s3", "pod_s3_server", "wheels"]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster | NamedCluster]:
    """The cluster that KUBECONFIG names, or the one of this machine, up. One that this session started ends with it, unless
    RUNWRIGHT_KEEP_CLUSTER is set; another's stays."""
    if availability.is_named():
        named = NamedCluster(os.environ["KUBECONFIG"])
        yield named
        named.close()
        return
    if reason := availability.why_none():
        (pytest.fail if availability.in_ci() else pytest.skip)(f"no cluster: {reason}")
    cluster = Cluster()
    if cluster.running:
        yield cluster
        cluster.forget()
        return
    cluster.down()
    cluster.before = traces()
    cluster.up()
    yield cluster
    cluster.forget()
    if not os.environ.get("RUNWRIGHT_KEEP_CLUSTER"):
        cluster.down()


@pytest.fixture(scope="session")
def local_cluster(cluster: Cluster | NamedCluster) -> Cluster:
    """The cluster of this machine, for tests that look behind the API server: its registry, its etcd, its processes."""
    if isinstance(cluster, NamedCluster):
        pytest.skip("a cluster named by KUBECONFIG shows the tests only its API server")
    return cluster


@pytest.fixture
def own_cluster(local_cluster: Cluster) -> Cluster:
    """The cluster that this session started: a test may break it and take it down. Such tests run last."""
    if local_cluster.before is None:
        pytest.skip("the cluster ran before this session, which therefore does not take it down (`make cluster-down` first)")
    return local_cluster


@pytest.fixture
def namespace(cluster: Cluster | NamedCluster) -> Iterator[str]:
    """A namespace of this test, with the `restricted` Pod Security Standard enforced."""
    name = new_namespace(cluster)
    yield name
    delete_namespace(cluster, name)


@pytest.fixture
def kube(cluster: Cluster | NamedCluster, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kube:
    """The namespace, and in KUBECONFIG a user who has exactly the Role that Runwright needs there."""
    kube = Kube(cluster, namespace, tmp_path / "kubeconfig")
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig))
    monkeypatch.setenv("RUNWRIGHT_IMAGE", kube.image("python:3.11"))
    return kube


@pytest.fixture
def faults(local_cluster: Cluster, kube: Kube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """A proxy between the user of `kube` and the API server, which fails as it is told; KUBECONFIG leads to it."""
    with FaultProxy() as proxy:
        through = tmp_path / "kubeconfig-through-proxy"
        proxy.write_kubeconfig(kube.kubeconfig, through)
        monkeypatch.setenv("KUBECONFIG", str(through))
        yield proxy


@pytest.fixture
def control_plane(local_cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlPlane]:
    """An etcd and an API server of this test, to which KUBECONFIG leads; nothing executes what they hold."""
    with ControlPlane(tmp_path / "control-plane") as plane:
        monkeypatch.setenv("KUBECONFIG", str(plane.kubeconfig))
        yield plane


@pytest.fixture
def wheels(local_cluster: Cluster) -> Iterator[WheelIndex]:
    """A package index of this test that pods reach, with a package in two versions."""
    with WheelIndex() as wheels:
        wheels.make("rw-test-hello", "1.0", "greeting = 'hello'\n")
        wheels.make("rw-test-hello", "2.0", "greeting = 'good day'\n")
        yield wheels


@pytest.fixture(scope="session")
def pod_s3_server(local_cluster: Cluster) -> Iterator[S3]:
    """The session's S3 server that pods reach."""
    with S3(address=NODE_IP) as server:
        yield server


@pytest.fixture
def pod_s3(pod_s3_server: S3) -> Iterator[Bucket]:
    """A bucket of this test, which pods and this machine reach by the same URLs."""
    with pod_s3_server.fresh_bucket() as bucket:
        yield bucket
