"""Stops that meet each other, deletes that come too early, clocks that jump."""

from __future__ import annotations

import glob
import json

import pytest
from failures_lab import WORK, Home, check_history, not_run, until


def test_two_clients_stop_the_same_run(home: Home) -> None:
    run = home.run(WORK + 'print(work.run(os.environ["LOG"], 60.0).id)').strip()
    until(lambda: run in home.executed())
    stop = (
        f"import sys, runwright as rw\nrun = rw.attach({run!r}); print('ready', flush=True); sys.stdin.readline(); print(run.stop().state)"
    )
    clients = [home.start(stop) for _ in range(4)]
    for client in clients:
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n"
    for client in clients:
        assert client.stdin is not None
        client.stdin.write("\n")
        client.stdin.flush()
    for client in clients:
        out, err = client.communicate(timeout=30)
        assert out.strip() == "STOPPED", err
    record = home.settled()[run]
    assert record["state"] == "STOPPED"
    assert [step["state"] for step in record["history"]] == ["CREATED", "PENDING", "RUNNING", "STOPPED"]


def test_at_every_moment_of_a_run(home: Home) -> None:
    """Queued, about to start, running, finished, twice: each ends once, and what was stopped before it began was not executed."""
    home.environment["RUNWRIGHT_CONCURRENCY"] = "1"
    home.run(
        WORK
        + """
first = work.run(os.environ["LOG"], 60.0)
queued = work.run(os.environ["LOG"], 60.0)
assert queued.stop().state == "STOPPED"
assert queued.stop().state == "STOPPED"
assert first.stop().state == "STOPPED"
for number in range(8):
    run = work.run(os.environ["LOG"], 60.0)
    time.sleep(number * 0.015)
    assert run.stop().state == "STOPPED", run
done = work.run(os.environ["LOG"]).wait()
before = done.record
assert done.stop().state == "COMPLETED"
assert rw.attach(done.id).record == before
try:
    done.error and 1 / 0
    first.result()
    raise SystemExit("no error")
except rw.exceptions.StoppedError as error:
    assert error.cause == "Stopped", error
"""
    )
    records = home.settled()
    home.check_once(records)
    assert not list(home.path.glob("queue/*"))
    assert not list(home.path.glob("runs/*/secrets.json"))


def test_a_stopped_run_leaves_no_secrets(home: Home) -> None:
    """One that is stopped in the queue never reads them."""
    home.environment["RUNWRIGHT_CONCURRENCY"] = "1"
    home.run(
        WORK
        + """
first = work.run(os.environ["LOG"], 60.0)
queued = work.run(os.environ["LOG"], secrets=["TOKEN"])
folder = os.path.join(os.environ["RUNWRIGHT_HOME"], "runs", queued.id)
assert os.path.exists(os.path.join(folder, "secrets.json"))
queued.stop(); first.stop()
assert not os.path.exists(os.path.join(folder, "secrets.json"))
""",
        TOKEN="a-token-of-some-length",
    )


def test_delete_while_it_runs_is_refused(home: Home) -> None:
    out = home.run(
        WORK
        + """
run = work.run(os.environ["LOG"], 60.0)
for attempt in (run.delete, lambda: rw.get_or_create_project("default").delete()):
    try:
        attempt()
        print("deleted")
    except rw.exceptions.ConflictError as error:
        print("refused", bool(error.cure))
run.stop()
run.delete()
try:
    rw.attach(run.id)
except rw.exceptions.NotFoundError:
    print("gone", os.path.exists(os.path.join(os.environ["RUNWRIGHT_HOME"], "runs", run.id)), rw.sync()["found"])
"""
    )
    assert out.splitlines() == ["refused True", "refused True", "gone False 0"]


@pytest.mark.parametrize("who", ["client", "runner"])
def test_clock_jumps(home: Home, who: str) -> None:
    """A clock a day behind the other's, and one that is set back while the run goes on."""
    libraries = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not libraries:
        not_run("libfaketime is not installed")
    back = {"LD_PRELOAD": libraries[0], "FAKETIME": "-1d", "DONT_FAKE_MONOTONIC": "1"}
    program = WORK + (
        f"""
@rw.function(retries={{"limit": 1, "delay": 0.05}})
def flaky(seconds, run):
    import time
    time.sleep(seconds)
    if run.attempt < 2:
        raise ValueError("once")
    run.log_metric("m", 1.0)
    return 1

if {who == "runner"}:
    os.environ.update({back!r})  # as what is started from here on sees it
run = flaky.run(0.3).wait(); again = work.run(os.environ["LOG"], 0.3).wait()
import json
print(json.dumps([run.record, again.record]))
"""
    )
    # This libfaketime does not know how Python sleeps.
    program = program.replace("time.sleep(seconds)", "__import__('select').select([], [], [], seconds)")
    records = home.json(program, **(back if who == "client" else {}))
    for record in records:
        assert record["state"] == "COMPLETED", record["error"]
        check_history(record)
        assert 0.3 <= record["seconds"] < 20
    for record in home.settled().values():
        check_history(record)


def test_a_history_that_goes_backwards(home: Home) -> None:
    """Events written by hand, each earlier than the one before."""
    run = home.run(WORK + 'print(work.run(os.environ["LOG"]).wait().id)').strip()
    folder = home.path / "runs" / run
    end = json.loads((folder / "end.json").read_text())
    error = {"cause": "UserError", "message": "x"}
    events = [
        {"type": "running", "time": 1000.0, "attempt": 1},
        {"type": "retry", "time": 900.0, "attempt": 1, "error": error, "delay": 1.0},
        {"type": "running", "time": 800.0, "attempt": 2},
    ]
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (folder / "end.json").write_text(json.dumps({**end, "time": 700.0, "seconds": 2.5}))
    for path in home.path.glob("runwright.db*"):
        path.unlink()
    record = home.settled()[run]
    check_history(record)
    assert record["seconds"] == 2.5
    assert any("attempt 1" in (step.get("message") or "") for step in record["history"])
    assert (
        home.json(f"import json, runwright as rw; print(json.dumps([phase['seconds'] for phase in rw.attach({run!r}).timeline()]))")[-1]
        >= 0
    )
