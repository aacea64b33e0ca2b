"""Images that are built on this machine: podman executes the instructions, a real registry takes the image."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from container_lab import CONTAINERS, STORAGE, not_run

import runwright as rw
from tests.python.builder.builder_lab import Base, RealRegistry, files_of

SECRET = "s3cr3t-of-the-build"


@pytest.fixture(scope="module")
def registry() -> Iterator[RealRegistry]:
    server = RealRegistry()
    yield server
    server.stop()


@pytest.fixture
def base(home: Path, registry: RealRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A base in the registry; podman has storage of its own, and needs no container runtime for its instructions."""
    if shutil.which("podman") is None or not Path("/bin/busybox").exists() or os.getuid() != 0:
        not_run("podman or busybox is not installed, or this is not root (`make tools`)")
    (tmp_path / "containers.conf").write_text(CONTAINERS)
    (tmp_path / "storage.conf").write_text(STORAGE.format(folder=tmp_path))
    (tmp_path / "auth.json").write_text("{}")
    for name, value in (
        ("CONTAINERS_CONF", f"{tmp_path}/containers.conf"), ("CONTAINERS_STORAGE_CONF", f"{tmp_path}/storage.conf"), ("BUILDAH_ISOLATION", "chroot"),
        ("REGISTRY_AUTH_FILE", f"{tmp_path}/auth.json"), ("RUNWRIGHT_REGISTRY", registry.host), ("RUNWRIGHT_CONTAINER_TOOL", "podman"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    links = {f"bin/{name}": ("link", "busybox") for name in ("sh", "cat")}
    shell = Base({"bin/busybox": Path("/bin/busybox").read_bytes(), **links, "tmp/.keep": b""}, env={"PATH": "/bin"}, User="")
    return registry.push("busybox:1", shell)


def test_instructions_are_executed_by_podman(base: str, registry: RealRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the image, and what is not; the same is not built twice; what fails is named."""
    monkeypatch.setenv("BUILD_TOKEN", SECRET)
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "hello.txt").write_text("hello\n")
    function = rw.container(base_image=base, code_src=str(folder), name="tool")
    half = len(SECRET) // 2
    sees = f'test "$BUILD_TOKEN" = "{SECRET[:half]}""{SECRET[half:]}"'
    instructions = [f"{sees} && printf made > /made", "cd /tmp\nprintf lines > /lines", "COPY hello.txt /hello.txt", "ENV SIGN=seen"]
    settings = {"insecure": [registry.host], "secrets": ["BUILD_TOKEN"], "wait": True}
    run = function.build(instructions=instructions, **settings)
    assert run.state == "COMPLETED", f"{run.error}\n" + "\n".join(run.logs())
    results = run.results()
    assert "podman" in next(iter(run.logs()))
    image = results["image"].partition("/")[2]
    content: dict[str, bytes] = {}
    for number in range(1, len(registry.manifest(image)["layers"])):
        content |= files_of(registry.layer(image, number))
    assert (content["made"], content["lines"], content["hello.txt"]) == (b"made", b"lines", b"hello\n")
    assert "SIGN=seen" in registry.config(image)["config"]["Env"]
    everything = json.dumps([registry.manifest(image), registry.config(image), run.record, list(run.logs())])
    assert SECRET not in everything
    assert not any(SECRET.encode() in data for data in content.values())
    again = function.build(instructions=instructions, **settings)
    assert (again.results()["cached"], again.results()["image"]) == (True, results["image"])
    wrong = function.build(instructions=["true", "echo no such thing; exit 7"], **settings)
    assert wrong.error.cause == "InstructionError"
    assert "exit" in wrong.error.message
    assert "no such thing" in wrong.error.message


def test_what_cannot_be_built_here_is_said_before_anything_is_made(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("RUNWRIGHT_CONTAINER_TOOL", raising=False)
    function = rw.container(base_image="busybox:1", name="tool")
    for more, word in (({}, "podman, buildah, docker"), ({"buildkit": "tcp://127.0.0.1:1"}, "buildctl")):
        with pytest.raises(rw.exceptions.InvalidError, match=word) as caught:
            function.build(instructions=["true"], target="registry.example/tool", **more)
        assert caught.value.cure
    assert rw.runs() == []
