"""What docker is told, by a stand-in that writes it down: the tests of builds run BuildKit and podman for real."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from runwright.execute.builder import tools
from runwright.execute.builder.failures import BuilderError

SCRIPT = f"""#!{sys.executable}
import json, os, sys
open(os.environ["SEEN"], "w").write(json.dumps([sys.argv[1:], os.environ.get("DOCKER_CONFIG"), os.environ.get("TOKEN")]))
(metadata,) = [word.partition("=")[2] for word in sys.argv if word.startswith("--metadata-file=")]
open(metadata, "w").write(json.dumps({{"containerimage.digest": "sha256:abc"}}))
print("#1 built", flush=True)
sys.exit(int(os.environ.get("EXIT", "0")))
"""


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tools.Job:
    program = tmp_path / "docker"
    program.write_text(SCRIPT)
    program.chmod(0o755)
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    job = tools.Job("reg.test/a:rw-1", tmp_path, "linux/amd64", insecure=False, anew=True, secrets={"TOKEN": "s3cr3t"})
    job.login.mkdir()
    return job


@pytest.mark.parametrize("login", [True, False])
def test_docker_builds_and_pushes_at_once(job: tools.Job, tmp_path: Path, login: bool) -> None:
    if login:
        (job.login / "config.json").write_text("{}")
    said: list[str] = []
    docker = tools.tool_of(str(tmp_path / "docker"), None, 1)
    assert docker.build(job, said.append) == "sha256:abc"
    words, config, token = json.loads((tmp_path / "seen").read_text())
    assert words == [
        "buildx", "build", "--progress=plain", "--push", "--provenance=false", f"--file={tmp_path}/text/Dockerfile", "--tag=reg.test/a:rw-1",
        "--platform=linux/amd64", f"--metadata-file={tmp_path}/metadata.json", "--secret=id=TOKEN,env=TOKEN", "--no-cache", f"{tmp_path}/context",
    ]  # fmt: skip
    # The value is in its environment only; without a login of the build that of its user counts.
    assert (token, config == str(job.login)) == ("s3cr3t", login)
    assert said == ["#1 built"]


def test_a_program_that_fails_or_is_not_there_is_told_apart(job: tools.Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXIT", "1")
    with pytest.raises(tools.FailedBuild) as caught:
        tools.tool_of(str(tmp_path / "docker"), None, 1).build(job, print)
    assert caught.value.lines == ["#1 built"]
    with pytest.raises(BuilderError, match="cannot be started"):
        tools.tool_of(str(tmp_path / "nowhere"), None, 1).build(job, print)
    with pytest.raises(BuilderError, match="cannot be started"):
        tools.tool_of(str(tmp_path / "nowhere"), "tcp://127.0.0.1:1", 0).wait()
    with pytest.raises(BuilderError, match="tcp://127.0.0.1:1 does not answer"):
        tools.tool_of("/bin/false", "tcp://127.0.0.1:1", 0).wait()
