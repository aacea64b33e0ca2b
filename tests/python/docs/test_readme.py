"""The README's code runs, and does what its comments say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[3] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_block_runs_as_it_stands(block, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(block)
    env = {"RUNWRIGHT_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, program], env=env, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    promised = re.findall(r"print\(.*\)\s+# (.*)", block)
    for line in promised:
        assert line in done.stdout.splitlines(), f"the README promises {line!r}, it prints\n{done.stdout}"


def test_there_is_something_to_run():
    assert len(BLOCKS) >= 4


def test_every_file_that_contributors_are_sent_to_exists():
    root = README.parent
    for document in (README, root / "CONTRIBUTING.md"):
        for name in re.findall(r"`((?:src|python|tests|docs|examples|benchmarks)/[\w./-]+)`", document.read_text()):
            assert (root / name).exists(), f"{document.name} names {name}, which is not there"
