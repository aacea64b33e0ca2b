"""Virtual environments for requirements, from a folder of wheels made by hand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from execute_lab import Lab, until

BIN = os.path.dirname(sys.executable)
CODE = """
    import sys, os
    def f():
        import tinything
        try: import pytest; seen = True
        except ImportError: seen = False
        script = os.popen("tinything").read()
        return {"v": tinything.VERSION, "pytest": seen, "prefix": sys.prefix, "env": os.environ["VIRTUAL_ENV"], "script": script}
"""


def wheel(folder: Path, version: str) -> None:
    """A wheel with one module and one script."""
    folder.mkdir(exist_ok=True)
    info = f"tinything-{version}.dist-info"
    with zipfile.ZipFile(folder / f"tinything-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr("tinything.py", f"VERSION = {version!r}\ndef main(): print('script', VERSION)\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tinything\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/entry_points.txt", "[console_scripts]\ntinything = tinything:main\n")
        files = ("tinything.py", f"{info}/METADATA", f"{info}/WHEEL", f"{info}/entry_points.txt", f"{info}/RECORD")
        archive.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in files))


@pytest.fixture
def wheels(tmp_path: Path) -> dict[str, str]:
    """The environment that makes installers see the wheels and nothing else."""
    for version in ("1.0", "2.0"):
        wheel(tmp_path / "wheels", version)
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels"), "PIP_CONFIG_FILE": os.devnull}


def without_uv() -> str:
    return os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if not os.path.exists(f"{part}/uv"))


def with_uv() -> str:
    uv = shutil.which("uv") or shutil.which("uv", path=BIN)
    if uv is None:
        pytest.skip("uv is not installed")
    return f"{os.path.dirname(uv)}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_an_environment_is_made_once(lab: Lab, wheels: dict[str, str], installer: str) -> None:
    env = {"PATH": with_uv() if installer == "uv" else without_uv()}
    first = lab.run(CODE, requirements=["tinything==1.0"], envs=wheels, env=env)
    value = first.values
    [environment] = [name for name in os.listdir(f"{lab.home}/envs") if not name.endswith(".lock")]
    folder = f"{lab.home}/envs/{environment}"
    assert value == {"v": "1.0", "pytest": False, "prefix": folder, "env": folder, "script": "script 1.0\n"}
    assert [event["name"] for event in first.events("mark")] == ["requirements", "import", "call", "outputs"]
    assert first.log("runner")[0].startswith("installing 1 requirement: tinything==1.0")
    assert len(first.end["distributions"]) == 64
    again = lab.run(CODE, requirements=["tinything==1.0"], env={"PATH": "/nowhere:/bin"})
    assert again.values == value
    assert again.log("runner") == []


def test_two_runs_at_the_same_time(lab: Lab, wheels: dict[str, str]) -> None:
    env = {"PATH": with_uv()}
    runs = [lab.prepare(CODE, requirements=["tinything"], envs=wheels) for _ in range(3)]
    processes = [lab.start(run_id, env=env) for run_id in runs]
    ended = [lab.ended(run_id, process, 60) for run_id, process in zip(runs, processes, strict=True)]
    assert [one.values["v"] for one in ended] == ["2.0"] * 3
    assert sum("installed in" in line for one in ended for line in one.log("runner")) == 1
    assert len([name for name in os.listdir(f"{lab.home}/envs") if not name.endswith(".lock")]) == 1


def test_what_cannot_be_installed(lab: Lab, wheels: dict[str, str]) -> None:
    secrets = {"INDEX_TOKEN": "hidden-index-token", "PIP_EXTRA_INDEX_URL": ""}
    retries = {"limit": 2, "delay": 60}
    ended = lab.run(CODE, requirements=["tinything==9.9"], envs=wheels, env={"PATH": with_uv()}, secrets=secrets, retries=retries)
    assert (ended.end["state"], ended.error["cause"], ended.end["attempts"]) == ("ERROR", "RequirementError", 0)
    assert "tinything" in ended.error["message"]
    assert any("9.9" in line for line in ended.error["log"])
    assert ended.error["cure"]
    assert [name for name in os.listdir(f"{lab.home}/envs") if not name.endswith(".lock")] == []


def test_stop_while_installing(lab: Lab, tmp_path: Path) -> None:
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "uv").write_text("#!/bin/sh\necho begun\nsleep 60\n")
    (fake / "uv").chmod(0o755)
    run_id = lab.prepare(CODE, requirements=["tinything"])
    process = lab.start(run_id, env={"PATH": f"{fake}:{os.environ['PATH']}"})
    until(lambda: "begun" in lab.at(run_id).log("runner"))
    lab.stop(run_id)
    ended = lab.ended(run_id, process)
    assert (ended.end["state"], ended.end["attempts"]) == ("STOPPED", 0)


def test_an_environment_whose_interpreter_is_gone_is_made_again(lab: Lab, wheels: dict[str, str]) -> None:
    env = {"PATH": with_uv()}
    first = lab.run(CODE, requirements=["tinything==1.0"], envs=wheels, env=env)
    os.unlink(f"{first.values['prefix']}/bin/python")
    subprocess.run(["ln", "-s", "/no/such/python", f"{first.values['prefix']}/bin/python"], check=True)
    assert lab.run(CODE, requirements=["tinything==1.0"], envs=wheels, env=env).values["v"] == "1.0"


def test_pips_settings_hold_for_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from runwright.execute import pipconfig

    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(pipconfig, "_FILES", ())
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://mirror.invalid/simple\nextra-index-url =\n    https://a.invalid\n    https://b.invalid\n"
        "[install]\nfind-links = /x /y\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("PIP_NO_INDEX", "true")
    for name in ("UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX_STRATEGY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    assert pipconfig.for_uv() == ["--no-index", "--find-links", "/x", "--find-links", "/y"]
    assert os.environ["UV_INDEX_URL"] == "https://mirror.invalid/simple"
    assert os.environ["UV_EXTRA_INDEX_URL"] == "https://a.invalid https://b.invalid"
