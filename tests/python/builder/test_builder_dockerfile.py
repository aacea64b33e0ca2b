"""What a Dockerfile builder is given: golden texts, and what a real BuildKit makes of them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builder_lab import ask, files_of, open_layer

from runwright.execute.builder import solving, stages
from runwright.execute.builder.dockerfile import Assembly, assemble
from runwright.execute.builder.failures import BaseImageError, ConfigError, InstructionError, RegistryError, RequirementError
from tests.cluster.binaries import binary
from tests.cluster.cluster import Cluster
from tests.cluster.pods import RESTRICTED, run
from tests.cluster.wheels import WheelIndex

GOLDEN = Path(__file__).parent / "golden"
CASES: dict[str, dict[str, Any]] = {
    "base": {"base": "python:3.13-slim"},
    "requirements": {"base": "python:3.13-slim", "requirements": ["scikit-learn>=1.5", "numpy  # fast", "numpy"]},
    "code": {"base": "reg.test:5000/python:3.11", "code": {"functions.py": "x = 1\n", "package/__init__.py": b""}, "env": {"COLOUR": 'a "b" $c \\d', "A": 1}},
    "all": {
        "base": "reg.test/python@sha256:" + "a" * 64,
        "instructions": [
            "apt-get update && apt-get install -y --no-install-recommends git", "RUN echo 'as it is'", "ENV A=b", "cd /tmp\nmake", '["odd"]',
            "RUN --network=none true",
        ],
        "requirements": ["torch==2.5"],
        "code": {"functions.py": "x = 1\n"},
        "env": {"B": "c"},
        "secrets": ["PIP_INDEX_URL", "TOKEN"],
        "prefix": "/srv/app",
    },
    "dockerfile": {"dockerfile": "FROM alpine\nCOPY . /app", "code": {"main.sh": "echo hi\n"}, "importable": False},
    "dockerfile-and-more": {
        "dockerfile": "FROM python:3.13 AS one\nRUN <<X\nFROM nothing\nX\nFROM --platform=linux/amd64 \\\n  python:3.13-slim\nUSER 7",
        "instructions": ["apt-get install -y git"], "requirements": ["numpy"], "code": {"functions.py": "x = 1\n"}, "env": {"A": "b"},
    },
    "without-texts": {
        "base": "python:3.13-slim", "instructions": ["cd /tmp\nmake 'all'", "true", "RUN echo 'as it is'"], "requirements": ["numpy<3", "torch==2.5"],
        "secrets": ["TOKEN"], "texts": False,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_text_is_the_golden_one(name: str) -> None:
    made = assemble(**CASES[name])
    path = GOLDEN / f"{name}.Dockerfile"
    if not path.exists():
        path.write_text(made.dockerfile)
        pytest.fail(f"{path} was not there; it is now: look at it")
    assert made.dockerfile == path.read_text()
    assert assemble(**CASES[name]) == made


def test_the_context_has_the_code_only() -> None:
    assert assemble(**CASES["all"]).files == {"functions.py": b"x = 1\n"}
    assert assemble(**CASES["dockerfile"]).files == {"main.sh": b"echo hi\n"}


def test_the_tag_names_everything() -> None:
    base, platform = "sha256:" + "a" * 64, "linux/amd64"
    tags = {assemble(**case).tag([base], platform) for case in CASES.values()}
    tags.add(assemble(**CASES["code"]).tag(["sha256:" + "b" * 64], platform))
    tags.add(assemble(**CASES["code"]).tag([base], "linux/arm64"))
    tags.add(assemble(**{**CASES["code"], "code": {"functions.py": "x = 2\n"}}).tag([base], platform))
    assert len(tags) == len(CASES) + 3
    assert all(re.fullmatch(r"rw-[0-9a-f]{32}", tag) for tag in tags)


def test_what_a_dockerfile_is_built_on() -> None:
    text = """# FROM comment
