"""Timeouts, stops, retries, and processes that die or do not want to."""

from __future__ import annotations

import os
import signal
import time

import pytest
from execute_lab import Lab, exists, until

SLEEPER = """
    import time
    def f():
        print("begun", flush=True)
        time.sleep(60)
"""
STUBBORN = """
    import signal, time
    def f():
        signal.signal(signal.SIGTERM, lambda *_: print("no", flush=True))
        print("begun", flush=True)
        while True: time.sleep(60)
"""


def begun(lab: Lab, run_id: str) -> object:
    return until(lambda: "begun" in lab.at(run_id).log())


def test_timeout(lab: Lab) -> None:
    ended = lab.run(SLEEPER, timeout=0.2)
    assert (ended.end["state"], ended.error["cause"], ended.end["signal"]) == ("ERROR", "Timeout", "SIGTERM")
    assert "0.2 s" in ended.error["message"]


def test_timeout_of_one_that_ignores_it(lab: Lab) -> None:
    ended = lab.run(STUBBORN, timeout=0.3, grace=0.2)
    assert (ended.error["cause"], ended.end["signal"]) == ("Timeout", "SIGKILL")
    assert ended.log() == ["begun", "no"]


def test_stop(lab: Lab) -> None:
    run_id = lab.prepare(SLEEPER, retries={"limit": 3, "delay": 0, "factor": 1, "max_delay": 0})
    process = lab.start(run_id)
    begun(lab, run_id)
    lab.stop(run_id)
    ended = lab.ended(run_id, process)
    assert (ended.end["state"], ended.end["attempts"], ended.error["cause"], ended.code) == ("STOPPED", 1, "Stopped", 143)


def test_stop_of_one_that_ignores_it_kills_all_it_started(lab: Lab) -> None:
    code = """
        import os, signal, subprocess, time
        def f():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print(subprocess.Popen(["sleep", "60"]).pid, os.getpid(), flush=True)
            print("begun", flush=True)
            while True: time.sleep(60)
    """
    run_id = lab.prepare(code, grace=0.2)
    process = lab.start(run_id)
    begun(lab, run_id)
    pids = [int(pid) for pid in lab.at(run_id).log()[0].split()]
    lab.stop(run_id)
    ended = lab.ended(run_id, process)
    assert (ended.end["state"], ended.end["signal"]) == ("STOPPED", "SIGKILL")
    until(lambda: not any(map(exists, pids)))


def test_stop_before_it_began(lab: Lab) -> None:
    run_id = lab.prepare("def f(): raise AssertionError")
    lab.stop(run_id)
    ended = lab.ended(run_id, lab.start(run_id))
    assert (ended.end["state"], ended.end["attempts"]) == ("STOPPED", 0)
    assert ended.events() == []


def test_stop_between_attempts(lab: Lab) -> None:
    run_id = lab.prepare("def f(): 1 / 0", retries={"limit": 5, "delay": 60.0, "factor": 2.0, "max_delay": 300.0})
    process = lab.start(run_id)
    until(lambda: lab.at(run_id).events("retry"))
    lab.stop(run_id)
    ended = lab.ended(run_id, process)
    assert (ended.end["state"], ended.end["attempts"]) == ("STOPPED", 1)


@pytest.mark.parametrize("moment", [0.0, 0.01, 0.03, 0.08])
def test_stop_at_any_moment(lab: Lab, moment: float) -> None:
    run_id = lab.prepare(SLEEPER)
    process = lab.start(run_id)
    time.sleep(moment)
    lab.stop(run_id)
    ended = lab.ended(run_id, process)
    assert ended.end["state"] == "STOPPED"


def test_what_a_terminal_sends_is_ignored(lab: Lab) -> None:
    run_id = lab.prepare("import time\ndef f():\n    print('begun', flush=True)\n    time.sleep(0.5)\n    return 1")
    process = lab.start(run_id)
    begun(lab, run_id)
    for number in (signal.SIGINT, signal.SIGHUP):
        os.kill(process.pid, number)
    assert lab.ended(run_id, process).result == 1


