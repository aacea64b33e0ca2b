"""The kind `container` on this machine: through a real podman, and what docker is told by one that writes it down (docker itself is not run here)."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from container_lab import Fake, Podman, start_podman

import runwright as rw
from runwright import _engine, exceptions


@pytest.fixture(scope="session")
def real_podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    podman = start_podman(tmp_path_factory.mktemp("podman"))
    yield podman
    podman("rm", "--all", "--force")
    podman("rmi", "--all", "--force")


@pytest.fixture
def podman(home: Path, real_podman: Podman, monkeypatch: pytest.MonkeyPatch) -> Podman:
    for name, value in real_podman.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("RUNWRIGHT_CONTAINER_TOOL", raising=False)
    return real_podman


@pytest.fixture
def docker(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    fake = Fake(tmp_path)
    monkeypatch.setenv("RUNWRIGHT_CONTAINER_TOOL", str(fake.path))
    return fake


def shell(podman: Podman, script: str, **options):
    return rw.container(podman.image, name="script", command=["sh", "-c", script], **options)


def wait_for(condition, what: str, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"{what} did not happen in {seconds:g} s"
        time.sleep(0.05)


def started(run) -> None:
    wait_for(lambda: "up" in str(run.logs()), "the beginning of the container")


def supervisor(home: Path, run) -> int:
    return int(json.loads((home / "runs" / run.id / "claim").read_text())["pid"])


# ---- through podman


def test_a_job_runs_to_its_end(podman: Podman):
    function = rw.get_or_create_project("demo").new_function(
        name="hello", kind="container", image=podman.image, command="echo -e", args=["one"]
    )
    run = function.run(action="job", args=["two\\nthree"], wait=True)
    assert (run.state, list(map(str, run.logs())), run.result()) == ("COMPLETED", ["two", "three"], None)
    assert podman.containers() == []


def test_what_the_image_starts_by_itself(podman: Podman):
    """The image's command is `sh`, which ends at once where there is no input."""
    assert rw.container(podman.image).run(wait=True).state == "COMPLETED"
    with pytest.raises(exceptions.ExitCodeError) as caught:
        rw.container(podman.image, args=["sh", "-c", "exit 3"], name="fails").run().result()
    assert caught.value.exit_code == 3


