"""A store that was lost is given back from what is beside it."""

from __future__ import annotations

import runwright as rw
from runwright import _engine


def test_runs_come_back_with_the_versions_that_reproduce_them(home, add):
    run = add.run(2, b=5).wait()
    for path in home.glob("runwright.db*"):
        path.unlink()
    _engine._engine = None
    assert rw.sync()["found"] == 1
    found = rw.attach(run.key)
    assert found.result() == 7
    assert found.function.version == run.version
    assert "adding" in found.function.source
    assert found.reproduce(wait=True).result() == 7


def test_nothing_of_a_deleted_project_stays(home, add):
    rw.use(project="gone")
    add.run(1).wait()
    rw.delete_project("gone")
    left = [path for path in home.rglob("*gone*") if "runwright.db" not in path.name]
    assert left == []
