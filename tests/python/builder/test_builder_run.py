"""A build as a run: the runner calls it, its lines are the log, its result the outputs, its failure the run's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from builder_lab import RealRegistry, python_base

from runwright.exceptions import BY_CAUSE
from runwright.execute import bundle

ID = "0190aaaa-0000-7000-8000-000000000001"


@pytest.fixture
def execute(tmp_path: Path) -> Any:
    """Execute a build with a runner of its own process; its end and its log."""

    def execute(settings: dict[str, Any], code: Path | None, **environment: str) -> tuple[dict[str, Any], str]:
        home = tmp_path / "home"
        entry = bundle.write(str(home))
        folder = home / f"runs/{ID}"
        folder.mkdir(parents=True)
        frozen = {
            "protocol": 1, "id": ID, "key": f"store://demo/run/python/{ID}", "project": "demo", "function": "train", "kind": "python", "action": "build",
            "task": {"call": {"path": str(code) if code else None, "handler": "_runwright.execute.builder.run:image"}},
            "parameters": {"settings": settings}, "retries": {"limit": 3, "delay": 0.01},
        }  # fmt: skip
        (folder / "run.json").write_text(json.dumps(frozen))
        command = [sys.executable, "-I", "-S", entry, str(home), ID]
        subprocess.run(command, env={**os.environ, **environment}, check=False)
        log = [json.loads(line)["m"] for line in (folder / "log.jsonl").read_text().splitlines()]
        return json.loads((folder / "end.json").read_text()), "\n".join(log)

    return execute


def test_a_build_is_a_run(execute: Any, registry: RealRegistry, repository: str, links: Path, code: Path) -> None:
    base = registry.push(f"{repository}:1", python_base())
    settings = {
        "base": base,
        "target": f"{registry.host}/{repository}",
        "requirements": ["alpha"],
        "code": True,
        "insecure": [registry.host],
    }
    end, log = execute(settings, code, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(links))
    assert end["state"] == "COMPLETED", end
    results = {name: descriptor["value"] for name, descriptor in end["outputs"].items()}
    assert results["image"] == f"{registry.host}/{repository}@{results['digest']}"
    assert [layer["what"] for layer in results["layers"]] == ["packages", "code"]
    assert "installing 1 requirement" in log
    assert registry.config(f"{repository}@{results['digest']}")


def test_its_failure_is_the_runs(execute: Any, registry: RealRegistry, repository: str) -> None:
    settings = {"base": f"{registry.host}/{repository}:none", "target": f"{registry.host}/{repository}", "insecure": [registry.host]}
    end, _ = execute(settings, None)
    assert (end["state"], end["error"]["cause"], end["attempts"]) == ("ERROR", "BaseImageError", 1)
    assert "there is no image" in end["error"]["message"]
    assert end["error"]["cure"]
    assert end["error"]["cause"] in BY_CAUSE


def test_credentials_of_the_environment(execute: Any, registry: RealRegistry, repository: str, tmp_path: Path, code: Path) -> None:
    from front import Front

    front = Front(registry.host, auth="basic", users={"ada": "s3cr3t-word"})
    registry.push(f"{repository}:1", python_base())
    content = json.dumps({"auths": {front.host: {"username": "ada", "password": "s3cr3t-word"}}})
    settings = {
        "base": f"{front.host}/{repository}:1",
        "target": f"{front.host}/{repository}",
        "code": True,
        "insecure": [front.host],
        "credentials": "$LOGIN",
    }
    try:
        end, log = execute(settings, code, LOGIN=content)
    finally:
        front.stop()
    assert end["state"] == "COMPLETED", end
    assert "s3cr3t-word" not in log + json.dumps(end)
