"""Waiting: silent where nobody looks, in place where somebody does, never in the way of the end, of a timeout or of Ctrl-C."""

from __future__ import annotations

import io
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from runwright.display import progress, terminal_screen
from runwright.display.watched import Watched

SCRIPT = """
import sys, time
import runwright as rw
progress = {"none": None, "true": True, "false": False}[sys.argv[3]]

@rw.function
def slow(seconds: float):
    import time
    end = time.time() + seconds
    while time.time() < end:
        print("still here", flush=True)
        time.sleep(0.1)
    if seconds == 0.3:
        raise ValueError("this one fails")

many, seconds = int(sys.argv[1]), float(sys.argv[2])
runs = slow.map([seconds] * many) if many > 1 else slow.run(seconds)
try:
    runs.wait(progress=progress)
    print("ENDED")
except KeyboardInterrupt:
    print("INTERRUPTED", runs.state if many == 1 else "")
"""


@pytest.fixture
def script(tmp_path):
    """`script(many, seconds, progress)`: the command, and the environment for it."""
    file = tmp_path / "script.py"
    file.write_text(SCRIPT)
    env = {**os.environ, "RUNWRIGHT_HOME": str(tmp_path / "home"), "TERM": "xterm", "RUNWRIGHT_CONCURRENCY": "4"}
    env.pop("NO_COLOR", None)
    return lambda many, seconds, progress="none": ([sys.executable, str(file), str(many), str(seconds), progress], env)


def on_terminal(command, env, interrupt_after=None):
    """What is written to a terminal, and the seconds from the interrupt to the end."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(command[0], command, env)
    written, sent, took = b"", 0.0, None
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # its end, on Linux
            break
        written += piece
        if interrupt_after and not sent and interrupt_after in written:
            sent = time.monotonic()
            os.kill(pid, signal.SIGINT)
        if sent and took is None and b"INTERRUPTED" in written:
            took = time.monotonic() - sent
        if not piece:
            break
    os.waitpid(pid, 0)
    os.close(terminal)
    return written.decode(), took


def seen_at_the_end(written):
    """What a terminal shows after such output: only what these displays use is known here."""
    lines, row, column = [""], 0, 0
    for piece in re.findall(r"\x1b\[\d*[AJKm]|\x1b\[[\d;]*m|\r|\n|[^\x1b\r\n]+", written):
        if piece == "\r":
            column = 0
        elif piece == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif piece.endswith("A") and piece.startswith("\x1b"):
            row -= int(piece[2:-1])
        elif piece == "\x1b[J":
            lines[row:] = [lines[row][:column]]
        elif not piece.startswith("\x1b"):
            lines[row] = lines[row][:column] + piece + lines[row][column + len(piece) :]
            column += len(piece)
    return [line for line in lines if line.strip()]


def test_a_run_on_a_terminal_is_one_line_that_is_gone_at_the_end(script):
    written, _ = on_terminal(*script(1, 2.2))
    assert re.search(r"slow\.job \x1b\[36m▶ RUNNING\x1b\[0m 1 s · still here", written)
    assert seen_at_the_end(written) == ["ENDED"]


def test_a_short_run_is_quiet(script):
    written, _ = on_terminal(*script(1, 0.2))
    assert written.split() == ["ENDED"]


def test_no_colour_where_it_is_not_wanted(script):
    command, env = script(1, 1.6)
    written, _ = on_terminal(command, {**env, "NO_COLOR": "1"})
    assert "▶ RUNNING" in written and "\x1b[36m" not in written


def test_many_runs_are_one_bar(script):
    written, _ = on_terminal(*script(20, 0.3))
    assert re.search(r"slow\.job █+░* \d+/20 done · \d+ failed · \d running", written)
    assert "still here" not in written
    assert seen_at_the_end(written) == ["ENDED"]


def test_ctrl_c_leaves_at_once_says_how_to_return_and_the_run_goes_on(script):
    written, took = on_terminal(*script(1, 20), interrupt_after=b"RUNNING")
    # At most 0.25 s of it until the exception; the rest is `runs.state` and the terminal.
    assert took is not None and took < 0.5
    shown = seen_at_the_end(written)
    assert re.search(r"detached: the run goes on; attach again with rw\.attach\('store://default/run/python/[0-9a-f-]+'\)", "".join(shown))
    assert shown[-1].strip() == "INTERRUPTED RUNNING"


@pytest.mark.parametrize(("setting", "many"), [("none", 1), ("false", 1), ("false", 12)])
def test_nothing_where_nobody_looks_or_it_is_not_wanted(script, setting, many):
    command, env = script(many, 1.4 if many == 1 else 0.5, setting)
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("ENDED\n", "")


def test_lines_where_they_are_asked_for(script):
    command, env = script(1, 1.6, "true")
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert "\x1b" not in done.stderr and "\r" not in done.stderr
    assert re.search(r"^slow\.job ▶ RUNNING", done.stderr, re.M) and re.search(r"^slow\.job ✓ COMPLETED 1\.\d s$", done.stderr, re.M)


SERVICE = """
import time
import runwright as rw

@rw.function
def greet():
    return "hello"

