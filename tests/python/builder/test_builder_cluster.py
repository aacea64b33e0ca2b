"""Builds for and in a real cluster: what is built runs in pods that the restricted standard allows, and the builder is such a pod itself."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from builder_lab import MINOR, Lines

from runwright.execute import bundle
from runwright.execute.builder import build
from tests.cluster.cluster import Cluster
from tests.cluster.pods import RESTRICTED, run
from tests.cluster.wheels import WheelIndex
from tests.servers.processes import wait_until

USER = 10001
CODE = """
import importlib.metadata
import json
import sys

import rw_test_hello
import rw_test_uses


def report():
    print(json.dumps({
        "greeting": rw_test_uses.greet(), "file": rw_test_hello.__file__, "own": __file__, "version": importlib.metadata.version("rw-test-hello"),
        "python": "%d.%d" % sys.version_info[:2], "compiled": getattr(rw_test_hello, "__cached__", None),
    }))
"""
BUILDER = """
import json, os, sys
sys.path.insert(0, "/runwright/runner/runner.zip")
# A ConfigMap's files are links into a folder that is called after the time.
os.mkdir("/tmp/code")
for name in os.listdir("/code"):
    if not name.startswith("."):
        open(f"/tmp/code/{name}", "wb").write(open(f"/code/{name}", "rb").read())
from _runwright.execute.builder import build
from _runwright.execute.failure import describe
def say(line):
    print(line, flush=True)
try:
    result = build(json.loads(os.environ["SETTINGS"]), say)
except Exception as error:
    result = {"error": describe(error)}
with open("/dev/termination-log", "w") as file:
    json.dump(result, file)
sys.exit("error" in result)
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A code folder that uses a requirement of a requirement."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "functions.py").write_text(CODE)
    return folder


@pytest.fixture
def index(wheels: WheelIndex) -> WheelIndex:
    """Pods and this machine find packages there."""
    wheels.make(
        "rw-test-uses", "1.0", "import rw_test_hello\n\n\ndef greet():\n    return rw_test_hello.greeting\n", requires=("rw-test-hello<2",)
    )
    return wheels


