"""etcd has no room any more: the API server gives what is there and takes nothing. Nothing is left half-made, and it is said what to do."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import runwright as rw
from runwright.exceptions import RefusedError
from tests.cluster.control_plane import ControlPlane


@rw.function
def square(x: int) -> int:
    """The square."""
    return x * x


def test_etcd_is_full(control_plane: ControlPlane, home: Path) -> None:
    rw.use("kubernetes")
    first = square.run(x=1)
    before = control_plane.names("jobs"), control_plane.names("configmaps"), control_plane.names("secrets")
    control_plane.alarm("ACTIVATE")
    began = time.monotonic()
    for action in (lambda: square.run(x=2), lambda: square.map([{"x": 3}, {"x": 4}]), first.stop):
        with pytest.raises(RefusedError, match="database space exceeded") as caught:
            action()
        assert caught.value.cause == "StorageFull"
        assert "etcd" in str(caught.value.cure)
    assert time.monotonic() - began < 30, "nobody waits in vain"
    assert (control_plane.names("jobs"), control_plane.names("configmaps"), control_plane.names("secrets")) == before
    assert [run.error.cause for run in rw.runs(state="ERROR")] == ["StorageFull"] * 3
    control_plane.alarm("DEACTIVATE")
    run = square.run(x=5)
    assert f"rw-{run.id}" in control_plane.names("jobs")
    assert first.stop().state == "STOPPED"
