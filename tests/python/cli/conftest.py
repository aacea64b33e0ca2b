"""The program as users call it: a process of its own, in a folder of its own."""

import json
import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

CODE = '''"""Functions for the command line's tests. Importing this outside of a run would be a mistake."""
import os
import time
from typing import Literal, Optional, Union

if "RUNWRIGHT_TEST_NO_IMPORT" in os.environ:
    raise RuntimeError("the command line imported the user's code")


def train(depth: int = 5, rate: float = 0.1, name: str = "x", flag: bool = False, any=None, tags: Optional[list[int]] = None):
    print("training", depth)
    print("to stderr", file=__import__("sys").stderr)
    return {"depth": depth, "rate": rate, "name": name, "flag": flag, "any": any, "tags": tags}


def score(depth: int):
    return depth * 2


def fail(message: str = "no luck"):
    print("about to fail")
    raise ValueError(message)


def sleep(seconds: float = 60.0):
    print("sleeping", flush=True)
    time.sleep(seconds)
    print("awake")


def chatter(lines: int):
    for number in range(lines):
        print("line", number, "x" * 80)


def make(size: int = 3):
    return bytes(size)


def environment():
    return [os.environ.get("LEVEL"), os.environ.get("TOKEN")]


def size(data):
    return len(data.load())
'''


class Program:
    """`runwright` with a home of its own; each call is a process of its own."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home = home
        self.folder = folder
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("RUNWRIGHT_")}
        self.env |= {"RUNWRIGHT_HOME": str(home), "RUNWRIGHT_CONCURRENCY": "4", "COLUMNS": "100"}
        self.env.pop("NO_COLOR", None)

    def command(self, *arguments: str) -> list[str]:
        return [str(Path(sysconfig.get_path("scripts")) / "runwright"), *arguments]

    def __call__(self, *arguments: str, code: int = 0, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments),
            env={**self.env, **(env or {})},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: str, code: int = 0):
        return json.loads(self(*arguments, "--json", code=code).stdout)

    def start(self, *arguments: str, **options) -> subprocess.Popen[str]:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen(self.command(*arguments), env=self.env, cwd=self.folder, text=True, **options)

    def python(self, code: str):
        """What Python code prints as JSON, with the same home."""
        done = subprocess.run(
            [sys.executable, "-c", code], env=self.env, cwd=self.folder, capture_output=True, text=True, timeout=120, check=True
        )
        return json.loads(done.stdout)


@pytest.fixture
def program(tmp_path):
    """The program with an empty home."""
    (tmp_path / "functions.py").write_text(CODE)
    return Program(tmp_path / "home", tmp_path)


@pytest.fixture(scope="session")
def populated(tmp_path_factory):
    """The program with a home in which something happened: only to be read. `completed`, `failed` and `other` are ids of runs."""
    folder = tmp_path_factory.mktemp("populated")
    (folder / "functions.py").write_text(CODE)
    program = Program(folder / "home", folder)
    program.completed = program.json("run", "functions.py:train", "-p", "depth=8", "-p", "name=8")["id"]
    program.other = program.json("run", "functions.py:train", "-p", "depth=9", "-p", "name=8")["id"]
    program.failed = program.json("run", "functions.py:fail", code=1)["id"]
    program.made = program.json("run", "functions.py:make")
    [program.key] = program.made["outputs"].values()
    program.read = program.json("run", "functions.py:size", "--input", f"data={program.key}")
    return program


def wait_until(condition, seconds=30.0):
    """Return what `condition` gives as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


def has_threads(process):
    """Whether the program has opened its engine: from then on Ctrl-C is heard by it."""
    try:
        return any(task.read_text().startswith("runwright") for task in Path(f"/proc/{process.pid}/task").glob("*/comm"))
    except OSError:
        return False


@pytest.fixture
def until():
    return wait_until


@pytest.fixture
def opened():
    return has_threads
