from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from execute_lab import Lab
from pod_lab import Pod
from pod_results_lab import Folder, Store


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A home; what is still running in it at the end is killed."""
    home = Lab(str(tmp_path / "home"))
    yield home
    _end(home.processes)


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    """A pod; what is still running of it at the end is killed."""
    pod = Pod(tmp_path / "runwright")
    yield pod
    _end(pod.processes)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store(None)
    store.answers = [store.fine]
    yield store
    store.server.shutdown()
    store.server.server_close()


def _end(processes: Iterable[subprocess.Popen[str]]) -> None:
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def small_group() -> Iterator[str]:
    """A control group below our own that has 64 MiB: its `cgroup.procs`."""
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        groups = {line.rstrip("\n").split(":", 2)[1]: line.rstrip("\n").split(":", 2)[2] for line in file}
    if "memory" in groups:
        parent, limit = f"/sys/fs/cgroup/memory{groups['memory']}", "memory.limit_in_bytes"
    else:
        parent, limit = f"/sys/fs/cgroup{groups.get('', '/')}", "memory.max"
    folder = f"{parent.rstrip('/')}/runwright-test-{os.getpid()}"
    try:
        os.mkdir(folder)
        with open(f"{folder}/{limit}", "w", encoding="utf-8") as file:
            file.write(str(64 << 20))
    except OSError as error:
        if os.path.isdir(folder):
            os.rmdir(folder)
        pytest.skip(f"no control group can be made here: {error}")
    yield f"{folder}/cgroup.procs"
    os.rmdir(folder)
