"""The benchmarks of the cluster run, and what they count (not what they time) is as it must be."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.cluster import Cluster

ROOT = Path(__file__).resolve().parents[3]
Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows(local_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Row]]:
    """The rows by what they measure, of a quick run of everything that needs no peer."""
    folder = tmp_path_factory.mktemp("benchmarks")
    page, data = folder / "page.md", folder / "data.json"
    command = [sys.executable, "-m", "benchmarks", "cluster", "--quick", "--no-peers"]
    command += ["--folder", str(folder), "--out", str(page), "--json", str(data)]
    environment = {**os.environ, "RUNWRIGHT_KEEP_CLUSTER": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    assert "kubernetes-asyncio " in page.read_text()
    yield {row["what"]: row for row in json.loads(data.read_text())}


def row_of(rows: dict[str, Row], beginning: str) -> Row:
    """The one row whose subject begins so."""
    (found,) = [row for what, row in rows.items() if what.startswith(beginning)]
    return found


@pytest.mark.parametrize(
    "beginning",
    [
        "30 Jobs, 32 at a time: rate of Runwright, threads / of a bare create loop",
        "30 Jobs, 32 at a time: rate of Runwright, asyncio / of a bare create loop",
        "end of a run (its Job's condition), as the API server tells it → `wait()` returns, p99",
        "translate and lower one Job",
        "map of 20 items: Job objects",
        "following 20 runs: memory of the client",
        "following 20 runs: requests a run",
        "following 20 runs: watches at a time",
    ],
)
def test_every_goal_has_a_measured_row(rows: dict[str, Row], beginning: str) -> None:
    row = row_of(rows, beginning)
    assert row["goal"]
    assert row["met"] in (True, False)
    assert re.search(r"\*\*-?[\w\d,.]+", row["measured"])


def test_a_map_is_one_job(rows: dict[str, Row]) -> None:
    assert row_of(rows, "map of 20 items: Job objects")["measured"] == "**1**"


def test_runs_that_are_followed_cost_one_request_each_and_one_watch_a_kind(rows: dict[str, Row]) -> None:
    assert row_of(rows, "following 20 runs: requests a run")["measured"].startswith("**1.000**")
    assert row_of(rows, "following 20 runs: watches at a time")["measured"] == "**events 1, jobs 1, pods 1**"
