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
