"""A runner that is killed, and a machine that is started again: what ran is lost and said to be, what waited goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from failures_lab import WORK, Home, check_history, until

SLOW = WORK + 'run = work.run(os.environ["LOG"], 60.0); print(run.id, flush=True)\n'


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return [int(child) for child in text.split()]


def _begun(home: Home) -> tuple[str, int, int]:
    """A run whose function is executing: its id, its supervisor, its child."""
    run = home.run(SLOW).strip()
    until(lambda: run in home.executed())
    supervisor = home.supervisors()[run]
    return run, supervisor, _children(supervisor)[0]


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_supervisor(home: Home) -> None:
    run, supervisor, child = _begun(home)
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: _is_gone(child), what="the user's process outlived its supervisor")
    record = home.settled()[run]
    assert record["state"] == "ERROR"
    assert record["error"]["cause"] == "RunnerLost"
    assert record["error"]["cure"]
    check_history(record)
    # Who starts it again starts another run.
    home.run(f"import runwright as rw\nagain = rw.attach({run!r}).reproduce()\nassert again.id != {run!r}\nagain.stop()")


def test_supervisor_while_its_client_waits(home: Home) -> None:
    program = WORK + 'run = work.run(os.environ["LOG"], 60.0); print(run.id, flush=True); print(run.wait(20).error.cause)'
    client = home.start(program)
    assert client.stdout is not None
    run = client.stdout.readline().strip()
    until(lambda: run in home.executed())
    os.kill(home.supervisors()[run], signal.SIGKILL)
    out, err = client.communicate(timeout=30)
    assert out.strip() == "RunnerLost", err


def test_child(home: Home) -> None:
    run, _, child = _begun(home)
    os.kill(child, signal.SIGKILL)
    record = home.settled()[run]
    assert (record["state"], record["error"]["cause"]) == ("ERROR", "Signal")
    assert record["error"]["signal"] == "SIGKILL"


def test_before_it_has_claimed(home: Home, tmp_path: Path) -> None:
    """A Python that cannot start the runner: the run ends, with what that Python said."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such luck >&2\nexit 9\n")
    broken.chmod(0o755)
    program = (
        f"import sys; sys.executable = {str(broken)!r}\n"
        + WORK
        + 'run = work.run(os.environ["LOG"]).wait(20); print(run.error.cause, run.error)'
    )
    out = home.run(program)
    assert "RunnerLost" in out
    assert "no such luck" in out
    assert not home.executed()
    killed = tmp_path / "killed"
    killed.write_text("#!/bin/sh\nkill -9 $$\n")
    killed.chmod(0o755)
    out = home.run(program.replace(str(broken), str(killed)))
    assert "it was killed" in out
    home.check_once(home.settled())


def test_machine_restarted(home: Home) -> None:
    """Claims are there, locks are free, clients and runners are gone; one run waits in the queue, one is half handed over."""
    home.environment["RUNWRIGHT_CONCURRENCY"] = "1"
    submits = 'for seconds in (60.0, 0.0):\n    print(work.run(os.environ["LOG"], seconds).id, flush=True)\ntime.sleep(60)'
    client = home.start(WORK + submits)
    assert client.stdout is not None
    first, second = client.stdout.readline().strip(), client.stdout.readline().strip()
    until(lambda: first in home.executed())
    supervisor = home.supervisors()[first]
    # At once, so that nobody goes on with the queue.
    os.kill(supervisor, signal.SIGSTOP)
    client.kill()
    client.wait()
    os.kill(supervisor, signal.SIGKILL)
    records = home.settled()
    assert records[first]["error"]["cause"] == "RunnerLost"
    assert records[second]["state"] == "COMPLETED"
    home.check_once(records)


def test_clients_died_right_after_the_hand_over(home: Home) -> None:
    """The queue's entry was not written yet: a look at the run is enough to start it."""
    run = home.run(WORK + 'run = work.run(os.environ["LOG"]).wait(); print(run.id)').strip()
    folder = home.path / "runs" / run
    record = json.loads((folder / "run.json").read_text())["record"]
    for path in folder.iterdir():
        if path.name != "run.json":
            path.unlink()
    assert record["state"] == "CREATED"
    for path in home.path.glob("runwright.db*"):
        path.unlink()
    home.log.unlink()
    home.run(f"import runwright as rw\nassert rw.attach({run!r}).wait(20).state == 'COMPLETED'")
    assert home.executed() == [run]


def test_damaged_folders_hide_nothing(home: Home) -> None:
    out = home.run(WORK + 'a, b, c = (work.run(os.environ["LOG"]).wait() for _ in range(3)); print(a.id, b.id, c.id)')
    end, frozen, good = out.split()
    (home.path / "runs" / end / "end.json").write_bytes(b"\0\xff{")
    (home.path / "runs" / frozen / "run.json").write_bytes(b"{")
    for path in home.path.glob("runwright.db*"):
        path.unlink()
    records = home.settled()
    assert records[good]["state"] == "COMPLETED"
    assert "damaged" in records[end]["error"]["message"]
    assert records[end]["error"]["cure"]
    assert frozen not in records
    assert home.executed().count(good) == 1


def test_supervisor_is_killed_as_it_begins(home: Home) -> None:
    """Kills swept over the first moments of a runner's life: each run ends, none is executed twice."""
    program = WORK + 'work.record\nfor _ in range(8):\n    print(work.run(os.environ["LOG"]).id, flush=True); time.sleep(0.12)'
    client = subprocess.Popen([sys.executable, "-c", ""])  # measured: what a bare start costs here
    began = time.monotonic()
    client.wait()
    bare = time.monotonic() - began
    client = home.start(program, RUNWRIGHT_CONCURRENCY="8")
    assert client.stdout is not None
    for number in range(8):
        run = client.stdout.readline().strip()
        time.sleep(bare * number / 5)
        found = subprocess.run(["pgrep", "-f", f"_runwright.*{run}"], capture_output=True, text=True, check=False).stdout.split()
        for pid in found:
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                continue
    client.wait()
    records = home.settled()
    home.check_once(records)
    assert len(records) == 8
    assert {record["state"] for record in records.values()} <= {"COMPLETED", "ERROR"}