def test_it_sees_its_environment_and_nothing_of_this_machine(podman: Podman, home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TOKEN", "s3cr3t value")
    monkeypatch.setenv("OF_THIS_MACHINE", "1")
    run = shell(podman, "env; echo ${#TOKEN}").run(envs={"LEVEL": "debug", "PATH": "/bin:/app", "A": "b c"}, secrets=["TOKEN"], wait=True)
    lines = list(map(str, run.logs()))
    assert {"LEVEL=debug", "PATH=/bin:/app", "A=b c", "TOKEN=***", "12", f"RUNWRIGHT_RUN={run.key}", "RUNWRIGHT_PROJECT=default"} <= set(
        lines
    )
    assert not [line for line in lines if line.startswith("OF_THIS_MACHINE")]
    assert not [file for file in home.rglob("*") if file.is_file() and b"s3cr3t value" in file.read_bytes()]


def test_user_limits_and_volumes(podman: Podman):
    limits = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null; true"
    volumes = [
        {"volume_type": "shared_volume", "name": "team", "mount_path": "/team"},
        {"volume_type": "empty_dir", "name": "scratch", "mount_path": "/scratch"},
    ]
    first = shell(podman, f"touch /team/kept /scratch/gone; {limits}").run(volumes=volumes, resources={"mem": "64Mi"}, wait=True)
    assert (first.state, list(map(str, first.logs()))) == ("COMPLETED", [str(64 * 1024 * 1024)])
    second = shell(podman, "ls /team /scratch; id -u; id -g").run(volumes=volumes, run_as_user=1000, run_as_group=2000, wait=True)
    assert list(map(str, second.logs())) == ["/scratch:", "", "/team:", "kept", "1000", "2000"]
    assert podman("volume", "ls", "--quiet").split() == ["team"]
    podman("volume", "rm", "team")


def test_out_of_memory_is_told_from_other_kills(podman: Podman, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    greedy = "x=a; while true; do x=$x$x; done"
    assert isinstance(shell(podman, greedy).run(resources={"mem": "32Mi"}, wait=True).error, exceptions.OutOfMemoryError)
    killed = shell(podman, "(sh -c 'kill -KILL $$'); exit $?").run(wait=True).error
    assert isinstance(killed, exceptions.ExitCodeError)
    assert "SIGKILL" in killed.message
    assert list(here.iterdir()) == [], "podman left something in the working folder"


def test_a_container_that_cannot_be_started_says_why(podman: Podman):
    error = rw.container("runwright.test/nowhere:1", image_pull_policy="Never").run(wait=True).error
    assert isinstance(error, exceptions.ContainerNotStartedError)
    assert "runwright.test/nowhere:1" in error.message
    assert any("image not known" in line for line in error.log)
    missing = rw.container(podman.image, command=["no-such-program"]).run(wait=True).error
    assert isinstance(missing, exceptions.ExitCodeError)
    assert missing.exit_code == 127


DEAF = "trap '' TERM; echo up; sleep 1000 & wait; sleep 1000"


def test_a_stop_ends_the_container_gracefully(podman: Podman):
    run = shell(podman, "trap 'echo ends; exit 0' TERM; echo up; sleep 1000 & wait").run(grace=60)
    started(run)
    run.stop()
    assert (run.wait().state, str(list(run.logs())[-1])) == ("STOPPED", "ends")
    assert podman.containers() == []


@pytest.mark.parametrize("how", ["stop", "timeout"])
def test_a_container_that_does_not_end_is_killed(podman: Podman, how: str):
    run = shell(podman, DEAF).run(grace=0.2, timeout=5 if how == "timeout" else None)
    if how == "stop":
        started(run)
        run.stop()
    run.wait()
    assert type(run.error) is (exceptions.StoppedError if how == "stop" else exceptions.TimedOutError)
    assert podman.containers() == []


def test_a_container_ends_with_its_supervisor(podman: Podman, home: Path):
    run = shell(podman, DEAF).run()
    started(run)
    assert podman.containers() == [f"rw-{run.id}"]
    os.kill(supervisor(home, run), signal.SIGKILL)
    assert isinstance(run.wait().error, exceptions.RunnerLostError)
    wait_for(lambda: podman.containers() == [], "the end of the container")


def test_retries_and_fan_outs(podman: Podman):
    volumes = [{"volume_type": "shared_volume", "name": "tries", "mount_path": "/tries"}]
    run = shell(podman, "echo up >> /tries/n; test $(wc -l < /tries/n) = 3").run(
        retries={"limit": 3, "delay": 0}, volumes=volumes, wait=True
    )
    assert (run.state, run.record["attempts"]) == ("COMPLETED", 3)
    podman("volume", "rm", "tries")
    runs = rw.container(podman.image, command="echo").map([{"args": ["a"]}, {"args": ["b"]}]).wait()
    assert [str(run.logs()).strip() for run in runs] == ["a", "b"]


# ---- what docker is told


def test_what_the_program_is_told(docker: Fake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TOKEN", "s3cr3t value")
    function = rw.container("team/train:1", command=["python", "train.py"], args=["--epochs", "1"], image_pull_policy="Always")
    run = function.run(
        args=["--epochs", "3"],
        envs={"LEVEL": "debug", "DOCKER_HOST": "x"},
        secrets=["TOKEN"],
        resources={"cpu": 2, "mem": "1Gi"},
        wait=True,
    )
    assert run.state == "COMPLETED"
    [(arguments, environment)] = docker.calls
    head = ["run", "--rm", "--name", f"rw-{run.id}", "--log-driver", "none", "--label", f"runwright.dev/run={run.id}"]
    envs = ["--env", "RUNWRIGHT_PROJECT", "--env", "RUNWRIGHT_RUN", "--env", "DOCKER_HOST=x", "--env", "LEVEL", "--env", "TOKEN"]
    limits = ["--cpus", "2", "--memory", "1073741824b", "--pull", "always"]
    assert arguments == [*head, *envs, *limits, "--entrypoint", "python", "team/train:1", "train.py", "--epochs", "3"]
    assert {name: environment.get(name) for name in ("LEVEL", "TOKEN", "RUNWRIGHT_RUN", "DOCKER_HOST")} == {
        "LEVEL": "debug",
        "TOKEN": "s3cr3t value",
        "RUNWRIGHT_RUN": run.key,
        "DOCKER_HOST": None,
    }


@pytest.mark.parametrize(
    ("code", "kind"), [(125, exceptions.ContainerNotStartedError), (126, exceptions.ExitCodeError), (139, exceptions.ExitCodeError)]
)
def test_exit_codes_of_the_program(docker: Fake, monkeypatch: pytest.MonkeyPatch, code: int, kind: type):
    monkeypatch.setenv("CODE", str(code))
    error = rw.container("x").run(wait=True).error
    assert type(error) is kind
    assert error.exit_code == code
    assert docker.verbs() == ["run"], "a container that ended by itself is removed by --rm"


def test_a_program_that_had_to_be_killed_is_told_to_remove_the_container(docker: Fake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SLEEP", "1000")
    run = rw.container("x").run(timeout=1, grace=0.1, wait=True)
    assert isinstance(run.error, exceptions.TimedOutError)
    assert [arguments for arguments, _ in docker.calls[1:]] == [
        ["kill", "--signal", "KILL", f"rw-{run.id}"],
        ["rm", "--force", "--volumes", f"rw-{run.id}"],
    ]


# ---- refused before anything is created


def refused(field: str, function, **options) -> exceptions.InvalidError:
    with pytest.raises(exceptions.InvalidError) as caught:
        function.run(**options)
    assert caught.value.field == field
    assert caught.value.cure
    assert len(rw.runs(project="*")) == 0
    return caught.value


def test_without_podman_and_docker_nothing_is_created(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("RUNWRIGHT_CONTAINER_TOOL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    error = refused("on", rw.container("x"))
    assert "need podman or docker" in error.message
    assert 'on="kubernetes"' in str(error.cure)


def test_a_program_that_is_not_there(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RUNWRIGHT_CONTAINER_TOOL", "/nowhere/podman")
    refused("RUNWRIGHT_CONTAINER_TOOL", rw.container("x"))


def test_what_only_a_cluster_can_do(docker: Fake):
    refused("action", rw.container("x"), action="deploy")
    refused("resources.gpu", rw.container("x"), resources={"gpu": 1})
    volume = {"volume_type": "secret", "name": "certs", "mount_path": "/certs"}
    refused("volumes[0].volume_type", rw.container("x"), volumes=[volume])
    assert docker.calls == []


def test_what_a_container_does_not_take(docker: Fake):
    function = rw.container("x")
    refused("epochs", function, epochs=3)
    refused("args", function, args="one two")
    refused("args[0]", function, args=[1])
    refused("inline", function, inline=True)
    refused("image", rw.container("Team/X"))
    refused("command", rw.container("x", command=[]))
    with pytest.raises(exceptions.InvalidError) as caught:
        rw.container("x", comand=["y"])
    assert "command" in str(caught.value) or caught.value.cure
    assert docker.calls == []


def test_containers_of_a_plug_in(docker: Fake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_engine, "_runtimes", {})

    @rw.register_runtime
    class Packed:
        kind = "packed"
        actions = ["job"]

        def translate(self, request):
            return {"task": {"process": {"container": {"args": ["a", "b"]}}, **request["function"]["spec"]}}

    project = rw.get_or_create_project("default")
    refused("image", project.new_function(name="none", kind="packed"))
    assert project.new_function(name="some", kind="packed", image="x:1").run(wait=True).state == "COMPLETED"
    assert docker.calls[0][0][-3:] == ["x:1", "a", "b"]


# ---- the function


def test_looking_at_a_container_saves_nothing(docker: Fake, home: Path):
    function = rw.container("registry.example.com:5000/team/train:1.4")
    assert "not saved" in repr(function)
    assert function.name == "train"
    function._repr_html_()
    assert rw.get_or_create_project("default").list_functions() == []
    version = function.version
    assert rw.container("registry.example.com:5000/team/train:1.4").version == version
    assert version[:12] in repr(function)
    [saved] = rw.get_or_create_project("default").list_functions()
    assert (saved.version, saved.kind, saved.spec) == (version, "container", {"image": "registry.example.com:5000/team/train:1.4"})


def test_a_runs_image_comes_before_the_functions(docker: Fake):
    run = rw.container("x:1").run(image="x:2", image_pull_policy="Never", wait=True)
    assert run.state == "COMPLETED"
    assert docker.calls[0][0][-3:] == ["--pull", "never", "x:2"]


def test_options_of_the_definition_hold_for_its_runs(docker: Fake):
    run = rw.container("x", envs={"A": "1"}, timeout=60).run(wait=True)
    assert (run.record["spec"]["envs"], run.record["spec"]["timeout"]) == ({"A": "1"}, 60.0)
