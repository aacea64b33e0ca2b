"""What the tests of this folder share: make a module, capture from it, and run what was captured where nothing is installed."""

from __future__ import annotations

import base64
import importlib
import itertools
import json
import linecache
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import runwright

_numbers = itertools.count()

_RUN = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
module, _, name = sys.argv[2].partition(":")
function = getattr(importlib.import_module(module), name)
args, kwargs = eval(sys.argv[3])
print(repr(function(*args, **kwargs)))
"""
_SITE = "import site; site.main()\n"
_PICKLE = """
import pickle, sys
sys.path.insert(0, sys.argv[1])
function = pickle.load(open(sys.argv[1] + "/function.pkl", "rb"))
args, kwargs = eval(sys.argv[3])
print(repr(function(*args, **kwargs)))
"""


class Lab:
    """Makes modules in a folder on sys.path."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "project"
        self.folder.mkdir()
        self.out = folder / "out"
        monkeypatch.syspath_prepend(str(self.folder))
        self._before = set(sys.modules)

    def write(self, path: str, text: str) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def module(self, text: str, name: str | None = None) -> Any:
        name = name or f"lab_module_{next(_numbers)}"
        self.write(name.replace(".", "/") + ".py", text)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    def close(self) -> None:
        for name in set(sys.modules) - self._before:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if file.startswith(str(self.folder)):
                del sys.modules[name]
        linecache.clearcache()

    def unpack(self, source: dict[str, Any]) -> Path:
        out = self.out / str(next(_numbers))
        for path, text in source["files"].items():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            (out / path).write_bytes(text.encode("utf-8"))
        for path, data in source["binary"].items():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            (out / path).write_bytes(base64.b64decode(data))
        return out

    def run(self, source: dict[str, Any], *args: Any, site: bool = False, **kwargs: Any) -> str:
        """The repr of what the function gives in a fresh process that has the files and the standard library only."""
        out = self.unpack(source)
        pickled = source["origin"] == "pickle"
        code = (_SITE if site else "") + (_PICKLE if pickled else _RUN)
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", code, str(out), source["handler"], repr((args, kwargs))],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        if done.returncode:
            shown = "\n".join(f"### {path}\n{text}" for path, text in source["files"].items())
            raise AssertionError(f"{done.stderr}\n{shown}")
        return done.stdout.strip()

    def script(self, text: str, *, path: str = "script.py", python: str = sys.executable) -> dict[str, Any]:
        """Run a `__main__` script that prints, as JSON, what it captures."""
        file = self.write(path, text)
        root = Path(runwright.__file__).parents[1]
        done = subprocess.run(
            [python, str(file)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=self.folder,
            env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"},
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found