def pod_of(image: str, command: list[str], name: str, **more: Any) -> str:
    """A Job with a read-only root that nobody in the image's own list of users runs."""
    container = {
        "name": "main", "image": image, "command": command, "securityContext": {**RESTRICTED, "runAsUser": USER, "readOnlyRootFilesystem": True},
        **more.pop("container", {}),
    }  # fmt: skip
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container], **more}
    spec["securityContext"] = {"runAsUser": USER, "fsGroup": USER}
    job = {"backoffLimit": 0, "template": {"spec": spec}}
    return json.dumps({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": job})


def executed(cluster: Cluster, namespace: str, built: dict[str, Any], name: str = "uses") -> dict[str, Any]:
    """What a pod of the image says when it imports its code."""
    manifest = pod_of(built["image"], ["python3", "-c", "import functions; functions.report()"], name)
    pod = run(cluster, namespace, name, "complete", manifest)
    assert pod["status"]["containerStatuses"][0]["imageID"].endswith(built["digest"])
    return json.loads(cluster.kubectl("logs", "-n", namespace, f"job/{name}"))


def builder(
    cluster: Cluster, namespace: str, base: str, settings: dict[str, Any], index: WheelIndex, name: str = "builder", user: int = USER
) -> dict[str, Any]:
    """Build in a pod of the base image; what the build left in the termination message."""
    runner = io.BytesIO()
    with zipfile.ZipFile(runner, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in bundle.bundle_files().items():
            archive.writestr(path, text)
    files = {path.name: path.read_text() for path in Path(settings["code"]).iterdir()} if settings.get("code") else {}
    for part, content in (
        ("runner", {"binaryData": {"runner.zip": base64.b64encode(runner.getvalue()).decode()}}),
        ("code", {"data": files}),
    ):
        config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-{part}"}, **content}
        # Not `apply`, which would write it into an annotation, too.
        cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(config_map))
    environment = {
        **index.environment,
        "SETTINGS": json.dumps({**settings, "inside": True, "code": "/tmp/code" if files else None}),
        "TMPDIR": "/tmp",
    }
    container = {
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"}, {"name": "runner", "mountPath": "/runwright/runner"}, {"name": "code", "mountPath": "/code"},
        ],
    }  # fmt: skip
    volumes = [{"name": "tmp", "emptyDir": {}}, *({"name": part, "configMap": {"name": f"{name}-{part}"}} for part in ("runner", "code"))]
    manifest = json.loads(pod_of(base, ["python3", "-I", "-S", "-c", BUILDER], name, container=container, volumes=volumes))
    manifest["spec"]["template"]["spec"]["containers"][0]["securityContext"]["runAsUser"] = user
    cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(manifest))
    pod = _ended(cluster, namespace, name)
    return json.loads(pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"])


def _ended(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def ended() -> bool:
        items = json.loads(cluster.kubectl("get", "pods", "-n", namespace, "-l", f"job-name={name}", "-o=json"))["items"]
        found.update(items[0] if items else {})
        return found.get("status", {}).get("phase") in ("Succeeded", "Failed")

    assert wait_until(ended, 120, every=0.2), found
    return found


def test_an_image_built_here_runs_there(
    local_cluster: Cluster, namespace: str, index: WheelIndex, code: Path, said: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    base = local_cluster.push(f"python:{MINOR}")
    settings = {
        "base": base, "target": f"{local_cluster.registry}/{namespace}/here", "requirements": ["rw-test-uses"], "code": str(code),
        "insecure": [local_cluster.registry], "installer_env": index.environment,
    }  # fmt: skip
    built = build(settings, said.append)
    assert "taken over from" in said.text
    found = executed(local_cluster, namespace, built)
    assert found["greeting"] == "hello"
    assert found["file"] == "/opt/runwright/packages/rw_test_hello.py"
    assert found["own"] == "/opt/runwright/code/functions.py"
    assert found["version"] == "1.0"


@pytest.mark.parametrize("version", ["3.9", "3.11", "3.13"])
def test_a_pod_builds(local_cluster: Cluster, namespace: str, index: WheelIndex, code: Path, version: str) -> None:
    base = local_cluster.push(f"python:{version}")
    settings = {
        "base": base, "target": f"{local_cluster.registry}/{namespace}/there", "requirements": ["rw-test-uses"], "code": str(code),
        "insecure": [local_cluster.registry],
    }  # fmt: skip
    built = builder(local_cluster, namespace, base, settings, index)
    assert "error" not in built, built
    assert built["python"] == version
    log = local_cluster.kubectl("logs", "-n", namespace, "job/builder")
    assert "installing 1 requirement with pip" in log
    assert built["digest"] in log
    found = executed(local_cluster, namespace, built)
    assert (found["greeting"], found["python"]) == ("hello", version)
    # Another pod, as another user: the same name, found; and where it has to be built, the same bytes.
    again = builder(local_cluster, namespace, base, settings, index, name="again", user=USER + 1)
    assert again["cached"] is True
    assert again["image"] == built["image"]
    elsewhere = {**settings, "target": f"{local_cluster.registry}/{namespace}/elsewhere"}
    other = builder(local_cluster, namespace, base, elsewhere, index, name="elsewhere", user=USER + 1)
    assert other["cached"] is False
    assert other["digest"] == built["digest"]


def test_what_the_base_has_is_not_installed_again(local_cluster: Cluster, namespace: str, index: WheelIndex, code: Path) -> None:
    base = local_cluster.push("python:3.11")
    target = f"{local_cluster.registry}/{namespace}/reuse"
    first = builder(
        local_cluster,
        namespace,
        base,
        {"base": base, "target": target, "requirements": ["rw-test-hello<2"], "insecure": [local_cluster.registry]},
        index,
    )
    settings = {
        "base": first["image"],
        "target": target,
        "requirements": ["rw-test-uses"],
        "code": str(code),
        "insecure": [local_cluster.registry],
    }
    built = builder(local_cluster, namespace, first["image"], settings, index, name="second")
    assert built["code"] == "/opt/runwright-2/code"
    found = executed(local_cluster, namespace, built)
    assert found["greeting"] == "hello"
    assert found["file"] == "/opt/runwright/packages/rw_test_hello.py"
    all_there = builder(
        local_cluster, namespace, first["image"], {**settings, "requirements": ["rw-test-hello"], "code": None}, index, name="third"
    )
    assert all_there["layers"] == []


def test_a_pod_says_why_it_cannot(local_cluster: Cluster, namespace: str, index: WheelIndex) -> None:
    base = local_cluster.push("python:3.11")
    settings = {
        "base": base,
        "target": f"{local_cluster.registry}/{namespace}/x",
        "requirements": ["rw-test-nosuch"],
        "insecure": [local_cluster.registry],
    }
    error = builder(local_cluster, namespace, base, settings, index)["error"]
    assert error["cause"] == "RequirementError"
    assert error["message"].startswith("the requirement rw-test-nosuch does not exist")
    secure = {**settings, "insecure": []}
    error = builder(local_cluster, namespace, base, secure, index, name="secure")["error"]
    assert error["cause"] == "RegistryError"
    assert "insecure" in error["cure"]
