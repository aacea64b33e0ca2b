"""Images that a real BuildKit makes of instructions and Dockerfiles, pushed to a real registry, and run by pods that the restricted standard allows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import runwright as rw
from tests.cluster.cluster import Cluster
from tests.cluster.kube import Kube
from tests.cluster.settings import NODE_IP
from tests.cluster.wheels import WheelIndex
from tests.python.builder.builder_lab import ask, files_of, open_layer
from tests.python.builder.front import Front

SECRET = "s3cr3t-of-the-index"


@pytest.fixture
def buildkit(here: Kube, local_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> str:
    """Builds go to the cluster's BuildKit; the folder of the test in the registry."""
    monkeypatch.setenv("RUNWRIGHT_BUILDKIT", local_cluster.buildkit)
    monkeypatch.setenv("RUNWRIGHT_BUILDKIT_IMAGE", here.image("buildctl:1"))
    monkeypatch.setenv("RUNWRIGHT_REGISTRY", f"{local_cluster.registry}/{here.namespace}")
    return f"{local_cluster.registry}/{here.namespace}"


@pytest.fixture
def folder(local_cluster: Cluster, tmp_path: Path) -> Path:
    """A folder with a Dockerfile and what that copies."""
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        f'FROM {local_cluster.push("busybox:1")}\nCOPY hello.txt /\nRUN echo built\nCMD ["cat", "/hello.txt"]\n'
    )
    (folder / "hello.txt").write_text("hello from the folder\n")
    return folder


def log_of(run: rw.Run) -> str:
    return "\n".join(run.logs())


def whole_image(registry: str, results: dict[str, Any]) -> bytes:
    """Manifest, config and the content of the layers that the build added."""
    place, _, digest = results["image"].partition("@")
    place = f"http://{registry}/v2/{place.partition('/')[2]}"
    kinds = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
    manifest = ask("GET", f"{place}/manifests/{digest}", kinds)
    blobs = [ask("GET", f"{place}/blobs/{json.loads(manifest)['config']['digest']}")]
    for layer in results["layers"]:
        blobs += files_of(open_layer(ask("GET", f"{place}/blobs/{layer['digest']}"))).values()
    return manifest + b"".join(blobs)


def test_a_folder_with_a_dockerfile_becomes_an_image_that_runs(buildkit: str, folder: Path, local_cluster: Cluster) -> None:
    """What is built is what the next run executes; the same is not built twice, other files are."""
    function = rw.container(code_src=str(folder), name="hello")
    first = function.build(insecure=[local_cluster.registry], wait=True)
    results = first.results()
    assert results["image"] == f"{buildkit}/default/hello@{results['digest']}"
    assert (results["builder"], results["cached"]) == ("buildkit", False)
    log = log_of(first)
    assert f"builder: BuildKit at {local_cluster.buildkit}" in log
    assert "RUN echo built" in log
    run = function.run(wait=True)
    assert log_of(run) == "hello from the folder"
    # A node that has the same content from another repository names that one.
    assert run.provenance["images"]["main"].endswith(results["digest"])
    again = function.build(insecure=[local_cluster.registry], wait=True)
    assert again.results() == {**results, "cached": True, "seconds": again.results()["seconds"]}
    assert "RUN echo built" not in log_of(again)
    (folder / "hello.txt").write_text("changed\n")
    other = function.build(insecure=[local_cluster.registry], wait=True)
    assert other.results()["cached"] is False
    assert log_of(function.run(wait=True)) == "changed"


@rw.function(name="greeter", requirements=["rw-test-hello<2"])
def greet() -> list[str]:
    import os
    import pathlib

    import rw_test_hello

    return [rw_test_hello.greeting, pathlib.Path("/made").read_text(), rw_test_hello.__file__, str(os.environ.get("SIGN"))]


