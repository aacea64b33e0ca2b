"""How things are timed: side by side, in turns, many times over; what counts is each pair, so that a noisy machine disturbs both alike."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMES = "\N{MULTIPLICATION SIGN}"
PROGRAMS = Path(__file__).parent / "programs"
PEERS = Path(__file__).parent / "peers"


@dataclass(frozen=True)
class Spread:
    """Several measurements of one thing."""

    low: float
    median: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(min(values), statistics.median(values), max(values), len(values))

    def text(self, unit: str) -> str:
        """`median (min to max)` in a unit: "ms" and "us" of seconds, "x" of ratios."""
        factor = {"ms": 1e3, "us": 1e6}.get(unit, 1)
        low, median, high = (
            f"{value * factor:.3g}" if abs(value * factor) < 100 else f"{value * factor:,.0f}"
            for value in (self.low, self.median, self.high)
        )
        sign = {"us": " µs", "x": TIMES, "": ""}.get(unit, f" {unit}")
        return f"**{median}{sign}** ({low} to {high}, n={self.count})"


class Seconds(float):
    """Seconds of wall time; `cpu`: those of them that it and what it waited for had a processor."""

    cpu: float


class Failed(Exception):
    """Something that was to be measured does not run."""


def interleave(subjects: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Time each in turn, `rounds` times, every other round backwards; one round before that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    for at in range(-1, rounds):
        names = list(subjects)
        for name in names if at % 2 else reversed(names):
            took = subjects[name]()
            if at >= 0:
                seconds[name].append(took)
    return seconds


def ratios(these: Sequence[float], those: Sequence[float]) -> Spread:
    """These over those, pair by pair."""
    return Spread.of([this / that for this, that in zip(these, those, strict=True)])


def excess(these: Sequence[float], those: Sequence[float]) -> Spread:
    """By how much these take longer than those, pair by pair."""
    return Spread.of([this - that for this, that in zip(these, those, strict=True)])


def cpu(took: Sequence[float]) -> list[float]:
    """The processor's share of what `spawn` gave: hardly changed by what else the machine does."""
    return [one.cpu for one in took if isinstance(one, Seconds)]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a measured process: nothing of the session's but where programs are; `folder` is its home."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "HOME": str(folder), "USER": "bench", "RUNWRIGHT_HOME": str(folder / "runwright"), **more}


def spawn(argv: Sequence[str | Path], env: Mapping[str, str], cwd: Path) -> Seconds:
    """Seconds from starting a process to its end.

    Raises:
        Failed: it ended with another code than 0.
    """
    with tempfile.TemporaryFile() as said:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        code = subprocess.call(
            [str(part) for part in argv], env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, stdout=said, stderr=said, close_fds=False
        )
        seconds = Seconds(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if code != 0:
            said.seek(0)
            name = Path(argv[1] if len(argv) > 1 else argv[0]).name
            raise Failed(f"{name} ended with {code}: {said.read().decode(errors='replace').strip()[-600:]}")
    return seconds


class Worker:
    """A warm process that does something as often as it is told and says how long that took (see `peers/worker.py`)."""

    def __init__(self, python: str | Path | None, program: Path, folder: Path, env: Mapping[str, str], *arguments: str) -> None:
        """`python` runs the program; None: it runs by itself."""
        folder.mkdir(parents=True, exist_ok=True)
        self.name = program.stem
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        self._process = subprocess.Popen(
            [*([] if python is None else [str(python)]), str(program), str(folder), *arguments],
            env={**env, "PYTHONPATH": str(PEERS)},
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        self._answer()

    def send(self, verb: str, times: int = 1) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{verb} {times}\n")
        self._process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        """`{"seconds", "value"}`: of all times, and what the last gave."""
        return self._answer()

    def ask(self, verb: str, times: int = 1) -> Any:
        """Do it; gives its value."""
        self.send(verb, times)
        return self.receive()["value"]

    def seconds(self, verb: str, times: int = 1) -> float:
        """Seconds that one takes."""
        self.send(verb, times)
        return float(self.receive()["seconds"]) / times

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._said.seek(0)
            raise Failed(f"{self.name} ended with {code}: {self._said.read().decode(errors='replace').strip()[-600:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End it; it gets a while to tidy up."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
