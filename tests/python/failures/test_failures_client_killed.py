"""A client that is killed, at every system call of a submission and at any moment: no run is lost, none is executed twice, none stays open."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from failures_lab import WORK, Home, listing, not_run

# Says when it is ready, submits when it is told to, and ends.
ONE = (
    WORK
    + """
work.record
print("ready", flush=True)
sys.stdin.readline()
work.run(os.environ["LOG"])
"""
)
# The first submission of a process imports much; the kills are meant for the others.
WARM = 'work.run(os.environ["LOG"]{}).wait()\nprint("ready", flush=True)\n'
# What changes something, or starts something. Reading is not worth a kill.
CALLS = ("pwrite64", "write", "mkdir", "rename", "flock", "clone3", "unlink")


def killed_at(home: Home, call: str, number: int) -> bool:
    """Submit one run and kill the client at its `number`th `call`; false where it did not come so far."""
    client = home.start(ONE)
    assert client.stdout is not None
    assert client.stdin is not None
    assert client.stdout.readline() == "ready\n"
    # Every thread of the client; what it starts is let go at its execve.
    inject = f"{call}:signal=SIGKILL:when={number}"
    strace = subprocess.Popen(
        ["strace", "-f", "-b", "execve", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={inject}", "-p", str(client.pid)],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert strace.stderr is not None
        said = strace.stderr.readline()
        if "attached" not in said:
            not_run(f"strace cannot attach: {said}")
        client.communicate("\n", timeout=60)
        return client.returncode == -signal.SIGKILL
    finally:
        strace.terminate()
        strace.communicate()


def sweep(home: Home, call: str) -> int:
    """Kill at the first, the second, … until there is no further one. Gives how many there are."""
    number = 1
    while killed_at(home, call, number):
        number += 1
        assert number < 100, call
    return number - 1


def test_at_every_system_call(home: Home) -> None:
    if shutil.which("strace") is None:
        not_run("strace is not installed")
    home.run(WORK + 'work.run(os.environ["LOG"]).wait()')
    with ThreadPoolExecutor(3) as pool:
        counts = dict(zip(CALLS, pool.map(lambda call: sweep(home, call), CALLS), strict=True))
    # The submission itself was hit, not just its edges.
    assert counts["rename"] >= 1, counts
    assert counts["mkdir"] >= 1, counts
    assert counts["pwrite64"] >= 3, counts
    assert counts["clone3"] >= 1, counts
    records = home.settled()
    home.check_once(records)
    causes = {(record["error"] or {}).get("cause", record["state"]) for record in records.values()}
    assert causes <= {"COMPLETED", "NotStarted"}, causes
    assert causes == {"COMPLETED", "NotStarted"}, "no kill came between the record and the hand-over"
    _nothing_left(home)


@pytest.mark.parametrize("program", ["run", "map", "inline"])
def test_at_any_moment(home: Home, program: str) -> None:
    bodies = {
        "run": 'for _ in range(6): work.run(os.environ["LOG"])\ntime.sleep(60)',
        "map": 'work.map([{}] * 6, log=os.environ["LOG"])\ntime.sleep(60)',
        "inline": 'while True: work.run(os.environ["LOG"], 0.001, inline=True)',
    }
    # Inline runs have no variable that names them.
    work = WORK.replace('os.environ["RUNWRIGHT_RUN"].rsplit("/", 1)[1]', "rw.tracking.current().id") if program == "inline" else WORK
    work = work.replace("import runwright as rw", "import runwright as rw, runwright.tracking")
    generator = random.Random(20260101)
    for kill in range(6):
        client = home.start(work + WARM.format(", inline=True" if program == "inline" else "") + bodies[program])
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n"
        # Swept over the whole of a submission, and by chance.
        time.sleep(kill * 0.01 if kill % 2 else generator.uniform(0.0, 0.08))
        os.kill(client.pid, signal.SIGKILL)
        client.wait()
    records = home.settled()
    home.check_once(records)
    causes = {(record["error"] or {}).get("cause", record["state"]) for record in records.values()}
    assert causes <= {"COMPLETED", "RunnerLost" if program == "inline" else "NotStarted"}, causes
    _nothing_left(home)


def test_in_the_middle_of_values(home: Home) -> None:
    """A client that dies while it stages values leaves a folder; `gc` removes it, and nothing else that is needed."""
    staged = home.path / "staging" / "0123"
    staged.mkdir(parents=True)
    (staged / "half").write_bytes(b"x")
    (home.path / "inline" / "0123").mkdir(parents=True)
    (home.path / "runs" / "01a20fa4-1bcb-74c3-b5f7-344132c93208").mkdir(parents=True)
    (home.path / "queue").mkdir()
    (home.path / "queue" / "01a20fa4-1bcb-74c3-b5f7-344132c93208").write_bytes(b"")
    (home.path / "artifacts" / "default").mkdir(parents=True)
    (home.path / "artifacts" / "default" / "x.1.partial").write_bytes(b"x")
    run = home.json(WORK + 'import json; run = work.run(os.environ["LOG"]).wait(); rw.gc(0); print(json.dumps(run.id))')
    assert staged.exists(), "what is young may still be at work"
    _nothing_left(home)
    assert home.json(f"import json, runwright as rw; print(json.dumps(rw.attach({run!r}).state))") == "COMPLETED"


def _nothing_left(home: Home) -> None:
    """After an hour, `gc` leaves nothing but what is kept on purpose."""
    old = time.time() - 7200
    for path in sorted(home.path.rglob("*"), reverse=True):
        if not path.name.startswith("runwright.db"):
            os.utime(path, (old, old))
    home.run("import runwright as rw; rw.gc(0)")
    kept = ("code", "versions", "runner", "artifacts", "slots")
    left = {path for path in listing(home.path, without=kept) if path not in ("runs", "queue", "staging", "inline")}
    assert not left, left
    assert not list((home.path / "clients").iterdir())
    assert not list(home.path.rglob("*.partial"))