run = greet.run(action="serve", serving={"port": 0})
run.wait(60, progress=True)
print("READY", run.is_ready, rw.attach(run.key).wait(progress=True).is_ready)
run.stop()
"""


def test_a_service_is_waited_for_until_it_answers(script, tmp_path):
    """A wait with a display ends when the service answers: it would never end otherwise."""
    (_, env), file = script(1, 0), tmp_path / "service.py"
    file.write_text(SERVICE)
    written, _ = on_terminal([sys.executable, str(file)], env)
    assert seen_at_the_end(written)[-1] == "READY True True"


class Engine:
    """Runs that end after so many calls, and a count of what was asked."""

    def __init__(self, records, calls=0):
        self.records = {record["id"]: record for record in records}
        self.calls = 0
        self.after = calls

    def wait(self, id, timeout=None):
        self.calls += 1
        ended = self.calls > self.after
        if not ended and timeout:
            time.sleep(min(timeout, 0.01))
        return Done({**self.records[id], "state": "COMPLETED" if ended else "RUNNING"})

    def log(self, id, start, follow):
        return Done(([], start, False))


class Done:
    def __init__(self, value):
        self.value = value

    def wait(self):
        return self.value


@pytest.fixture
def thousands(record, monkeypatch):
    """`thousands(n, calls)`: records of n runs, and their engine."""

    def make(many, calls=0):
        records = [record(id=f"{n:08d}", state="RUNNING", seconds=None) for n in range(many)]
        engine = Engine(records, calls)
        monkeypatch.setattr(progress, "engine", lambda: engine)
        monkeypatch.setattr("runwright.display.watched.engine", lambda: engine)
        return records, engine

    return make


def test_ten_thousand_runs_are_waited_for_with_few_calls(thousands, monkeypatch):
    records, engine = thousands(10_000, calls=500)
    monkeypatch.setattr(progress, "QUIET", 0.05)
    stream = io.StringIO()
    monkeypatch.setattr("runwright.display.screens.screen_for", lambda records, progress: terminal_screen.PlainScreen(stream))
    began = time.monotonic()
    newest = progress.waiting(records, None, True)
    assert time.monotonic() - began < 5
    assert {record["state"] for record in newest} == {"COMPLETED"}
    assert engine.calls < 25_000
    assert "10000/10000 done" in stream.getvalue()


def test_ended_runs_are_not_asked_about(thousands, record):
    _, engine = thousands(1)
    records = [record(id=f"{n:08d}") for n in range(100)]
    assert progress.waiting(records, None, None) == records
    assert engine.calls == 0
    assert progress.waiting([], None, True) == []


def test_services_that_answer_are_waited_for_no_more(thousands, record, monkeypatch):
    """Of two services one answers at the first look, with a display as without."""
    service = {"replicas": 2, "ready": 0, "url": "http://there:8080"}
    _, engine = thousands(1)
    going = record(state="RUNNING", seconds=None, service=service)
    ready = {**going, "service": {**service, "ready": 2}}
    monkeypatch.setattr(engine, "wait", lambda id, timeout=None: Done(ready))
    monkeypatch.setattr(progress, "QUIET", 0.0)
    monkeypatch.setattr("runwright.display.screens.screen_for", lambda records, progress: terminal_screen.PlainScreen(io.StringIO()))
    for setting in (None, True, False):
        assert progress.waiting([going, ready], None, setting) == [ready, ready]
    assert "2 of 2 answer · http://there:8080" in terminal_screen.run_line(ready, Watched([ready], 0.0), 200, False)


@pytest.mark.parametrize("setting", [None, True, False])
def test_a_timeout_is_shared_by_all(thousands, monkeypatch, setting):
    records, _ = thousands(50, calls=10**9)
    monkeypatch.setattr(progress, "QUIET", 0.1)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    began = time.monotonic()
    newest = progress.waiting(records, 0.4, setting)
    assert time.monotonic() - began < 1.0
    assert {record["state"] for record in newest} == {"RUNNING"}


def test_a_display_that_fails_is_no_reason_to_stop_waiting(thousands, monkeypatch):
    records, _ = thousands(3, calls=100)

    class Broken:
        def update(self, watched):
            raise OSError("the terminal is gone")

        close = update

    monkeypatch.setattr(progress, "QUIET", 0.01)
    monkeypatch.setattr("runwright.display.screens.screen_for", lambda records, progress: Broken())
    assert {record["state"] for record in progress.waiting(records, None, None)} == {"COMPLETED"}


def test_counts_follow_the_records(record, thousands):
    records, _ = thousands(30, calls=3)
    watched = Watched(records, 0.0)
    watched.wait(0.05)
    assert watched.counts["COMPLETED"] == watched.ended == 30 and watched.going == []
    assert watched.counts["RUNNING"] == 0


def test_what_installs_the_requirements_is_seen_before_it_runs(thousands, monkeypatch):
    from runwright.display.terminal_screen import run_line

    records, engine = thousands(1)
    monkeypatch.setattr(engine, "log", lambda id, start, follow: Done(([{"m": "installing 1 requirement: torch"}], 1, False)))
    waits = {**records[0], "state": "PENDING", "history": []}
    assert run_line(waits, Watched([waits], 0.0), 200, False).endswith(" · installing 1 requirement: torch")


def test_waiting_works_in_a_thread(place):
    import runwright as rw

    @rw.function
    def quick():
        return 5

    results = []
    run = quick.run()
    thread = threading.Thread(target=lambda: results.append(run.wait(progress=True).result()))
    thread.start()
    thread.join(20)
    assert results == [5]
