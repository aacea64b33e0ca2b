"""The notebooks about Kubernetes, executed by a real kernel against the real cluster."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat
import pytest

from tests.cluster.kube import Kube
from tests.cluster.wheels import WheelIndex

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"


def execute(name: str, tmp_path: Path) -> nbformat.NotebookNode:
    """Run a notebook; gives it with its outputs. A cell that fails fails the test."""
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    nbclient.NotebookClient(notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    return notebook


def shown(notebook: nbformat.NotebookNode, containing: str) -> str:
    """What the cell that contains a text showed."""
    (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and containing in cell.source]
    return "\n".join(str(output.get("data", {}).get("text/plain", "")) for output in cell.outputs)


@pytest.fixture
def surroundings(kube: Kube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kube:
    """A home of its own for the kernel, in the namespace of the test."""
    for name in ("RUNWRIGHT_STORE", "RUNWRIGHT_ARTIFACTS", "RUNWRIGHT_PROJECT", "RUNWRIGHT_ON", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RUNWRIGHT_HOME", str(tmp_path / "home"))
    return kube


def test_on_kubernetes(surroundings: Kube, tmp_path: Path) -> None:
    notebook = execute("02_on_kubernetes.ipynb", tmp_path)
    assert "9592" in shown(notebook, "str(run.logs())")
    assert shown(notebook, ".map(").endswith("[25, 168, 1229, 9592]")
    assert shown(notebook, "density.run(").endswith("0.09592")
    assert "nothing to count" in shown(notebook, "failed.error")
    assert "Job" in shown(notebook, "dry_run=True")


def test_serve_a_model(surroundings: Kube, local_cluster, wheels: WheelIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN001
    wheels.add("uvicorn>=0.30,<1", "httptools>=0.6", "uvloop>=0.17")
    monkeypatch.setenv("RUNWRIGHT_BASE_IMAGE", local_cluster.push("science:3.11"))
    monkeypatch.setenv("RUNWRIGHT_REGISTRY", f"{local_cluster.registry}/{surroundings.namespace}")
    for name, value in wheels.environment.items():
        monkeypatch.setenv(name, value)
    notebook = execute("03_serve_a_model.ipynb", tmp_path)
    assert "sha256:" in shown(notebook, 'action="build"')
    assert "1 of 1 answers · http://rw-" in shown(notebook, "service.wait()")
    assert shown(notebook, "answer.json()") == "(200, ['setosa', 'virginica'])"
    assert "flowers" in shown(notebook, '"roses"')
