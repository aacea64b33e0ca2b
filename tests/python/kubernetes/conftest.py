"""What tests of runs on a cluster share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import runwright as rw
from tests.cluster.kube import Kube


@pytest.fixture
def here(home: Path, kube: Kube) -> Kube:
    """Runs go to the namespace of the test."""
    rw.use("kubernetes")
    return kube


def pod_of(kube: Kube, run: rw.Run) -> dict[str, Any]:
    """The only pod of a run, as the API server has it."""
    (pod,) = kube.get("pods", selector=f"runwright.dev/run={run.id}")
    return pod  # type: ignore[no-any-return]


def job_of(kube: Kube, run: rw.Run) -> dict[str, Any]:
    """The Job of a run."""
    return kube.get("job", f"rw-{run.id}")  # type: ignore[no-any-return]


def messages(run: rw.Run) -> str:
    """Everything that its history says."""
    return "\n".join(step.get("message") or "" for step in run.refresh().record["history"])
