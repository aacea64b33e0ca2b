"""Pytest fixtures: `from tests.cluster.fixtures import *` in a conftest.py."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest

from tests.cluster.cluster import Cluster

__all__ = ["cluster", "namespace"]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster, up. One that this session started ends with it, unless RUNWRIGHT_KEEP_CLUSTER is set; another's stays."""
    if os.geteuid() != 0:
        pytest.skip("the cluster needs root")
    cluster = Cluster()
    ours = not cluster.running
    cluster.up()
    yield cluster
    if ours and not os.environ.get("RUNWRIGHT_KEEP_CLUSTER"):
        cluster.down()


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of this test, with the `restricted` Pod Security Standard enforced."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield name
    # Without waiting: nothing else will use the name.
    cluster.kubectl("delete", "namespace", name, "--wait=false")