def test_a_python_function_runs_in_the_image_of_its_instructions(
    buildkit: str, wheels: WheelIndex, local_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instructions and requirements are in the image, where later runs find them; what the build was told in confidence is nowhere."""
    monkeypatch.setenv("BUILD_TOKEN", SECRET)
    half = len(SECRET) // 2
    # What the instruction says is not the secret, but is true only where it is seen.
    sees = f'test "$BUILD_TOKEN" = "{SECRET[:half]}""{SECRET[half:]}"'
    settings = {
        "base_image": local_cluster.push("python:3.11"), "insecure": [local_cluster.registry], "serve": False, "installer_env": wheels.environment,
        "secrets": ["BUILD_TOKEN"], "instructions": [f"{sees} && printf made > /made", "ENV SIGN=seen"],
    }  # fmt: skip
    built = greet.build(**settings, wait=True)
    run = greet.run(wait=True)
    assert run.result() == ["hello", "made", "/opt/runwright/packages/rw_test_hello.py", "seen"]
    assert run.provenance["images"]["main"].endswith(built.results()["digest"])
    assert greet.build(**settings, wait=True).results()["cached"] is True
    image = whole_image(local_cluster.registry, built.results())
    assert b"rw_test_hello" in image
    assert SECRET.encode() not in image + json.dumps([built.manifest(), built.record]).encode() + log_of(built).encode()
    assert wheels.url.encode() not in image


def test_what_fails_is_named(buildkit: str, wheels: WheelIndex, local_cluster: Cluster) -> None:
    """The instruction, the requirement, the image, the registry at fault; and what to do."""
    settings = {"insecure": [local_cluster.registry], "serve": False, "installer_env": wheels.environment, "wait": True}
    base = local_cluster.push("python:3.11")
    wrong = greet.build(base_image=base, instructions=["true", "echo no such thing >&2; exit 7"], **settings)
    assert wrong.error.cause == "InstructionError"
    assert "exit code 7" in wrong.error.message
    assert "echo no such thing" in wrong.error.message
    with pytest.raises(rw.exceptions.InstructionError):
        wrong.result()
    requires = rw.function(_nothing, name="requires", requirements=["rw-test-hello", "rw-test-nosuch"])
    missing = requires.build(base_image=base, instructions=["true"], **settings)
    assert missing.error.cause == "RequirementError"
    assert "rw-test-nosuch" in missing.error.message
    nowhere = greet.build(base_image=f"{local_cluster.registry}/no/such:1", instructions=["true"], **settings)
    assert nowhere.error.cause == "BaseImageError"
    assert "no/such:1" in nowhere.error.message
    silent = greet.build(base_image=base, instructions=["true"], buildkit="tcp://10.244.0.1:1", **settings)
    assert silent.error.cause == "BuilderError"
    assert "tcp://10.244.0.1:1" in silent.error.message
    assert "RUNWRIGHT_BUILDKIT" in silent.error.cure


def _nothing() -> None:
    pass


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"instructions": "apt-get update"}, "building.instructions"),
        ({"instructions": ["FROM other"]}, "building.instructions[0]"),
        ({"instructions": ["true", " "]}, "building.instructions[1]"),
        ({"dockerfile": "no/such/Dockerfile"}, "building.dockerfile"),
        ({"dockerfile": "RUN x\nRUN y"}, "building.dockerfile"),
        ({"dockerfile": "FROM x", "base_image": "y"}, "building.base_image"),
        ({"instructions": ["true"], "builder": "layer"}, "building.builder"),
        ({"instructions": ["true"], "builder": "kaniko"}, "building.builder"),
        ({"instructions": ["true"], "buildkit": "buildkitd:1234"}, "building.buildkit"),
        ({"instructions": ["true"], "epoch": 1}, "building.epoch"),
        ({"instructions": ["true"], "target": "Team/x"}, "building.target"),
        ({"instructions": ["true"], "target": f"team/x@sha256:{'0' * 64}"}, "building.target"),
        ({"instructions": ["true"], "insecure": "registry:5000"}, "building.insecure"),
        ({"instructions": ["true"], "env": {"A B": "x"}}, "building.env.A B"),
        ({"instructions": ["true"], "installer_env": {"A": 1}}, "building.installer_env.A"),
        ({"instructions": ["true"], "platform": "amd64"}, "building.platform"),
        ({"instructions": ["true"], "prefix": "opt/../x"}, "building.prefix"),
        ({"compiled": "yes"}, "building.compiled"),
        ({"instructions": ["true"], "credentials": "LOGIN"}, "building.credentials"),
        ({"instrutions": ["true"]}, "building.instrutions"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_made(buildkit: str, here: Kube, settings: dict[str, Any], field: str) -> None:
    with pytest.raises(rw.exceptions.InvalidError) as caught:
        greet.build(**settings)
    assert caught.value.field == field
    assert caught.value.cure
    assert rw.runs() == []
    assert here.get("jobs") == []


@pytest.fixture
def own_buildkit(buildkit: str, here: Kube, monkeypatch: pytest.MonkeyPatch) -> str:
    """No BuildKit is named: builds bring one along."""
    monkeypatch.delenv("RUNWRIGHT_BUILDKIT")
    monkeypatch.setenv("RUNWRIGHT_BUILDKIT_IMAGE", here.image("buildkit:rootless"))
    return buildkit


@pytest.mark.parametrize("standard", ["restricted", "baseline"])
def test_a_namespace_that_lets_no_buildkit_start_says_so_before_anything_is_made(
    own_buildkit: str, here: Kube, local_cluster: Cluster, standard: str
) -> None:
    local_cluster.kubectl("label", "--overwrite", "namespace", here.namespace, f"pod-security.kubernetes.io/enforce={standard}")
    before = here.objects()
    with pytest.raises(rw.exceptions.InvalidError) as caught:
        greet.build(instructions=["true"])
    assert caught.value.field == "building.buildkit"
    assert standard in str(caught.value)
    assert "RUNWRIGHT_BUILDKIT" in caught.value.cure
    assert "layer builder" in caught.value.cure
    assert here.objects() == before
    assert rw.runs() == []


def test_a_build_brings_its_own_buildkit_where_it_may(own_buildkit: str, here: Kube, local_cluster: Cluster, folder: Path) -> None:
    """Without root, beside the container that asks it; it ends with the build, and the image is as any other."""
    local_cluster.kubectl("label", "--overwrite", "namespace", here.namespace, "pod-security.kubernetes.io/enforce=privileged")
    function = rw.container(code_src=str(folder), name="own")
    run = function.build(insecure=[local_cluster.registry])
    assert run.record["provenance"]["builder"] == "buildkit"
    assert run.wait().state == "COMPLETED", run.error
    assert "RUN echo built" in log_of(run)
    assert log_of(function.run(wait=True)) == "hello from the folder"


def test_registries_are_asked_with_the_login_of_a_secret(
    own_buildkit: str, here: Kube, local_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The base is private, and so is where the image goes: without a login nothing begins, with it both are reached, and it stays a secret."""
    local_cluster.kubectl("label", "--overwrite", "namespace", here.namespace, "pod-security.kubernetes.io/enforce=privileged")
    local_cluster.push("busybox:1")
    front = Front(local_cluster.registry, auth="basic", users={"ada": SECRET}, address=NODE_IP)
    try:
        function = rw.container(base_image=f"{front.host}/busybox:1", name="private")
        settings = {
            "instructions": ["echo made > /made"],
            "insecure": [front.host],
            "target": f"{front.host}/{here.namespace}/private",
            "wait": True,
        }
        refused = function.build(**settings)
        assert refused.error.cause == "RegistryError"
        assert front.host in refused.error.message
        assert "credentials" in refused.error.cure
        monkeypatch.setenv("LOGIN", json.dumps({"auths": {front.host: {"username": "ada", "password": SECRET}}}))
        run = function.build(**settings, secrets=["LOGIN"], credentials="LOGIN")
        assert run.state == "COMPLETED", f"{run.error}\n{log_of(run)}"
        assert run.results()["base"].startswith(f"{front.host}/busybox@sha256:")
        image = whole_image(local_cluster.registry, run.results())
        assert b"made" in image
        told = image + json.dumps([run.manifest(), run.record]).encode() + log_of(run).encode()
        assert SECRET.encode() not in told
    finally:
        front.stop()


def test_without_instructions_layers_are_put_on_the_base(buildkit: str, wheels: WheelIndex, local_cluster: Cluster) -> None:
    """The same function by the layer builder, which needs no BuildKit: later runs use its image, the same is built once, the requirement at fault is named."""
    settings = {
        "base_image": local_cluster.push("python:3.11"), "insecure": [local_cluster.registry], "serve": False, "installer_env": wheels.environment, "wait": True,
    }  # fmt: skip
    layered = rw.function(_where, name="layered", requirements=["rw-test-hello<2"])
    built = layered.build(**settings)
    assert (built.results()["builder"], built.results()["cached"], built.record["provenance"]["builder"]) == ("layer", False, "layer")
    run = layered.run(wait=True)
    assert run.result() == "/opt/runwright/packages/rw_test_hello.py"
    assert run.provenance["images"]["main"].endswith(built.results()["digest"])
    assert layered.build(**settings).results()["cached"] is True
    requires = rw.function(_where, name="requires", requirements=["rw-test-nosuch"])
    assert "rw-test-nosuch" in requires.build(**settings).error.message


def _where() -> str:
    import rw_test_hello

    return str(rw_test_hello.__file__)


def test_what_instructions_print_comes_at_once_and_a_stop_ends_them(buildkit: str, local_cluster: Cluster) -> None:
    """The log is followed while the instruction goes on; a stop is heard in the middle of it."""
    function = rw.container(base_image=local_cluster.push("busybox:1"), name="slow")
    run = function.build(instructions=["echo beg''un; sleep 600"], insecure=[local_cluster.registry])
    assert any("begun" in line for line in run.logs(follow=True))
    assert run.refresh().state == "RUNNING"
    assert run.stop().state == "STOPPED"
