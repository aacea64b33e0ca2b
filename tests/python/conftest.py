"""What all tests share: a home of their own for each, and the two databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import runwright as rw
from runwright import _engine, place, session
from tests.servers.fixtures import *  # noqa: F403


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home that only this test uses; the engine is opened anew for it."""
    folder = tmp_path / "home"
    for name in ("RUNWRIGHT_STORE", "RUNWRIGHT_ARTIFACTS", "RUNWRIGHT_PROJECT", "RUNWRIGHT_RUN", "RUNWRIGHT_CONCURRENCY", "RUNWRIGHT_ON"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RUNWRIGHT_HOME", str(folder))
    monkeypatch.setattr(_engine, "_settings", {})
    monkeypatch.setattr(_engine, "_engine", None)
    monkeypatch.setattr(session, "_project", None)
    monkeypatch.setattr(place, "_default", {})
    yield folder
    _leave_nothing_running()


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The test runs against each database."""
    if request.param == "postgresql":
        monkeypatch.setenv("RUNWRIGHT_STORE", request.getfixturevalue("postgres_url"))
    yield request.param
    # Before the database goes.
    _leave_nothing_running()


def _leave_nothing_running() -> None:
    if _engine._engine is not None:
        rw.runs(project="*", open=True).stop()
        _engine._engine = None
