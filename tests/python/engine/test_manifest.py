"""What would be handed over, and what was, on this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import runwright as rw
from runwright import _core, exceptions

SECRET = "open-sesame-7316"


@rw.function
def work(data, scale: float = 2.0):
    return len(data)


def test_a_dry_run_is_what_the_runner_would_read_and_no_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    manifests = work.run(bytes(5000), scale=3.0, secrets=["TOKEN"], timeout=60, dry_run=True)
    [frozen] = manifests
    assert (frozen["function"], frozen["parameters"], frozen["timeout"]) == ("work", {"scale": 3.0}, 60.0)
    assert SECRET not in str(manifests)
    assert _core.from_yaml(str(manifests)) == frozen
    assert len(rw.runs(project="*")) == 0
    assert not [path for name in ("runs", "queue", "staging") for path in (home / name).glob("*")]


def test_a_dry_run_of_many(home: Path) -> None:
    manifests = work.map([{"data": "a"}, {"data": "b"}], dry_run=True)
    assert [one["parameters"]["data"] for one in manifests] == ["a", "b"]
    with pytest.raises(exceptions.InvalidError, match=r"items\[1\]"):
        work.map([{"data": "a"}, {"data": "b", "scale": "no number"}], dry_run=True)
    assert len(rw.runs(project="*")) == 0


def test_what_is_wrong_is_told(home: Path) -> None:
    with pytest.raises(exceptions.InvalidError, match="scale"):
        work.run("a", scale="no number", dry_run=True)
    with pytest.raises(exceptions.InvalidError, match="contradict"):
        work.run("a", inline=True, dry_run=True)
    with pytest.raises(exceptions.InvalidError, match="dry_run='yes'"):
        work.run("a", dry_run="yes")


def test_long_texts_are_cut_where_they_are_only_looked_at(home: Path) -> None:
    manifests = work.run("x" * 10_000, dry_run=True)
    assert len(str(manifests)) > 10_000 > len(repr(manifests))
    assert "(10,000 characters)" in repr(manifests)
    assert repr(manifests)[:40] in manifests._repr_html_()


def test_the_manifest_of_a_run_is_what_its_runner_read(home: Path) -> None:
    run = work.run("abc").wait()
    [frozen] = run.manifest()
    assert (frozen["id"], frozen["parameters"]) == (run.id, {"data": "abc"})
    rw.gc(older_than=0)
    with pytest.raises(exceptions.NotFoundError, match="is not there: it was removed"):
        run.manifest()
    with pytest.raises(exceptions.NotFoundError, match="it ran inline"):
        work.run("abc", inline=True).manifest()


def test_in_an_event_loop(home: Path) -> None:
    [frozen] = asyncio.run(work.run_async("abc", dry_run=True))
    assert frozen["parameters"] == {"data": "abc"}