def test_retries_with_backoff(lab: Lab) -> None:
    code = """
        import os
        def f(run):
            print("attempt", run.attempt)
            os.makedirs("outputs/left", exist_ok=True)
            if run.attempt < 4:
                with open("outputs/left/over", "x"): pass
                raise OSError("again")
            return os.listdir("outputs")
    """
    ended = lab.run(code, retries={"limit": 5, "delay": 0.01, "factor": 3.0, "max_delay": 0.05})
    assert ended.end["attempts"] == 4
    assert ended.result == ["left"]
    retries = ended.events("retry")
    assert [event["attempt"] for event in retries] == [1, 2, 3]
    assert [event["delay"] for event in retries] == pytest.approx([0.01, 0.03, 0.05])
    assert all(event["error"]["cause"] == "UserError" for event in retries)
    assert [event["attempt"] for event in ended.events("running")] == [1, 2, 3, 4]
    lines = [line for line in ended.lines("log.jsonl") if line["s"] == "stdout"]
    assert [(line["a"], line["m"]) for line in lines] == [(n, f"attempt {n}") for n in (1, 2, 3, 4)]
    times = [event["time"] for event in ended.events()] + [ended.end["time"]]
    assert times == sorted(times)


def test_retries_run_out(lab: Lab) -> None:
    ended = lab.run("import os\ndef f(): os._exit(9)", retries={"limit": 2, "delay": 0, "factor": 2, "max_delay": 1})
    assert (ended.end["attempts"], ended.error["cause"], ended.end["exit_code"]) == (3, "ExitCode", 9)


def test_what_would_fail_the_same_way_is_not_tried_again(lab: Lab) -> None:
    assert lab.run("1 / 0", retries={"limit": 3, "delay": 60}).end["attempts"] == 1


def test_the_child_is_killed(lab: Lab) -> None:
    run_id = lab.prepare(SLEEPER)
    process = lab.start(run_id)
    begun(lab, run_id)
    os.kill(lab.at(run_id).events("running")[0]["pid"], signal.SIGKILL)
    ended = lab.ended(run_id, process)
    assert (ended.error["cause"], ended.end["signal"]) == ("Signal", "SIGKILL")


@pytest.mark.parametrize("task", ["python", "command"])
def test_the_supervisor_is_killed(lab: Lab, task: str) -> None:
    code = """
        import signal, subprocess, time
        def f():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print(subprocess.Popen(["sleep", "60"]).pid, flush=True)
            print("begun", flush=True)
            while True: time.sleep(60)
    """
    command = {} if task == "python" else {"task": {"command": ["sh", "-c", "sleep 60 & echo $!; echo begun; wait"]}}
    run_id = lab.prepare(code, **command)
    process = lab.start(run_id)
    begun(lab, run_id)
    assert lab.is_alive(run_id)
    pids = [lab.at(run_id).events("running")[0]["pid"], int(lab.at(run_id).log()[0])]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    until(lambda: not any(map(exists, pids)))
    until(lambda: not lab.is_alive(run_id))
    assert not os.path.exists(f"{lab.home}/runs/{run_id}/end.json")


def test_a_grandchild_that_holds_the_output_does_not_hold_the_run(lab: Lab) -> None:
    code = """
        import subprocess
        def f():
            print(subprocess.Popen(["sleep", "60"]).pid, flush=True)
            print(subprocess.Popen(["sleep", "60"], start_new_session=True).pid, flush=True)
            return "done"
    """
    ended = lab.run(code)
    assert ended.result == "done"
    inside, outside = (int(line) for line in ended.log())
    until(lambda: not exists(inside))
    os.kill(outside, signal.SIGKILL)


def test_a_thread_that_does_not_end_does_not_take_the_result(lab: Lab) -> None:
    code = """
        import threading, time
        def f():
            threading.Thread(target=time.sleep, args=(60,)).start()
            return "done"
    """
    ended = lab.run(code, timeout=0.5, grace=0.1)
    assert ended.result == "done"
    assert ended.end["signal"] == "SIGTERM"
