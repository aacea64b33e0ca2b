"""The store: deleted, damaged, locked, full."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from failures_lab import WORK, Home, until

MIXED = (
    WORK
    + """
@rw.function
def fails():
    raise ValueError("no")

good = work.run(os.environ["LOG"]).wait()
bad = fails.run().wait()
slow = work.run(os.environ["LOG"], 60.0)
slow.stop()
print(good.id, bad.id, slow.id)
"""
)
# Holds the lock of a database for some seconds.
HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""
# What a call came to: the class, the message and the cure of the error, or "ok".
TELL = """
import os, sys, time
import runwright as rw
def tell(call):
    begin = time.monotonic()
    try:
        call()
        print("ok", round(time.monotonic() - begin, 2))
    except rw.RunwrightError as error:
        print(type(error).__name__, repr(str(error)), "cure" if error.cure else "", round(time.monotonic() - begin, 2))
"""


def _store(home: Home) -> Path:
    return home.path / "runwright.db"


def test_deleted(home: Home) -> None:
    good, bad, slow = home.run(MIXED).split()
    before = home.json("import json, runwright as rw; print(json.dumps({run.id: run.record for run in rw.runs(limit=None)}))")
    going = home.run(WORK + 'print(work.run(os.environ["LOG"], 1.0).id)').strip()
    for path in home.path.glob("runwright.db*"):
        path.unlink()
    assert home.json("import json, runwright as rw; print(json.dumps(rw.sync()))")["found"] == 4
    records = home.settled()
    assert {key: records[key]["state"] for key in (good, bad, slow, going)} == {
        good: "COMPLETED",
        bad: "ERROR",
        slow: "STOPPED",
        going: "COMPLETED",
    }
    for key in (good, bad):
        for field in ("state", "results", "error", "spec", "version", "seconds", "created", "names", "shape", "attempts", "key"):
            assert records[key][field] == before[key][field], field
    home.check_once(records)
    # A second time there is nothing to find.
    assert home.json("import json, runwright as rw; print(json.dumps(rw.sync()))") == {"found": 0, "updated": 0}


@pytest.mark.parametrize("how", ["header", "middle", "truncated"])
def test_damaged(home: Home, how: str) -> None:
    good, *_ = home.run(MIXED).split()
    store = _store(home)
    with sqlite3.connect(store) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray(store.read_bytes())
    if how == "header":
        content[:64] = b"\x17" * 64
    elif how == "middle":
        content[4096:] = b"\x17" * (len(content) - 4096)
    else:
        del content[len(content) // 2 // 4096 * 4096 :]
    store.write_bytes(content)
    tree = {path: path.stat().st_size for path in home.path.glob("runs/*/*")}
    out = home.run(TELL + "tell(lambda: rw.runs()); tell(lambda: rw.runs(project='*')); tell(rw.sync)")
    for line in out.splitlines():
        assert line.startswith("StoreError"), out
        assert str(store) in line
        assert "damaged" in line
        assert "runwright sync" in line
        assert " cure " in line
    assert {path: path.stat().st_size for path in home.path.glob("runs/*/*")} == tree
    # The cure cures.
    for path in home.path.glob("runwright.db*"):
        path.rename(path.with_name(f"away-{path.name}"))
    assert home.settled()[good]["state"] == "COMPLETED"


def test_damaged_under_a_live_client(home: Home) -> None:
    """Truncated while it is open: an error, not the death of the process (memory that is mapped to it would be one)."""
    home.run(MIXED)
    out = home.run(
        TELL
        + """
rw.runs()
path = os.path.join(os.environ["RUNWRIGHT_HOME"], "runwright.db")
os.truncate(path, 4096)
for _ in range(3):
    tell(lambda: rw.runs(project="*", limit=None))
