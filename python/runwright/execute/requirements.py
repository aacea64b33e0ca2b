"""Virtual environments for `requirements`: made once for each set of them, kept under HOME/envs, shared by all runs.

The making happens in a child of the supervisor, which follows it like any other: its output is logged, a stop ends it, and a lock that it
holds is gone when it is. So this module may import what it likes there; only `find` runs in the supervisor.
"""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PTH103, PTH104, PTH110, PTH112, PTH113, PTH114, PTH123, PTH202, PTH208

from __future__ import annotations

import os
import sys

from .lean import sha256

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

_READY = ".runwright"
# Whether there is a pip that can install for another interpreter.
_KNOWS_OTHERS = """
import sys
try: import pip
except ImportError: sys.exit(1)
sys.exit(tuple(map(int, pip.__version__.split(".")[:2])) < (22, 3))
"""


def find(home: str, requirements: list[str]) -> Any:
    """The folder of the environment, or None where it is not (or no longer wholly) there."""
    folder = f"{home}/envs/{digest(requirements)}"
    try:
        os.utime(f"{folder}/{_READY}")  # so that what is in use is seen to be
    except OSError:
        return None
    # The interpreter it points to may have been uninstalled meanwhile.
    return folder if os.path.exists(f"{folder}/bin/python") else None


def digest(requirements: list[str]) -> str:
    """What names an environment: its requirements whatever their order, and the Python that it is for."""
    name = os.uname()
    python = (sys.implementation.cache_tag, "{}.{}.{}".format(*sys.version_info[:3]), sys.base_prefix, sys.platform, name.machine)
    lines = sorted({" ".join(line.split()) for line in requirements})
    return sha256("\n".join((*map(str, python), *lines)).encode("utf-8", "replace"))


def failure(requirements: list[str], log: list[str]) -> dict[str, Any]:
    """The error of a run whose environment could not be made."""
    lines = [line for line in log if line.strip()]
    shown = ", ".join(requirements[:5]) + (", …" if len(requirements) > 5 else "")
    message = f"the requirements could not be installed ({shown})" + (": " + "\n".join(lines[-5:]) if lines else "")
    cure = "check names and versions; behind a mirror set PIP_INDEX_URL or UV_INDEX_URL (in the environment, `envs` or `secrets`)"
    if any("No space left" in line for line in lines):
        return {"cause": "DiskFull", "message": message, "cure": "free some space and run it again"}
    return {"cause": "RequirementError", "message": message, "cure": cure}


def make(home: str, requirements: list[str], environment: dict[str, str]) -> int:
    """In the child: make the environment, unless another runner does or did. Returns the exit code; what went wrong has been printed."""
    import fcntl
    import time

    os.environ.update({name: str(value) for name, value in environment.items()})
    folder = f"{home}/envs/{digest(requirements)}"
    os.makedirs(f"{home}/envs", exist_ok=True)
    lock = os.open(f"{folder}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        say("waiting for another run that is installing the same requirements")
        fcntl.flock(lock, fcntl.LOCK_EX)
    if find(home, requirements):
        return 0
    import shutil

    begin = time.monotonic()
    draft = f"{folder}.{os.getpid()}.partial"
    say(f"installing {len(requirements)} requirement{'s' if len(requirements) != 1 else ''}: {', '.join(requirements)[:500]}")
    try:
        code = _build(draft, requirements)
        if code == 0:
            _settle(draft, folder)
            say(f"installed in {time.monotonic() - begin:.1f} s")
        return code
    except OSError as error:
        say(f"the virtual environment could not be made: {error}")
        return 1
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def say(line: str) -> None:
    """A line of the runner's own: what this process prints goes there."""
    os.write(1, f"{line}\n".encode("utf-8", "replace"))


def _build(draft: str, requirements: list[str]) -> int:
    import shutil

    from . import pipconfig

    uv = shutil.which("uv")
    listed, python = f"{draft}/requirements.txt", f"{draft}/bin/python"
    # In a pod what the image has is not installed again.
    shared = ["--system-site-packages"] if os.environ.get("RUNWRIGHT_IMAGE_PACKAGES") == "1" else []
    if uv:
        make_venv = [uv, "venv", "--quiet", "--no-config", "--python", sys.executable, *shared, draft]
        install = [uv, "pip", "install", "--color", "never", "--no-progress", "--python", python, "-r", listed, *pipconfig.for_uv()]
    else:
        options = ("--disable-pip-version-check", "--no-input", "--progress-bar", "off")
        if _run([sys.executable, "-I", "-c", _KNOWS_OTHERS]) == 0:
            # This Python's own pip does it; a pip for each environment would take seconds.
            make_venv = [sys.executable, "-I", "-m", "venv", "--without-pip", *shared, draft]
            install = [sys.executable, "-I", "-m", "pip", "--python", python, "install", *options, "-r", listed]
        else:
            make_venv = [sys.executable, "-I", "-m", "venv", *shared, draft]
            install = [python, "-m", "pip", "install", *options, "-r", listed]
    code = _run(make_venv)
    if code != 0:
        say("no virtual environment could be made" + ("" if uv else ": install this Python's venv and ensurepip parts, or put uv on PATH"))
        return code
    with open(listed, "w", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in requirements))
    return _run(install)


def _run(command: list[str]) -> int:
    import subprocess

    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")}
    # In this process's own group: what stops the run stops the installer.
    return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode


def _settle(draft: str, folder: str) -> None:
    """Give the finished environment its name; scripts in it name their interpreter by its path."""
    import shutil

    old, new = draft.encode(), folder.encode()
    for name in os.listdir(f"{draft}/bin"):
        path = f"{draft}/bin/{name}"
        if os.path.islink(path) or not os.path.isfile(path) or os.path.getsize(path) > 1 << 20:
            continue
        with open(path, "r+b") as file:
            content = file.read()
            if old in content:
                file.seek(0)
                file.truncate()
                file.write(content.replace(old, new))
    with open(f"{draft}/{_READY}", "wb"):
        pass
    if os.path.isdir(folder):  # damaged, or its interpreter is gone
        shutil.rmtree(folder)
    os.rename(draft, folder)
