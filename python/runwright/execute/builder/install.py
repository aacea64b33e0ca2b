"""Requirements into one folder, with the pip (or uv) that is there: what belongs into the image, and nothing of how it came there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import pipconfig
from .complaints import explain
from .failures import BaseImageError, RequirementError, redacted
from .image import Image, fits, this_platform
from .look import Python

_KEPT_LINES = 400
# What would send packages elsewhere, or make the installer ask somebody.
_NOT_PASSED_ON = (
    "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_REQUIRE_VIRTUALENV",
    "PIP_PYTHON", "PIP_REPORT", "PIP_DRY_RUN", "PIP_QUIET", "PIP_LOG", "UV_PYTHON", "UV_PROJECT_ENVIRONMENT", "UV_COMPILE_BYTECODE",
)  # fmt: skip
_PLATFORMS = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
_PIP_VERSION = "import sys; sys.path[:0] = filter(None, sys.argv[1:]); import pip; print(pip.__version__)"
_PIP_WHEELS = """
import glob, os, sysconfig
folders = [sysconfig.get_config_var("WHEEL_PKG_DIR")]
try:
    import ensurepip
    folders.append(os.path.join(os.path.dirname(ensurepip.__file__), "_bundled"))
except ImportError:
    pass
for folder in filter(None, folders):
    for wheel in sorted(glob.glob(os.path.join(folder, "pip-*.whl"))):
        print(wheel)
"""


def this_musl() -> bool:
    """Whether this Python's C library is musl."""
    return "musl" in (sysconfig.get_config_var("HOST_GNU_TYPE") or "")