print("alive")
"""
    )
    assert out.endswith("alive\n")


def test_locked(home: Home) -> None:
    home.run(WORK + 'work.run(os.environ["LOG"]).wait()')

    def hold_for(seconds: float) -> subprocess.Popen[str]:
        holder = subprocess.Popen([sys.executable, "-c", HOLD, str(_store(home)), str(seconds)], stdout=subprocess.PIPE, text=True)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        return holder

    submit = 'tell(lambda: work.run(os.environ["LOG"]).wait())'
    # Some seconds: it waits. (Reading does not wait at all.)
    with hold_for(4) as holder:
        out = home.run(TELL + WORK + "tell(lambda: rw.runs())\n" + submit)
        holder.wait()
    reading, submitting = out.splitlines()
    assert reading.startswith("ok")
    assert float(reading.split()[1]) < 3
    assert submitting.startswith("ok")
    before = len(list(home.path.glob("runs/*")))
    # Longer than it wants to wait: it says so, and nothing was made.
    with hold_for(30) as holder:
        out = home.run(TELL + WORK + submit, RUNWRIGHT_BUSY_SECONDS="1.5")
        holder.kill()
    assert out.startswith("StoreError"), out
    assert "locked by another process" in out
    assert str(_store(home)) in out
    assert "RUNWRIGHT_BUSY_SECONDS" in out
    assert len(list(home.path.glob("runs/*"))) == before
    assert not list(home.path.glob("queue/*"))
    assert len(home.settled()) == before == 2
    out = home.run(TELL + "tell(lambda: rw.runs())", RUNWRIGHT_BUSY_SECONDS="soon")
    assert "InvalidError" in out


def test_full_disk(small: Home) -> None:
    """Submitting says what is wrong; what was going on ends and is recorded once there is room."""
    filler = small.path.parent / "filler"
    program = (
        TELL
        + WORK
        + f"""
def fill():
    with open({str(filler)!r}, "wb", buffering=0) as file:
        for size in (65536, 512, 1):
            try:
                while True: file.write(b"x" * size)
            except OSError: pass
going = work.run(os.environ["LOG"], 1.5)
while not os.path.exists(os.environ["LOG"]): time.sleep(0.01)
fill()
tell(lambda: work.run(os.environ["LOG"]))
tell(lambda: work.map([{{}}] * 3, log=os.environ["LOG"]))
tell(lambda: work.run(os.environ["LOG"], inline=True))
time.sleep(2.0)
print("ended", os.path.getsize(os.path.join(os.environ["RUNWRIGHT_HOME"], "runs", going.id, "end.json")) > 0)
os.unlink({str(filler)!r})
# Room is made: the same client goes on, and nothing of what failed is open.
print(going.state, [run.state for run in rw.runs(open=True)], work.run(os.environ["LOG"]).wait().state)
"""
    )
    out = small.run(program)
    one, many, inline, ended, last = out.splitlines()
    for line in (one, many, inline):
        assert line.startswith(("StoreError", "BackendError")), out
        assert "full" in line, out
        assert " cure " in line
    assert ended == "ended True"
    assert last == "COMPLETED [] COMPLETED", out
    records = small.settled()
    assert sorted(small.executed()) == sorted(key for key, record in records.items() if record["state"] == "COMPLETED")
    assert not list(small.path.glob("queue/*"))


def test_half_full_disk(small: Home) -> None:
    """Room for the record but not for the hand-over: the run is NotStarted, also where even that is not to be written at once."""
    filler = small.path.parent / "filler"
    program = (
        TELL
        + WORK
        + f"""
work.run(os.environ["LOG"]).wait()
rw.runs()
for left in (262144, 131072, 65536, 32768, 16384, 8192, 4096):
    free = os.statvfs(os.environ["RUNWRIGHT_HOME"])
    with open({str(filler)!r}, "wb", buffering=0) as file:
        try:
            for _ in range((free.f_bavail * free.f_bsize - left) // 4096): file.write(b"x" * 4096)
        except OSError: pass
    tell(lambda: work.map([{{"seconds": 0.0}}] * 12, log=os.environ["LOG"]))
    os.unlink({str(filler)!r})
rw.runs()
until = time.monotonic() + 30
while rw.runs(open=True) and time.monotonic() < until: time.sleep(0.05)
print(len(rw.runs(open=True)))
"""
    )
    out = small.run(program, timeout=90).splitlines()
    assert out[-1] == "0", out
    assert all(line.startswith(("ok", "StoreError", "BackendError")) for line in out[:-1]), out
    records = small.settled()
    executed = small.executed()
    assert sorted(executed) == sorted(key for key, record in records.items() if record["state"] == "COMPLETED")
    causes = {record["error"]["cause"] for record in records.values() if record["error"]}
    assert causes <= {"NotStarted", "RunnerLost", "DiskFull"}, causes
    assert not list(small.path.glob("queue/*"))
    assert until(lambda: not small.supervisors())


def test_clients_wait_for_a_new_store(home: Home) -> None:
    """Many processes that open a store which is not there yet, at once."""
    clients = [
        home.start(WORK + 'print(work.run(os.environ["LOG"], inline=True, parameters={}).state if 0 else rw.runs(project="*"))')
        for _ in range(6)
    ]
    began = time.monotonic()
    for client in clients:
        _, err = client.communicate(timeout=60)
        assert client.returncode == 0, err
    assert time.monotonic() - began < 60
