"""The benchmarks run, and what they count (not what they time) is as it must be."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ROWS = "imports,wheel,inline,cold,process,store,fanout,clients,serve"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The rows by what they measure, and the page, of a quick run of everything that needs no peer."""
    folder = tmp_path_factory.mktemp("benchmarks")
    page, data = folder / "page.md", folder / "data.json"
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "--quick",
        "--no-peers",
        "--only",
        ROWS,
        "--folder",
        str(folder),
        "--out",
        str(page),
        "--json",
        str(data),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert not list(folder.glob("runwright-bench-*")), "what was written meanwhile is gone"
    return {row["what"]: row for row in json.loads(data.read_text())}, page.read_text()


def row_of(rows, beginning):
    """The one row whose subject begins so."""
    (found,) = [row for what, row in rows.items() if what.startswith(beginning)]
    return found


@pytest.mark.parametrize(
    "beginning",
    [
        "`import runwright` over bare `python -c pass`",
        "the wheel's size",
        "required Python dependencies",
        "tracked inline run / raw cost of its two SQLite commits",
        "cold: process start → tracked result (inline) → exit, over bare python",
        "cold: process start → tracked result (in its own process) → exit, over bare python",
        "tracked run in its own process over bare `python -c pass`",
        "store of 20,000 runs: `rw.runs(…)`, the newest 100 (",
        "store of 20,000 runs: `rw.runs(…)`, 100 by function and state (COMPLETED)",
        "map of 12 items: transactions that record it",
        "8 client processes, 80 inline runs into one store: lost",
    ],
)
def test_every_goal_has_a_measured_row(results, beginning):
    rows, page = results
    row = row_of(rows, beginning)
    assert row["goal"]
    assert row["met"] in (True, False)
    assert re.search(r"\*\*-?[\d,.]+", row["measured"])
    assert f"| {row['what']} | {row['goal']} | {row['measured']} | {'yes' if row['met'] else 'NO'} |" in page


def test_the_page_says_what_was_measured_and_how(results):
    _, page = results
    assert "A quick run" in page
    for fact in (
        "Runwright: ",
        "Python: ",
        "mlflow ",
        "flyte ",
        "metaflow ",
        "prefect ",
        "machine: ",
        "`python -m benchmarks --quick --no-peers",
    ):
        assert fact in page
    assert all(line.count("|") >= 5 for line in page.splitlines() if line.startswith("|"))


def test_importing_runwright_imports_nothing_of_others(results):
    rows, _ = results
    assert row_of(rows, "third-party modules")["measured"] == "**0**"
    assert row_of(rows, "required Python dependencies")["measured"] == "**0**"


def test_a_map_is_recorded_in_one_transaction(results):
    rows, _ = results
    assert row_of(rows, "map of 12 items: transactions")["measured"] == "**1**"


def test_clients_that_share_a_store_lose_nothing_and_are_never_told_that_it_is_locked(results):
    rows, _ = results
    assert row_of(rows, "8 client processes, 80 inline runs into one store: lost")["measured"] == "**0**"
    assert row_of(rows, "8 client processes, 80 inline runs into one store: told")["measured"] == "**0**"


def test_services_answer_what_they_are_asked(results):
    rows, _ = results
    for name in ("plain function", "async function"):
        assert "requests/s" in row_of(rows, f"… Runwright, {name}")["measured"]
        assert row_of(rows, f"served: start → first answer, Runwright, {name}")["measured"].endswith(" ms**")


def test_an_unknown_row_is_told():
    done = subprocess.run([sys.executable, "-m", "benchmarks", "--only", "speed"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no row speed" in done.stderr
