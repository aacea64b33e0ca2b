"""A home of its own, and real client processes in it that may be killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

FINAL = {"COMPLETED", "ERROR", "STOPPED"}
# A function that says, by its run's id in one atomic write, that it was executed.
WORK = """
import os, sys, time
import runwright as rw

@rw.function
def work(log, seconds=0.0):
    import os, time
    descriptor = os.open(log, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    os.write(descriptor, (os.environ["RUNWRIGHT_RUN"].rsplit("/", 1)[1] + "\\n").encode())
    os.close(descriptor)
    time.sleep(seconds)
    return 1

"""


def not_run(why: str) -> None:
    """A machine that lacks what a test needs: a failure where all tests must run (CI), told elsewhere."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


class Home:
    """A `RUNWRIGHT_HOME` and the processes that use it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path.with_name(f"{path.name}.executed")
        self.environment = {**os.environ, "RUNWRIGHT_HOME": str(path), "LOG": str(self.log), "PYTHONUNBUFFERED": "1"}
        for name in (
            "RUNWRIGHT_STORE",
            "RUNWRIGHT_ARTIFACTS",
            "RUNWRIGHT_PROJECT",
            "RUNWRIGHT_CONCURRENCY",
            "RUNWRIGHT_RUN",
            "RUNWRIGHT_BUSY_SECONDS",
        ):
            self.environment.pop(name, None)
        self.started: list[subprocess.Popen[str]] = []

    def start(
        self, program: str, *, before: tuple[str, ...] = (), python: tuple[str, ...] = (), **environment: str
    ) -> subprocess.Popen[str]:
        """Start a client program; `before` is what it is run under (strace, …)."""
        # A file: functions of programs given by -c have no source.
        file = self.log.with_name(f"{self.log.name}.{len(self.started)}.py")
        file.write_text(textwrap.dedent(program), encoding="utf-8")
        process = subprocess.Popen(
            [*before, sys.executable, *python, str(file)],
            env={**self.environment, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, program: str, *, timeout: float = 60, **how: Any) -> str:
        """Run a client program to its end, which must be a good one. Gives what it printed."""
        process = self.start(program, **how)
        out, err = process.communicate(timeout=timeout)
        assert process.returncode == 0, f"{out}\n{err}"
        return out

    def json(self, program: str, **how: Any) -> Any:
        """What a client program printed last, as JSON."""
        return json.loads(self.run(program, **how).splitlines()[-1])

    def executed(self) -> list[str]:
        """The ids of the runs whose function was executed, once for each execution."""
        return self.log.read_text(encoding="utf-8").split() if self.log.exists() else []

    def settled(self, timeout: float = 45) -> dict[str, dict[str, Any]]:
        """The records of all runs, by id, once a new process has looked and all have ended."""
        program = f"""
            import json, time
            import runwright as rw
            rw.sync()
            until = time.monotonic() + {timeout}
            while (open_ := rw.runs(project="*", open=True, limit=None)) and time.monotonic() < until:
                time.sleep(0.05)
            print(json.dumps([run.record for run in rw.runs(project="*", limit=None)]))
        """
        records = {record["id"]: record for record in self.json(program, timeout=timeout + 15)}
        unfinished = {key: record["state"] for key, record in records.items() if record["state"] not in FINAL}
        assert not unfinished, unfinished
        return records

    def check_once(self, records: dict[str, dict[str, Any]]) -> None:
        """At most one execution for each run, exactly one where it completed, none where it was not started; histories are monotone."""
        executed = self.executed()
        for key, record in records.items():
            times = executed.count(key)
            if record["state"] == "COMPLETED":
                assert times == 1, (key, times, record)
            elif record["error"]["cause"] in ("NotStarted", "Stopped") and record["attempts"] == 0:
                assert times == 0, (key, times, record)
                assert record["error"]["cause"] == "Stopped" or record["error"]["cure"], record
            else:
                assert times <= 1, (key, times, record)
            check_history(record)
        assert set(executed) <= set(records), "a run was executed that nobody recorded"

    def supervisors(self) -> dict[str, int]:
        """The process ids of live supervisors, by run."""
        found = {}
        for claim in self.path.glob("runs/*/claim"):
            pid = json.loads(claim.read_text())["pid"]
            if pid and not (claim.parent / "end.json").exists() and os.path.exists(f"/proc/{pid}"):
                found[claim.parent.name] = pid
        return found

    def close(self) -> None:
        """Kill what is left: of the clients, and of the runs."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        for pid in self.supervisors().values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def check_history(record: dict[str, Any]) -> None:
    """Times never go backwards, and the states are legal."""
    steps = record["history"]
    times = [_time(step["time"]) for step in steps]
    assert times == sorted(times), times
    assert steps[0]["state"] == "CREATED"
    assert steps[-1]["state"] == record["state"]
    assert record["seconds"] is None or record["seconds"] >= 0


def _time(text: str) -> tuple[str, str]:
    """A time of a record, as something that sorts: its fraction has no zeros at the end."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return whole, fraction.ljust(9, "0")


def until(condition: Callable[[], Any], timeout: float = 20, what: str = "") -> Any:
    """Wait until `condition` holds."""
    end = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < end, what or condition
        time.sleep(0.01)
    return found


def listing(folder: Path, *, without: tuple[str, ...] = ()) -> set[str]:
    """Every path below a folder, but for what belongs to the client itself."""
    ours = ("runwright.db", "clients", *without)
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not str(path.relative_to(folder)).startswith(ours)}


def files_with(folder: Path, needles: list[bytes], *, without: tuple[str, ...] = ()) -> Iterator[str]:
    """The files that hold one of these."""
    for path in folder.rglob("*"):
        if path.is_file() and not str(path.relative_to(folder)).startswith(without or ("\0",)):
            content = path.read_bytes()
            for needle in needles:
                if needle in content:
                    yield f"{path.relative_to(folder)}: {needle!r}"
