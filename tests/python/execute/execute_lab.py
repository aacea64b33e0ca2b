"""Real runs in a folder of their own: what the Rust client does, in a few lines of Python."""

from __future__ import annotations

import atexit
import fcntl
import glob
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from typing import Any

from runwright.execute import bundle

_numbers = itertools.count()
_entry = ""
# The suite can be run against another Python than the one that pytest runs on.
PYTHON = os.environ.get("RUNWRIGHT_TEST_PYTHON") or sys.executable


def pythons() -> list[str]:
    """One interpreter of each minor version that pyenv has, from 3.9 on."""
    found = {}
    for path in sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python"))):
        minor = int(path.split("/versions/3.")[1].split(".")[0])
        if minor >= 9:
            found[minor] = path
    return [found[minor] for minor in sorted(found)] or [sys.executable]


class Ended:
    """What a run left in its folder."""

    def __init__(self, folder: str, code: int | None, stderr: str = "") -> None:
        self.folder = folder
        self.code = code
        self.stderr = stderr

    @property
    def end(self) -> dict[str, Any]:
        with open(f"{self.folder}/end.json", encoding="utf-8") as file:
            return json.load(file, parse_constant=_refuse)

    @property
    def error(self) -> dict[str, Any]:
        return self.end["error"]

    @property
    def values(self) -> dict[str, Any]:
        return {name: descriptor.get("value") for name, descriptor in self.end["outputs"].items()}

    @property
    def result(self) -> Any:
        assert self.end["state"] == "COMPLETED", self.end
        return self.values["result"]

    def lines(self, name: str) -> list[dict[str, Any]]:
        path = f"{self.folder}/{name}"
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return [json.loads(line, parse_constant=_refuse) for line in file.read().split("\n") if line]

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        return [event for event in self.lines("events.jsonl") if kind in (None, event["type"])]

    def log(self, *streams: str) -> list[str]:
        return [line["m"] for line in self.lines("log.jsonl") if line["s"] in (streams or ("stdout",))]


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


class Lab:
    """A Runwright home."""

    def __init__(self, home: str) -> None:
        global _entry
        self.home = home
        # Once for all homes: each would compile it anew.
        if not _entry:
            folder = tempfile.mkdtemp(prefix="runwright-tests-")
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            _entry = bundle.write(folder)
        self.entry = _entry
        self.processes: list[subprocess.Popen[str]] = []

    def enter_group(self, processes: str) -> None:
        """Let the runners started from here on be in a control group, of which this is the `cgroup.procs`."""
        runner, self.entry = self.entry, f"{self.home}/in_group.py"
        os.makedirs(self.home, exist_ok=True)
        with open(self.entry, "w", encoding="utf-8") as file:
            file.write(
                f"import os, sys\nopen({processes!r}, 'w').write(str(os.getpid()))\n"
                f"os.execv(sys.executable, [sys.executable, '-I', '-S', {runner!r}, *sys.argv[1:]])"
            )

    def prepare(self, code: str = "", secrets: dict[str, str] | None = None, files: dict[str, Any] | None = None, **frozen: Any) -> str:
        """Hand a run over without starting anything. Returns its id."""
        run_id = f"{time.time_ns():020d}-{next(_numbers):06d}"
        folder, source = f"{self.home}/runs/{run_id}", f"{self.home}/code/{run_id}"
        os.makedirs(folder)
        for name, text in {"functions.py": textwrap.dedent(code), **(files or {})}.items():
            os.makedirs(os.path.dirname(f"{source}/{name}"), exist_ok=True)
            with open(f"{source}/{name}", "wb") as file:
                file.write(text if isinstance(text, bytes) else text.encode())
        call = {"path": source, "handler": frozen.pop("handler", "functions:f"), "outputs": frozen.pop("outputs", None)}
        task = {"call": call, **({"serve": frozen.pop("serve")} if "serve" in frozen else {})}
        run = {
            "protocol": 1,
            "id": run_id,
            "key": f"store://demo/run/python/{run_id}",
            "project": "demo",
            "function": "f",
            "kind": "python",
            "version": "0" * 64,
            "action": "job",
            "task": task,
            "python": PYTHON,
            "cwd": folder,
            "parameters": {},
            "inputs": {},
            "needs": [],
            "envs": {},
            "requirements": [],
            "timeout": None,
            "grace": 0.5,
            "concurrency": 0,
            "retries": None,
            **frozen,
        }
        if secrets:
            with open(f"{folder}/secrets.json", "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                json.dump(secrets, file)
        with open(f"{folder}/run.json.draft", "w", encoding="utf-8") as file:
            json.dump(run, file)
        os.rename(f"{folder}/run.json.draft", f"{folder}/run.json")
        return run_id

    def enqueue(self, run_id: str, needs: tuple[str, ...] = ()) -> None:
        os.makedirs(f"{self.home}/queue", exist_ok=True)
        with open(f"{self.home}/queue/{run_id}", "w", encoding="utf-8") as file:
            file.write("\n".join(needs))

    def start(self, run_id: str, python: str | None = None, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a runner in a process group of its own."""
        command = [python or PYTHON, "-I", "-S", self.entry, self.home, run_id]
        environment = {**os.environ, **(env or {})}
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, env=environment, start_new_session=True
        )
        self.processes.append(process)
        return process

    def ended(self, run_id: str, process: subprocess.Popen[str] | None = None, timeout: float = 30.0) -> Ended:
        code, stderr = None, ""
        if process is not None:
            _, stderr = process.communicate(timeout=timeout)
            code = process.returncode
        return Ended(f"{self.home}/runs/{run_id}", code, stderr)

    def run(self, code: str = "", **frozen: Any) -> Ended:
        """Hand over, start, wait."""
        env = frozen.pop("env", None)
        run_id = self.prepare(code, **frozen)
        process = self.start(run_id, frozen.get("python"), env)
        ended = self.ended(run_id, process)
        assert ended.stderr == "", ended.stderr
        return ended

    def at(self, run_id: str) -> Ended:
        return Ended(f"{self.home}/runs/{run_id}", None)

    def stop(self, run_id: str) -> None:
        """As the client does it: the mark, then the signal to the claim's process if it is alive."""
        folder = f"{self.home}/runs/{run_id}"
        with open(f"{folder}/stop", "w", encoding="utf-8"):
            pass
        if self.is_alive(run_id):
            os.kill(self.claim(run_id)["pid"], signal.SIGTERM)

    def claim(self, run_id: str) -> dict[str, Any]:
        with open(f"{self.home}/runs/{run_id}/claim", encoding="utf-8") as file:
            return json.load(file)

    def is_alive(self, run_id: str) -> bool:
        try:
            with open(f"{self.home}/runs/{run_id}/claim", "rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:
                    return True
                return False
        except FileNotFoundError:
            return False


def until(condition: Callable[[], Any], timeout: float = 20.0) -> Any:
    """Wait for a condition; its value."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("it did not come about in time")


def exists(pid: int) -> bool:
    """Whether a process is there and not a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False
