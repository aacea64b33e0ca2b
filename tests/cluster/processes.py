"""The cluster's processes: started with a log, recorded in one file, ended by their recorded ids."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.cluster.settings import CONTAINERD_SOCKET, LOGS, STATE
from tests.servers.processes import ProcessRef, start, wait_ready, wait_until

_RECORD = STATE / "processes.json"


@dataclass(frozen=True)
class Component:
    """One program of the cluster, and how to tell that it works."""

    name: str
    command: list[str | Path]
    ready: Callable[[], bool]
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """Where it writes."""
        return LOGS / f"{self.name}.log"


def recorded() -> dict[str, ProcessRef]:
    """Every process that was started and not stopped by us, dead or alive."""
    if not _RECORD.exists():
        return {}
    return {name: ProcessRef(**reference) for name, reference in json.loads(_RECORD.read_text()).items()}


def launch(component: Component) -> None:
    """Start a component unless it runs."""
    known = recorded()
    if component.name in known and known[component.name].alive:
        return
    LOGS.mkdir(parents=True, exist_ok=True)
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", **component.environment}
    known[component.name] = start(component.command, component.log, env=environment)
    _write(known)


def wait(component: Component, seconds: float = 60) -> None:
    """Wait until a component works."""
    wait_ready(component.name, recorded()[component.name], component.ready, component.log, seconds)


def stop(name: str, first: int = signal.SIGTERM) -> None:
    """End a process, if it runs, and forget it."""
    known = recorded()
    reference = known.pop(name, None)
    if reference is not None:
        reference.stop(first)
        _write(known)


def _write(known: dict[str, ProcessRef]) -> None:
    STATE.mkdir(parents=True, exist_ok=True)
    scratch = _RECORD.with_suffix(".new")
    scratch.write_text(json.dumps({name: reference.as_dict() for name, reference in known.items()}, indent=1))
    scratch.rename(_RECORD)


def shims() -> list[ProcessRef]:
    """Our containers' shims: they outlive containerd. Ours are those that report to our socket."""
    return [
        ProcessRef.of(pid)
        for pid, command in _commands()
        if Path(command[0]).name.startswith("containerd-shim") and str(CONTAINERD_SOCKET) in command
    ]


def stop_shims() -> None:
    """Kill the containers that are left with their shims, children first, each by its own id."""
    for shim in shims():
        for process in [*_descendants(shim.pid), shim]:
            process.send(signal.SIGKILL)
        wait_until(partial(_ended, shim), 5)


def _ended(process: ProcessRef) -> bool:
    return not process.alive


def _commands() -> list[tuple[int, list[str]]]:
    """Every process's id and command line (without kernel threads)."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
            except OSError:
                continue
            if words[0]:
                found.append((int(folder.name), words))
    return found


def _descendants(pid: int) -> list[ProcessRef]:
    """Every process below one, the deepest first."""
    found: list[ProcessRef] = []
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return found
    for child in children:
        found += [*_descendants(child), ProcessRef.of(child)]
    return found


def mentioning(text: str) -> list[str]:
    """Command lines of processes that name something: whether any of the cluster's are left."""
    return [" ".join(command) for _, command in _commands() if any(text in word for word in command)]
