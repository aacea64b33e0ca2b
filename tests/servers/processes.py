"""Processes that are started with a log, waited for until they answer, and ended by their own id: never by name."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


class ServerError(RuntimeError):
    """A server did not start; the message ends with what it wrote last."""


@dataclass(frozen=True)
class ProcessRef:
    """One process for as long as it lives: the start time tells it from a later process with the same id."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> ProcessRef:
        """Record a running process."""
        return cls(pid, _start_time(pid) or 0)

    @property
    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return _start_time(self.pid) == self.started

    def send(self, number: int) -> None:
        """Send a signal, unless the process is gone."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def stop(self, first: int = signal.SIGTERM, patience: float = 10) -> None:
        """End the process: ask with the first signal, then KILL."""
        for number, seconds in ((first, patience), (signal.SIGKILL, 5.0)):
            self.send(number)
            if wait_until(lambda: not self.alive, seconds):
                break
        # Where it is a child of ours, take its exit status, so that no zombie stays.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def as_dict(self) -> dict[str, int]:
        """What a state file keeps; `ProcessRef(**…)` reads it back."""
        return asdict(self)


def _start_time(pid: int) -> int | None:
    """Clock ticks after boot at which a process started; None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def start(
    command: Sequence[str | Path],
    log: Path,
    *,
    user: str | None = None,
    env: dict[str, str] | None = None,
    die_with_parent: signal.Signals | None = None,
) -> ProcessRef:
    """Start a command in a session of its own, writing to `log`.

    `user` drops root's rights. `die_with_parent` is the signal the kernel sends it when the starting thread ends in any way,
    so that a killed test run leaves no server; without it the process outlives us, which is what the command line wants.
    """
    prefix: list[str] = []
    if user is not None or die_with_parent is not None:
        prefix = ["setpriv"]
        if user is not None:
            prefix += [f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"]
        if die_with_parent is not None:
            prefix += [f"--pdeathsig={die_with_parent.name.removeprefix('SIG')}"]
        prefix += ["--"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*prefix, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=log.parent,
            start_new_session=True,
        )
    process.returncode = 0  # We wait for it by id: keep Popen from warning that it still runs.
    return ProcessRef.of(process.pid)


def private_folder(prefix: str) -> Path:
    """A new folder for one server. Those of servers that were killed, with nobody left to remove them, are removed first."""
    # Not under TMPDIR: a unix socket's path may have 107 bytes only.
    parent = Path("/tmp")
    for left in parent.glob(f"{prefix}*"):
        # An hour old, so that a server that another test is just starting keeps its folder.
        with contextlib.suppress(OSError):
            if left.stat().st_mtime < time.time() - 3600 and not _named_by_a_process(left):
                shutil.rmtree(left)
    return Path(tempfile.mkdtemp(prefix=prefix, dir=parent))


def _named_by_a_process(folder: Path) -> bool:
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if os.fsencode(folder) in process.read_bytes():
                return True
    return False


def wait_until(ready: Callable[[], bool], seconds: float, every: float = 0.02) -> bool:
    """Ask until the answer is yes (True) or the time is up (False)."""
    deadline = time.monotonic() + seconds
    while True:
        if ready():
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(every)


def wait_ready(what: str, process: ProcessRef, ready: Callable[[], bool], log: Path, seconds: float = 30) -> None:
    """Wait until a server answers; raise with the end of its log when it ends or takes too long."""
    answered = False

    def settled() -> bool:
        nonlocal answered
        answered = ready()
        return answered or not process.alive

    wait_until(settled, seconds)
    if not answered:
        fate = f"did not answer within {seconds:g} s" if process.alive else "ended at once"
        raise ServerError(f"{what} {fate}; its log says:\n{tail(log)}")


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(nothing)"


def free_port(address: str = "127.0.0.1") -> int:
    """A TCP port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def answers(port: int, address: str = "127.0.0.1") -> bool:
    """Whether something accepts connections on a TCP port."""
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False