class Installer:
    """Installs for one Python of an image.

    Args:
        python: the image's Python.
        base: the base image; what its PYTHONPATH leads to need not be installed again.
        inside: whether this process runs in a container of the base image.
        scratch: a folder for temporary files.
        environment: for the installer, over this process's own (indexes and their passwords).
    """

    def __init__(
        self,
        python: Python,
        base: Image,
        scratch: Path,
        say: Callable[[str], None],
        *,
        inside: bool,
        environment: dict[str, str],
        epoch: int,
    ) -> None:
        self._python = python
        self._platform = base.platform
        self._inside = inside
        self._scratch = scratch
        self._say = say
        self._environment = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
        self._environment.update(environment)
        self._environment.update(
            TMPDIR=str(scratch), SOURCE_DATE_EPOCH=str(max(epoch, 315532800)), PYTHONDONTWRITEBYTECODE="1", PIP_DISABLE_PIP_VERSION_CHECK="1",
            PIP_NO_INPUT="1", PIP_ROOT_USER_ACTION="ignore", PIP_PROGRESS_BAR="off", NO_COLOR="1", PIP_NO_COLOR="1", UV_NO_PROGRESS="1",
        )  # fmt: skip
        if inside:
            # The home folder of a container may not be writable; and what is asked for twice shall come over the network once.
            self._environment.update(PIP_CACHE_DIR=str(scratch / "cache"), UV_CACHE_DIR=str(scratch / "cache"))
            self._environment.update({name: value for name, value in base.environment.items() if name == "PYTHONPATH"})

    @property
    def native(self) -> bool:
        """Whether this process's own Python is (like) that of the image."""
        return self._inside or (
            self._python.version == "{}.{}".format(*sys.version_info[:2])
            and fits(self._platform, this_platform())
            and self._python.musl == this_musl()
        )

    def install(self, requirements: list[str], folder: Path) -> bool:
        """Install into a folder; false where the base image has all of it already.

        Raises:
            RequirementError, DiskFull: if it fails.
            BaseImageError: if there is nothing that can install for this image.
        """
        begin = time.monotonic()
        listed = self._list("requirements.txt", requirements)
        command, name = self._command()
        said = ", ".join(redacted(line) for line in requirements[:8]) + (", …" if len(requirements) > 8 else "")
        self._say(f"installing {len(requirements)} requirement{'s' if len(requirements) != 1 else ''} with {name}: {said}")
        options = ["--target", str(folder), "-r", str(listed)]
        if self._inside and name.startswith("pip"):
            needed = self._missing(command, name, listed, requirements)
            if needed == []:
                self._say("the base image has all of them")
                return False
            if needed is not None:
                requirements = needed
                options = ["--target", str(folder), "--no-deps", "-r", str(self._list("missing.txt", needed))]
        self._run([*command, *options], requirements)
        # What was kept for the second time that it is asked for needs room.
        shutil.rmtree(self._scratch / "cache", ignore_errors=True)
        self._say(f"installed in {time.monotonic() - begin:.1f} s")
        return True

    def _command(self) -> tuple[list[str], str]:
        """What installs, and its name for people."""
        pip = _pip(sys.executable, self._environment) if self.native else None
        uv = None if pip else shutil.which("uv")
        if not pip and not uv and fits(self._platform, this_platform()) and self._python.musl == this_musl():
            other = shutil.which(f"python{self._python.version}")
            pip = _pip(other, self._environment) if other else None
        if pip:
            return [*pip[0], "install", "--no-compile", "--no-warn-script-location"], pip[1]
        if not uv:
            if self.native:
                raise BaseImageError("there is neither pip nor uv to install with", "take a base image with pip, e.g. python:3.13-slim")
            message = f"the base image has Python {self._python.version} for {self._platform}{' and musl' if self._python.musl else ''}; this is another"
            raise BaseImageError(message, f"put uv or python{self._python.version} on PATH here, or build in the cluster")
        command = [uv, "pip", "install", "--python", sys.executable, "--link-mode", "copy"]
        if not self.native:
            machine = _PLATFORMS.get(self._platform)
            if machine is None:
                raise BaseImageError(f"packages for {self._platform} cannot be chosen here", "build on a machine of that kind")
            libc = "musl" if self._python.musl else "gnu"
            command += [
                "--python-version",
                self._python.version,
                "--python-platform",
                f"{machine}-unknown-linux-{libc}",
                "--only-binary",
                ":all:",
            ]
        return command, "uv"

    def _missing(self, command: list[str], name: str, listed: Path, requirements: list[str]) -> list[str] | None:
        """What the base image lacks, each with its exact version; None where this pip is too old to say."""
        if _version(name) < (22, 2):
            return None
        self._say("looking at what the base image has of them")
        report = self._scratch / "report.json"
        self._run([*command, "--dry-run", "--quiet", "--report", str(report), "-r", str(listed)], requirements)
        chosen = json.loads(report.read_text(encoding="utf-8"))["install"]
        if not chosen:
            return []
        options = [line for line in requirements if line.startswith("-")]
        return [*options, *(_exactly(item) for item in chosen)]

    def _list(self, name: str, lines: list[str]) -> Path:
        path = self._scratch / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    def _run(self, command: list[str], requirements: list[str]) -> None:
        environment = dict(self._environment)
        if command[0].endswith("uv"):
            command = [*command, *_uv_options(environment)]
        lines: list[str] = []
        # An empty folder: what lies in the current one would be importable.
        empty = self._scratch / "empty"
        empty.mkdir(exist_ok=True)
        with subprocess.Popen(
            command, env=environment, cwd=empty, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            encoding="utf-8", errors="replace",
        ) as process:  # fmt: skip
            assert process.stdout is not None
            for raw in process.stdout:
                line = raw.rstrip()
                if line:
                    self._say(f"  {redacted(line)}")
                    lines.append(line)
                    del lines[:-_KEPT_LINES]
        if process.returncode < 0:
            cure = "give the build more memory, or take versions that have wheels: compiling needs much"
            raise RequirementError(f"the installer was killed by signal {-process.returncode}", cure)
        if process.returncode:
            raise explain(lines, requirements)


def _pip(python: str, environment: dict[str, str]) -> tuple[list[str], str] | None:
    """A pip that runs with an interpreter: its own, or the one that ensurepip would install. With its name for people."""

    def ask(code: str, *arguments: str) -> list[str]:
        command = [python, "-s", "-c", code, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, cwd="/", check=False).stdout.split()

    if found := ask(_PIP_VERSION, ""):
        return [python, "-s", "-m", "pip"], f"pip {found[0]}"
    for wheel in ask(_PIP_WHEELS):
        if found := ask(_PIP_VERSION, wheel):
            return [python, "-s", f"{wheel}/pip"], f"pip {found[0]}"
    return None


def _version(name: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", name)[:2])


def _exactly(item: dict[str, Any]) -> str:
    """One entry of pip's report as a requirement."""
    about, source = item["metadata"], item["download_info"]
    if not item.get("is_direct"):
        return f"{about['name']}=={about['version']}"
    part = f"#subdirectory={source['subdirectory']}" if source.get("subdirectory") else ""
    if "vcs_info" in source:
        return f"{about['name']} @ {source['vcs_info']['vcs']}+{source['url']}@{source['vcs_info']['commit_id']}{part}"
    return f"{about['name']} @ {source['url']}{part}"


def _uv_options(environment: dict[str, str]) -> list[str]:
    """What pip is configured to do, for uv. The indexes go into its environment."""
    saved = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(environment)
        options = pipconfig.for_uv()
        environment.clear()
        environment.update(os.environ)
    finally:
        os.environ.clear()
        os.environ.update(saved)
    return options
