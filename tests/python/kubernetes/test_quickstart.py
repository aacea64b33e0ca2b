"""The quickstart's pipeline, unchanged, in real pods."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.cluster.kube import Kube

EXAMPLE = Path(__file__).parents[3] / "examples/quickstart.py"


def test_the_quickstart_runs_unchanged_on_kubernetes(kube: Kube, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "RUNWRIGHT_ON": "kubernetes",
        "RUNWRIGHT_HOME": str(tmp_path),
        "RUNWRIGHT_IMAGE": kube.image("science:3.11"),
    }
    done = subprocess.run([sys.executable, str(EXAMPLE)], env=environment, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 runs: 5 COMPLETED" in done.stdout
    assert "best depth:" in done.stdout
    jobs = kube.get("jobs")
    assert sorted(job["spec"].get("completions") or 1 for job in jobs) == [1, 1, 3], "the fan-out is one Job"
