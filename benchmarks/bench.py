"""What the rows share: how thorough to be, where to write, what runs Python."""

from __future__ import annotations

import itertools
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from . import environments
from .measure import PROGRAMS, Worker, environment
from .report import Row

if TYPE_CHECKING:
    from .cluster import AnyCluster


@dataclass
class Bench:
    """One run of the benchmarks.

    Attributes:
        folder: for everything written; on the disk that is measured. quick: few repetitions of little.
        peers: whether other tools are measured too.
        wheel: the built wheel, where it is not known from the installation.
    """

    folder: Path
    quick: bool = False
    peers: bool = True
    wheel: Path | None = None
    rows: list[Row] = field(default_factory=list)
    python: str = sys.executable
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _built: dict[str, Path] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def cluster(self) -> AnyCluster:
        """The cluster, up until the end."""
        from . import cluster

        return self._open.enter_context(cluster.opened())

    def core_program(self, name: str) -> Path:
        """A program of `core/`, built once."""
        from . import cluster

        if name not in self._built:
            self._built[name] = cluster.core_program(name, quick=self.quick)
        return self._built[name]

    def close(self) -> None:
        """Take back what was started."""
        self._open.close()

    def rounds(self, full: int, quick: int = 3) -> int:
        """How often to measure."""
        return quick if self.quick else full

    def fresh(self, name: str) -> Path:
        """A new empty folder."""
        folder = self.folder / f"{next(self._numbers)}-{name}"
        folder.mkdir(parents=True)
        return folder

    def worker(self, program: str, folder: Path | None = None, *arguments: str, **settings: str) -> Worker:
        """A program of ours (`programs/<program>.py`), warm and waiting. `settings`: more environment variables."""
        folder = folder or self.fresh(program)
        return Worker(self.python, PROGRAMS / f"{program}.py", folder, environment(folder, **settings), *arguments)

    def peer(self, peer: str, program: str, folder: Path | None = None, *arguments: str, **settings: str) -> Worker:
        """A program of a peer (`peers/<program>.py`), warm and waiting."""
        folder = folder or self.fresh(program)
        env = environment(folder, **environments.SETTINGS[peer], **settings)
        return Worker(environments.python_of(peer), environments.PEERS / f"{program}.py", folder, env, *arguments)

    def add(self, what: str, goal: str, measured: str, met: bool | None = None) -> None:
        """Note a result. `met` is None for what has no goal and is told only for context."""
        row = Row(what, goal, measured, met)
        self.rows.append(row)
        print(f"  {row.mark:>3}  {what}: {measured.replace('**', '')}" + (f"  [{goal}]" if goal else ""), file=sys.stderr, flush=True)
