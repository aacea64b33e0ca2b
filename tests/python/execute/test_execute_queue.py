"""Claims, slots, the queue, and runs that need others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
from execute_lab import Lab, until

# Notes when it began and ended, in a file that all runs share.
NOTES = """
    import fcntl, os, time
    def note(home, word):
        with open(f"{home}/notes", "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(f"{word} {os.environ['RUNWRIGHT_RUN']}\\n")
    def f(home=os.environ.get("RUNWRIGHT_HOME"), seconds=0.0):
        note(home, "begin")
        time.sleep(seconds)
        note(home, "end")
"""


def notes(lab: Lab) -> list[list[str]]:
    if not os.path.exists(f"{lab.home}/notes"):
        return []
    with open(f"{lab.home}/notes", encoding="utf-8") as file:
        return [line.split() for line in file]


def all_ended(lab: Lab, runs: list[str]) -> bool:
    return all(os.path.exists(f"{lab.home}/runs/{run_id}/end.json") for run_id in runs)


def test_two_runners_at_once(lab: Lab) -> None:
    run_id = lab.prepare(NOTES, parameters={"seconds": 0.1})
    processes = [lab.start(run_id) for _ in range(4)]
    codes = sorted(process.wait(30) for process in processes)
    assert codes == [0, 3, 3, 3]
    assert [words[0] for words in notes(lab)] == ["begin", "end"]
    assert set(os.listdir(f"{lab.home}/runs/{run_id}")) == {"run.json", "claim", "end.json", "events.jsonl", "log.jsonl"}


def test_a_claim_says_who(lab: Lab) -> None:
    run_id = lab.prepare("def f(): pass")
    process = lab.start(run_id)
    process.wait(30)
    claim = lab.claim(run_id)
    assert claim["pid"] == process.pid
    assert set(claim) == {"pid", "host", "time", "start_ticks"}
    assert claim["start_ticks"] > 0
    assert not lab.is_alive(run_id)


def test_many_runs_and_two_slots(lab: Lab) -> None:
    """Started as clients do, by several runners that race, and then left alone."""
    runs = [lab.prepare(NOTES, concurrency=2, parameters={"seconds": 0.02}) for _ in range(20)]
    for run_id in runs:
        lab.enqueue(run_id)
    for run_id in runs[:4]:
        lab.start(run_id)
    until(lambda: all_ended(lab, runs), 60)
    assert all(lab.at(run_id).end["state"] == "COMPLETED" for run_id in runs)
    running = most = 0
    begun = []
    for word, key in notes(lab):
        running += 1 if word == "begin" else -1
        most = max(most, running)
        if word == "begin":
            begun.append(key)
    assert len(begun) == len(set(begun)) == 20
    assert most <= 2
    assert os.listdir(f"{lab.home}/queue") == []


def test_no_slot_is_free(lab: Lab) -> None:
    first = lab.prepare(NOTES, concurrency=1, parameters={"seconds": 1.0})
    lab.start(first)
    until(lambda: notes(lab))
    second = lab.prepare(NOTES, concurrency=1)
    assert lab.start(second).wait(30) == 4  # it waits in the queue without a process
    assert os.listdir(f"{lab.home}/queue") == [second]
    until(lambda: all_ended(lab, [second]))
    assert [words[0] for words in notes(lab)] == ["begin", "end", "begin", "end"]


def test_runs_without_a_slot_do_not_wait(lab: Lab) -> None:
    first = lab.prepare(NOTES, concurrency=1, parameters={"seconds": 1.0})
    process = lab.start(first)
    until(lambda: notes(lab))
    assert lab.run("def f(): return 1", concurrency=0).result == 1
    assert process.poll() is None


def test_the_client_is_gone(lab: Lab) -> None:
    """A client that is killed right after it started the first runner loses nothing."""
    runs = [lab.prepare(NOTES, concurrency=1) for _ in range(3)]
    for run_id in runs:
        lab.enqueue(run_id)
    command = [sys.executable, "-I", "-S", lab.entry, lab.home, runs[0]]
    script = f"import subprocess, time; subprocess.Popen({command!r}, start_new_session=True); time.sleep(60)"
    client = subprocess.Popen([sys.executable, "-c", script])
    until(lambda: os.path.exists(f"{lab.home}/runs/{runs[0]}/claim"))
    client.send_signal(signal.SIGKILL)
    client.wait()
    until(lambda: all_ended(lab, runs))
    assert [key for word, key in notes(lab) if word == "begin"] == [f"store://demo/run/python/{run_id}" for run_id in runs]


def test_the_next_run_has_its_own_environment(lab: Lab) -> None:
    code = "import os, sys\ndef f(): return [os.environ.get('A'), os.environ.get('RUNWRIGHT_RUN'), os.getcwd(), os.environ.get('S')]"
    first = lab.prepare(code, concurrency=1, envs={"A": "1"}, secrets={"S": "secret-value"}, cwd="/")
    second = lab.prepare(code, concurrency=1)
    lab.enqueue(second)
    lab.start(first).wait(30)
    until(lambda: all_ended(lab, [second]))
    assert lab.at(second).result == [None, f"store://demo/run/python/{second}", f"{lab.home}/runs/{second}", None]


def test_a_chain(lab: Lab) -> None:
    a = lab.prepare("def f(): return {'n': 1, 'm': 2}")
    give = {"x": {"run": a, "output": "n", "as": "value"}, "all": {"run": a, "as": "value"}}
    b = lab.prepare("def f(x, all): return [x + 1, all]", needs=[a], inputs=give, concurrency=1)
    c = lab.prepare("def f(x): return x", needs=[b], inputs={"x": {"run": b, "output": None, "as": "value"}}, concurrency=1)
    lab.enqueue(b, (a,))
    lab.enqueue(c, (b,))
    assert lab.start(b).wait(30) == 4  # not ready yet
    lab.start(a)
    until(lambda: all_ended(lab, [a, b, c]))
    assert lab.at(c).result == [2, {"n": 1, "m": 2}]


def test_a_chain_that_fans_out_and_joins(lab: Lab) -> None:
    first = lab.prepare("def f(): return 1", concurrency=3)
    middle = [lab.prepare(NOTES, needs=[first], concurrency=3, parameters={"seconds": 0.4}) for _ in range(3)]
    last = lab.prepare("def f(): return 'joined'", needs=middle, concurrency=3)
    for run_id in middle:
        lab.enqueue(run_id, (first,))
    lab.enqueue(last, tuple(middle))
    lab.start(first)
    until(lambda: all_ended(lab, [*middle, last]))
    assert lab.at(last).result == "joined"
    # The branches ran side by side.
    assert [words[0] for words in notes(lab)][:2] == ["begin", "begin"]


@pytest.mark.parametrize("kind", ["error", "missing", "lost"])
def test_a_needed_run_that_did_not_complete(lab: Lab, kind: str) -> None:
    first = lab.prepare("def f(): raise ValueError('why')" if kind == "error" else "import time\ndef f(): time.sleep(60)", concurrency=1)
    second = lab.prepare("def f(): pass", needs=[first], concurrency=1)
    third = lab.prepare("def f(): pass", needs=[second], concurrency=1)
    lab.enqueue(second, (first,))
    lab.enqueue(third, (second,))
    if kind == "error":
        lab.start(first)
    else:
        if kind == "missing":
            subprocess.run(["rm", "-r", f"{lab.home}/runs/{first}"], check=True)
        else:
            process = lab.start(first)
            until(lambda: lab.is_alive(first))
            process.kill()
            process.wait()
        assert lab.start("-").wait(30) in (1, 3)
    until(lambda: all_ended(lab, [second, third]))
    error: dict[str, Any] = lab.at(second).error
    assert error["cause"] == "UpstreamFailed"
    assert first in error["message"]
    assert {"error": "why", "missing": "no record", "lost": "RunnerLost"}[kind] in error["message"]
    assert lab.at(third).error["cause"] == "UpstreamFailed"
    assert lab.at(second).end["attempts"] == 0


def test_a_late_stop_does_not_hit_the_next_run(lab: Lab) -> None:
    """The process is the same, so a TERM for the run before may come after the hand-over."""
    first = lab.prepare("def f(): return 1", concurrency=1)
    second = lab.prepare("import time\ndef f():\n    print('begun', flush=True)\n    time.sleep(0.5)\n    return 2", concurrency=1)
    lab.enqueue(second)
    process = lab.start(first)
    until(lambda: "begun" in lab.at(second).log())
    assert lab.claim(second)["pid"] == process.pid
    os.kill(process.pid, signal.SIGTERM)
    process.wait(30)
    assert lab.at(second).result == 2


def test_a_damaged_entry_does_not_stop_the_queue(lab: Lab) -> None:
    broken = lab.prepare("def f(): pass", concurrency=1)
    with open(f"{lab.home}/runs/{broken}/run.json", "w", encoding="utf-8") as file:
        file.write('{"protocol": 1,')
    good = lab.prepare("def f(): return 1", concurrency=1)
    for run_id in (broken, good, "no-such-run"):
        lab.enqueue(run_id)
    lab.start("-").wait(30)
    until(lambda: all_ended(lab, [good]))
    assert lab.at(good).result == 1


def test_times_do_not_go_backwards(lab: Lab) -> None:
    run_id = lab.prepare("def f(): print('x')")
    ahead = os.stat(f"{lab.home}/runs/{run_id}/run.json").st_mtime + 1000
    os.utime(f"{lab.home}/runs/{run_id}/run.json", (ahead, ahead))
    lab.start(run_id).wait(30)
    ended = lab.at(run_id)
    moments = [lab.claim(run_id)["time"], ended.end["started"], *(event["time"] for event in ended.events()), ended.end["time"]]
    assert moments == sorted(moments)
    assert moments[0] >= ahead
    assert ended.end["seconds"] < 100
    json.dumps(moments)
