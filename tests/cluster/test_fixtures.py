"""What the fixtures promise to tests of Runwright."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.kube import Kube
from tests.cluster.named import NamedCluster


@pytest.fixture
def as_user(kube: Kube):
    """Run kubectl as the user of the test, with nothing but KUBECONFIG's file."""
    return lambda *arguments: kube.cluster.kubectl(*arguments, kubeconfig=kube.kubeconfig)


def test_the_user_may_do_what_the_role_says_and_nothing_else(kube: Kube, as_user) -> None:
    as_user("create", "configmap", "mine", "--from-literal=key=value")
    assert kube.get("configmap", "mine")["data"] == {"key": "value"}
    for forbidden in (["get", "configmaps", "-n", "default"], ["create", "serviceaccount", "more"], ["get", "secrets"], ["get", "nodes"]):
        with pytest.raises(RuntimeError, match="orbidden"):
            as_user(*forbidden)


def test_the_kubeconfig_is_the_environments(kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    assert os.environ["KUBECONFIG"] == str(kube.kubeconfig)
    assert os.environ["RUNWRIGHT_IMAGE"] == kube.image("python:3.11")
    assert json.loads(kube.kubeconfig.read_text())["current-context"] == kube.context


def test_objects_lists_everything_but_what_every_namespace_has(kube: Kube, as_user) -> None:
    assert kube.objects() == []
    as_user("create", "configmap", "mine")
    kube.kubectl("create", "serviceaccount", "robot")
    kube.kubectl("create", "secret", "generic", "token", "--from-literal=key=value")
    assert kube.objects() == ["ConfigMap/mine", "Secret/token", "ServiceAccount/robot"]


def test_etcd_shows_the_value_of_a_secret(local_cluster: Cluster, kube: Kube) -> None:
    kube.kubectl("create", "secret", "generic", "token", "--from-literal=key=open-sesame")
    assert [key for key, value in kube.etcd_dump().items() if b"open-sesame" in value] == [f"/registry/secrets/{kube.namespace}/token"]


def test_requests_are_the_users_since_the_test_began(local_cluster: Cluster, kube: Kube, as_user) -> None:
    kube.kubectl("get", "configmaps")
    assert kube.requests() == []
    as_user("get", "--raw", f"/api/v1/namespaces/{kube.namespace}/pods?limit=7")
    assert [(entry["verb"], entry["objectRef"]["resource"]) for entry in kube.requests()] == [("list", "pods")]


@pytest.fixture
def named(local_cluster: Cluster, tmp_path: Path) -> Iterator[NamedCluster]:
    """This machine's cluster as one that somebody named."""
    copy = tmp_path / "somebodys"
    copy.write_bytes(local_cluster.kubeconfig.read_bytes())
    named = NamedCluster(str(copy))
    yield named
    named.close()


def test_a_named_cluster_signs_the_users_certificate(named: NamedCluster, kube: Kube, tmp_path: Path) -> None:
    config = named.kubeconfig_of("somebody", "scientists")
    assert "scientists" in named.kubectl("auth", "whoami", kubeconfig=config)
    with pytest.raises(RuntimeError, match="orbidden"):
        named.kubectl("get", "pods", kubeconfig=config)


def test_a_named_cluster_says_what_it_cannot_show(named: NamedCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNWRIGHT_TEST_REGISTRY", raising=False)
    assert named.image("python:3.9") == "python:3.9"
    with pytest.raises(pytest.skip.Exception, match="science"):
        named.image("science:3.11")
    with pytest.raises(pytest.skip.Exception, match="audit log"):
        named.audit_log.stat()
    monkeypatch.setenv("RUNWRIGHT_TEST_REGISTRY", "registry.test/mirror")
    assert named.image("science:3.11") == "registry.test/mirror/science:3.11"
