from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from failures_lab import Home, not_run

from tests.servers.fixtures import postgres_server, postgres_url  # noqa: F401 - fixtures


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home; what is left in it at the end is killed."""
    made = Home(tmp_path / "home")
    yield made
    made.close()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Home]:
    """A home on a file system of 6 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place)], check=False).returncode:
        not_run("mounting a small file system needs root")
    made = Home(place / "home")
    made.log = tmp_path / "executed"
    made.environment["LOG"] = str(made.log)
    try:
        yield made
    finally:
        made.close()
        subprocess.run(["umount", "-l", str(place)], check=True)
