"""Many clients on one store, and the limit of what executes at a time."""

from __future__ import annotations

import subprocess

import pytest
from failures_lab import WORK, Home

CLIENTS = 8
RUNS = 1250
INLINE = f"""
import sys
import runwright as rw

@rw.function
def nothing(i):
    return i

print("ready", flush=True)
sys.stdin.readline()
for i in range({RUNS}):
    run = nothing.run(i, inline=True)
    assert run.record["state"] == "COMPLETED", run
print(len({{run.id for run in rw.runs(limit=None)}}) > {RUNS - 1})
"""


def _at_once(home: Home, program: str, number: int, **environment: str) -> list[str]:
    clients = [home.start(program, **environment) for _ in range(number)]
    for client in clients:
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n", client.communicate()
    for client in clients:
        assert client.stdin is not None
        client.stdin.write("\n")
        client.stdin.flush()
    printed = []
    for client in clients:
        out, err = client.communicate(timeout=100)
        assert client.returncode == 0, err
        printed.append(out)
    return printed


def _count(home: Home, **environment: str) -> dict[str, int]:
    program = "import collections, json, runwright as rw; print(json.dumps(collections.Counter(run.record['state'] for run in rw.runs(limit=None))))"
    return dict(home.json(program, **environment))


def test_inline_runs_of_many_processes(home: Home) -> None:
    _at_once(home, INLINE, CLIENTS)
    assert _count(home) == {"COMPLETED": CLIENTS * RUNS}


def test_inline_runs_of_many_processes_on_postgres(home: Home, postgres_url: str) -> None:
    _at_once(home, INLINE, CLIENTS, RUNWRIGHT_STORE=postgres_url)
    assert _count(home, RUNWRIGHT_STORE=postgres_url) == {"COMPLETED": CLIENTS * RUNS}
    assert not (home.path / "runwright.db").exists()


def test_two_homes_on_one_store(home: Home, postgres_url: str) -> None:
    """Whether a client lives is seen in its own home only: another user of the machine must not declare its inline run dead."""
    program = (
        "import runwright as rw\n@rw.function\ndef slow():\n    import os, sys\n    print('ready', flush=True); sys.stdin.readline()\n    return 1\n"
        "print(slow.run(inline=True).record['state'])"
    )
    client = home.start(program, RUNWRIGHT_STORE=postgres_url)
    assert client.stdout is not None
    assert client.stdout.readline() == "ready\n"
    other = Home(home.path.with_name("other"))
    assert _count(other, RUNWRIGHT_STORE=postgres_url) == {"RUNNING": 1}
    out, _ = client.communicate("\n", timeout=30)
    assert out.strip() == "COMPLETED"
    assert _count(other, RUNWRIGHT_STORE=postgres_url) == {"COMPLETED": 1}


@pytest.mark.parametrize("leaves", [False, True])
def test_never_more_than_the_limit(home: Home, leaves: bool) -> None:
    program = f"""
import os, sys
import runwright as rw

@rw.function
def busy(folder):
    import os, time
    with open(os.path.join(folder, os.environ["RUNWRIGHT_RUN"].rsplit("/", 1)[1]), "w") as file:
        begun = time.monotonic()
        time.sleep(0.04)
        file.write(f"{{begun}} {{time.monotonic()}}")

busy.record
print("ready", flush=True)
sys.stdin.readline()
runs = [busy.run(os.environ["LOG"]) for _ in range(10)]
if {leaves}:
    os._exit(0)
for run in runs:
    assert run.wait(60).state == "COMPLETED", run.error
"""
    home.log.mkdir()
    _at_once(home, program, 4, RUNWRIGHT_CONCURRENCY="2")
    records = home.settled(60)
    assert len(records) == 40
    assert {record["state"] for record in records.values()} == {"COMPLETED"}
    spans = [tuple(float(word) for word in path.read_text().split()) for path in home.log.iterdir()]
    assert len(spans) == 40
    changes = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    level = most = 0
    for _, change in changes:
        level += change
        most = max(most, level)
    assert most == 2, "both slots are used, and no more"


def test_a_limit_that_others_see(home: Home) -> None:
    """The limit counts runs, not clients: one that was submitted by a client that has gone counts, too."""
    home.run(WORK + 'work.run(os.environ["LOG"], 2.0); work.run(os.environ["LOG"], 2.0)', RUNWRIGHT_CONCURRENCY="2")
    out = home.run(WORK + 'run = work.run(os.environ["LOG"]); print(run.wait().state)', RUNWRIGHT_CONCURRENCY="2")
    assert out.strip() == "COMPLETED"
    order = home.executed()
    assert order[2] == max(order), "the oldest first"


def test_postgres_goes_away(home: Home, postgres_url: str) -> None:
    """A store that cannot be reached is an error that names it, without the password in it."""
    url = postgres_url.rsplit("/", 1)[0] + "/there_is_no_such_database"
    out = subprocess.run(
        [
            __import__("sys").executable,
            "-c",
            "import runwright as rw\ntry: rw.runs()\nexcept rw.exceptions.StoreError as error: print(error, bool(error.cure))",
        ],
        env={**home.environment, "RUNWRIGHT_STORE": url},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout
    assert "there_is_no_such_database" in out
    assert "createdb" in out
