"""A page of results: one table, and what has to be known to read it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from . import environments


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    goal: str
    measured: str
    met: bool | None

    @property
    def mark(self) -> str:
        return {True: "yes", False: "NO", None: ""}[self.met]


HEAD = """# Benchmarks

Written by `{command}`; do not edit. {scope}

Every number is **median** (lowest to highest, n = how many pairs). What is compared runs in turns (A B, B A, …) in the same
minutes on the same disk, and a ratio or difference is taken pair by pair: a busy machine slows both of a pair. Whether a goal is
met is told by the median. Lines without a goal are context. Absolute times hold for this machine in that hour only{busy};
processor time is hardly disturbed by that.

"""


def markdown(
    rows: Sequence[Row], notes: Sequence[str], *, quick: bool, command: str, seconds: float, load: float, peers: Sequence[str]
) -> str:
    """The whole page."""
    scope = "**A quick run: few repetitions, small stores; not for quoting.**" if quick else "A full run."
    busy = f"; it was busy (load {load:.1f} on {os.cpu_count()} cores when this began)" if load > 0.5 else ""
    lines = [HEAD.format(command=command, scope=scope, busy=busy), "| what | goal | measured | met |\n|---|---|---|---|\n"]
    lines += [f"| {row.what} | {row.goal} | {row.measured} | {row.mark} |\n" for row in rows]
    lines.append("\n## Notes\n\n")
    lines += [f"- {note}\n" for note in notes]
    lines.append("\n## What was measured\n\n")
    lines += [f"- {name}: {value}\n" for name, value in machine(peers).items()]
    lines.append(f"- took {seconds:.0f} s, ended {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}\n")
    return "".join(lines)


def as_json(rows: Sequence[Row]) -> str:
    """The rows, for programs."""
    return json.dumps([asdict(row) for row in rows], indent=1)


def machine(peers: Sequence[str]) -> dict[str, str]:
    """Versions and hardware."""
    return {
        "Runwright": f"{metadata.version('runwright')}, core {_digest_of_core()}; the benchmarks are of commit {_commit()}",
        "Python": f"{platform.python_version()} ({platform.python_implementation()}), SQLite {sqlite3.sqlite_version} where Python commits",
        "peers": ", ".join(f"{peer} {environments.version_of(peer)}" for peer in peers) + " (pinned whole in `benchmarks/peers/*.txt`)",
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory()} GiB; {platform.system()} {platform.release()}",
    }


def _digest_of_core() -> str:
    """What tells one build from another of the same version."""
    found = find_spec("runwright._core")
    if found is None or found.origin is None:
        return "none"
    return f"sha256 {hashlib.sha256(Path(found.origin).read_bytes()).hexdigest()[:12]}"


def _commit() -> str:
    try:
        ask = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude", "*"]
        return subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def command() -> str:
    """The command line, as a person would type it."""
    return " ".join(["python -m benchmarks", *sys.argv[1:]])
