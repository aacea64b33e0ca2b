"""Containers for tests: a real podman with storage of its own, and a stand-in for docker that writes down what it is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.cluster import images

# Podman's own limits are higher than some machines let anybody set; the cluster's tests have a bridge and rules of their own.
CONTAINERS = """
[containers]
netns = "host"
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
"""
# Podman's usual runtime refuses machines that have some controllers in cgroup v1 and some in v2.
OTHER_RUNTIME = """
[engine]
runtime = "runc"
"""
STORAGE = """
[storage]
driver = "vfs"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""


class Podman:
    """Podman with an image; `environment` leads every podman that has it to the same storage."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "containers.conf").write_text(CONTAINERS)
        (folder / "storage.conf").write_text(STORAGE.format(folder=folder))
        self.environment = {"CONTAINERS_CONF": f"{folder}/containers.conf", "CONTAINERS_STORAGE_CONF": f"{folder}/storage.conf"}
        image = images.named("busybox:1")
        self.image = image.tag
        self("load", "--quiet", "--input", str(image.build()))
        try:
            self("run", "--rm", self.image, "true")
        except AssertionError as error:
            if "hybrid" not in str(error):
                raise
            (folder / "containers.conf").write_text(CONTAINERS + OTHER_RUNTIME)
            self("run", "--rm", self.image, "true")

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(["podman", *arguments], env={**os.environ, **self.environment}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"podman {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def containers(self) -> list[str]:
        """The names of all containers, running or not."""
        return self("ps", "--all", "--format", "{{.Names}}").split()


def start_podman(folder: Path) -> Podman:
    """A podman that works. Where that cannot be had, the tests that need it do not run: a failure in CI."""
    if shutil.which("podman") is None or not Path("/bin/busybox").exists():
        not_run("podman and a static busybox are not installed (`make tools` does, as root on Debian)")
    try:
        return Podman(folder)
    except (AssertionError, OSError, RuntimeError) as error:
        not_run(f"podman cannot run containers on this machine: {error}")


def not_run(why: str) -> NoReturn:
    """The machine lacks what a test needs: a failure where all tests must run (CI)."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


FAKE = """#!{python}
import json, os, signal, sys, time
with open({calls!r}, "a") as calls:
    calls.write(json.dumps([sys.argv[1:], dict(os.environ)]) + "\\n")
if sys.argv[1] == "run":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("the container runs", flush=True)
    time.sleep(float(os.environ.get("SLEEP", "0")))
    sys.exit(int(os.environ.get("CODE", "0")))
"""


class Fake:
    """A program that is called as docker is. `calls`: the arguments and the environment of each call."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "docker"
        self._calls = folder / "docker.calls"
        self.path.write_text(FAKE.format(python=sys.executable, calls=str(self._calls)))
        self.path.chmod(0o755)

    @property
    def calls(self) -> list[tuple[list[str], dict[str, Any]]]:
        return [tuple(json.loads(line)) for line in self._calls.read_text().splitlines()] if self._calls.exists() else []

    def verbs(self) -> list[str]:
        return [arguments[0] for arguments, _ in self.calls]
