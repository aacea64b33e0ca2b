"""The peers: each in a virtual environment of its own, made once, outside the tree, of exactly what `peers/<name>.txt` pins."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .measure import PEERS, Failed

# How each is kept from calling home and from asking questions, by its own documented settings.
SETTINGS: dict[str, dict[str, str]] = {
    "mlflow": {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
    "flyte": {"DO_NOT_TRACK": "1"},
    "metaflow": {"METAFLOW_DEFAULT_DATASTORE": "local", "METAFLOW_DEFAULT_METADATA": "local", "METAFLOW_USER": "bench"},
    "prefect": {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    },
    "kubernetes": {},
    "kubernetes-asyncio": {},
    "uvicorn": {},
    "bentoml": {"BENTOML_DO_NOT_TRACK": "True", "DO_NOT_TRACK": "1"},
    "mlserver": {},
}


def cache() -> Path:
    """Where the environments are."""
    return Path(os.environ.get("RUNWRIGHT_BENCH_CACHE") or Path.home() / ".cache" / "runwright-bench")


def python_of(peer: str) -> Path:
    """The Python of a peer's environment, made if need be.

    Raises:
        Failed: it cannot be installed.
    """
    pins = PEERS / f"{peer}.txt"
    digest = hashlib.sha256(pins.read_bytes()).hexdigest()[:12]
    folder = cache() / f"{peer}-py{sys.version_info.major}.{sys.version_info.minor}-{digest}"
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return python
    print(f"  installing {peer} into {folder} …", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is not None:
        steps = [
            [uv, "venv", "-q", "--python", sys.executable, str(folder)],
            [uv, "pip", "install", "-q", "--python", str(python), "-r", str(pins)],
        ]
    else:
        steps = [[sys.executable, "-m", "venv", str(folder)], [str(python), "-m", "pip", "install", "-q", "-r", str(pins)]]
    # Compiled now, so that no measured process is the first to do it.
    steps.append([str(python), "-m", "compileall", "-q", "-j", "0", str(folder / "lib")])
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode != 0 and step is not steps[-1]:
            raise Failed(f"{peer} cannot be installed: {done.stderr.strip()[-400:]}")
    (folder / "complete").touch()
    return python


def version_of(peer: str) -> str:
    """The version that is pinned."""
    lines = (PEERS / f"{peer}.txt").read_text().splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{peer}=="))