FROM --platform=$BUILDPLATFORM golang:1.24 AS build
RUN <<EOF
FROM inside
EOF
FROM build AS again
FROM $BASE
from \\
# between
  reg.test:5000/alpine@sha256:abc
FROM scratch
COPY --from=again /x /x
FROM golang:1.24
"""
    assert stages.bases(text) == ["golang:1.24", "reg.test:5000/alpine@sha256:abc"]
    assert stages.name_last_stage(text, "mine") == (text.removesuffix("FROM golang:1.24\n") + "FROM golang:1.24 AS mine\n", "mine")
    assert stages.name_last_stage("FROM a as b\n", "mine") == ("FROM a as b\n", "b")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "base"),
        ({"base": "a b"}, "base"),
        ({"base": "python", "dockerfile": "FROM x"}, "dockerfile: base"),
        ({"dockerfile": "path/Dockerfile"}, "dockerfile: it has no FROM"),
        ({"base": "python", "instructions": ["FROM other"]}, "instructions: FROM"),
        ({"base": "python", "instructions": ["  "]}, "instructions"),
        ({"base": "python", "instructions": ["a\nRUNWRIGHT_END"]}, "instructions"),
        ({"base": "python", "requirements": ["./x"]}, "names files"),
        ({"base": "python", "code": {"../x": ""}}, "code"),
        ({"base": "python", "code": {"/x": ""}}, "code"),
        ({"base": "python", "env": {"A B": "x"}}, "env"),
        ({"base": "python", "env": {"A": "x\nRUN y"}}, "env"),
        ({"base": "python", "env": {"PATH": "/x"}}, "env: PATH"),
        ({"base": "python", "secrets": ["A,id=B"]}, "secrets"),
    ],
)
def test_what_cannot_be_assembled(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        assemble(**settings)


Solve = Callable[..., "tuple[int, list[str], str]"]


@pytest.fixture
def solve(local_cluster: Cluster, namespace: str, tmp_path: Path) -> Solve:
    """Build with the cluster's BuildKit and push: exit code, output, image@digest."""

    def solve(assembly: Assembly, secrets: dict[str, str] | None = None, push: bool = True) -> tuple[int, list[str], str]:
        context, text = tmp_path / "context", tmp_path / "text"
        text.mkdir()
        (text / "Dockerfile").write_text(assembly.dockerfile)
        context.mkdir()
        for path, content in assembly.files.items():
            (context / path).parent.mkdir(parents=True, exist_ok=True)
            (context / path).write_bytes(content)
        image, metadata = f"{local_cluster.registry}/{namespace}/kit", tmp_path / "metadata.json"
        command = [
            binary("buildctl"), "--addr", local_cluster.buildkit, "build", "--progress=plain", "--frontend=dockerfile.v0", f"--local=context={context}",
            f"--local=dockerfile={text}", f"--metadata-file={metadata}", *(["--no-cache"]),
            *(f"--secret=id={name},env={name}" for name in assembly.secrets),
            *([f"--output=type=image,name={image}:{assembly.tag([], '')},push=true"] if push else []),
        ]  # fmt: skip
        done = subprocess.run(command, env={"PATH": "/usr/bin:/bin", **(secrets or {})}, capture_output=True, text=True)
        digest = json.loads(metadata.read_text())["containerimage.digest"] if done.returncode == 0 and push else ""
        return done.returncode, (done.stdout + done.stderr).splitlines(), f"{image}@{digest}"

    return solve


def secrets_of(index: WheelIndex) -> dict[str, str]:
    return {name: value for name, value in index.environment.items() if name in ("PIP_INDEX_URL", "PIP_TRUSTED_HOST")}


