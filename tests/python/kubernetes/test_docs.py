"""docs/kubernetes.md: its code runs on a cluster, and prints what its comments say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.cluster.kube import Kube

PAGE = Path(__file__).parents[3] / "docs/kubernetes.md"


def test_the_code_of_the_page_runs_as_it_stands(kube: Kube, tmp_path: Path) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
    program = tmp_path / "program.py"
    program.write_text(code.replace("python:3.11-slim", kube.image("python:3.11")))
    environment = {**os.environ, "RUNWRIGHT_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, program], env=environment, capture_output=True, text=True, check=False, timeout=240, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    promised = [said for line in code.splitlines() if line.lstrip().startswith("print(") for said in re.findall(r"# (.*)$", line)]
    assert promised == done.stdout.splitlines()