def test_a_pod_runs_what_buildkit_makes_of_it(local_cluster: Cluster, namespace: str, wheels: WheelIndex, solve: Solve) -> None:
    wheels.make("rw-test-uses", "1.0", "import rw_test_hello\n", requires=("rw-test-hello<2",))
    code = "import json, os, rw_test_uses\nprint(json.dumps([rw_test_uses.rw_test_hello.greeting, __file__, os.environ['QUOTED'], open('/made').read()]))\n"
    settings = secrets_of(wheels)
    assembly = assemble(
        base=local_cluster.push("python:3.11"), requirements=["rw-test-uses"], code={"functions.py": code}, env={"QUOTED": 'a "b" $c \\d'},
        instructions=["printf made > /made", "RUN printf ' twice' >> /made", "cat > /tmp/x <<X\n$(printf 'in lines')\nX\ncat /tmp/x", 'test -n "$PIP_INDEX_URL"'],
        secrets=list(settings),
    )  # fmt: skip
    code_of_exit, lines, image = solve(assembly, settings)
    assert code_of_exit == 0, "\n".join(lines)
    assert any("in lines" in line for line in lines)
    job = {
        "name": "main",
        "image": image,
        "command": ["python3", "-c", "import functions"],
        "securityContext": {**RESTRICTED, "runAsUser": 10001},
    }
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [job]}
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "kit"},
        "spec": {"backoffLimit": 0, "template": {"spec": spec}},
    }
    pod = run(local_cluster, namespace, "kit", "complete", json.dumps(manifest))
    said = json.loads(local_cluster.kubectl("logs", "-n", namespace, "job/kit"))
    assert said == ["hello", "/opt/runwright/code/functions.py", 'a "b" $c \\d', "made twice"]
    assert pod["status"]["containerStatuses"][0]["imageID"].endswith(image.partition("@")[2])
    # What a RUN saw is nowhere in the image.
    place = f"http://{local_cluster.registry}/v2/{namespace}/kit"
    kinds = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
    manifest = ask("GET", f"{place}/manifests/{image.partition('@')[2]}", kinds)
    config = ask("GET", f"{place}/blobs/{json.loads(manifest)['config']['digest']}")
    top = [files_of(open_layer(ask("GET", f"{place}/blobs/{layer['digest']}"))) for layer in json.loads(manifest)["layers"][1:]]
    assert len(top) >= 4
    assert any("opt/runwright/code/functions.py" in layer for layer in top)
    secret = settings["PIP_INDEX_URL"].encode()
    assert secret not in manifest + config + b"".join(content for layer in top for content in layer.values())


def test_what_fails_is_named(local_cluster: Cluster, wheels: WheelIndex, solve: Solve, tmp_path: Path) -> None:
    base = local_cluster.push("python:3.11")
    settings = secrets_of(wheels)

    def failure(**given: Any) -> Any:
        import shutil

        assembly = assemble(**given)
        code, lines, _ = solve(assembly, settings, push=False)
        for name in ("context", "text"):
            shutil.rmtree(tmp_path / name)
        assert code != 0
        return solving.explain(lines, assembly)

    one = failure(base=base, requirements=["rw-test-hello", "rw-test-nosuch"], secrets=list(settings))
    assert isinstance(one, RequirementError)
    assert one.requirement == "rw-test-nosuch"
    two = failure(base=base, instructions=["true", "echo first; echo 'no such thing' >&2; exit 7"])
    assert isinstance(two, InstructionError)
    assert "exit code 7" in two.message
    assert "no such thing" in two.message
    assert "echo first" in (two.instruction or "")
    three = failure(base=f"{local_cluster.registry}/no/such:1")
    assert isinstance(three, BaseImageError)
    assert "no/such:1" in three.message
    four = failure(dockerfile=f"FROM {base}\nCOPY missing /x\n")
    assert isinstance(four, InstructionError)
    assert "missing" in four.message
    five = failure(base="10.244.0.1:1/python:3.11")
    assert isinstance(five, RegistryError)


def test_what_a_push_is_refused_with() -> None:
    lines = [
        "#9 ERROR: failed to push reg.test/a:1: push access denied",
        "error: failed to solve: failed to push reg.test/a:1: push access denied",
    ]
    found = solving.explain(lines, Assembly("", {}))
    assert isinstance(found, RegistryError)
    assert found.registry == "reg.test"
    assert "credentials" in (found.cure or "")
