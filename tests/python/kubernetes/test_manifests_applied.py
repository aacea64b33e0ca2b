"""What would be applied, checked by the API server without a trace; and what was applied, read back."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import runwright as rw
from runwright import _core, exceptions
from tests.cluster.cluster import Cluster
from tests.cluster.fixtures import Bucket
from tests.cluster.kube import Kube

SECRET = "open-sesame-7316"


@rw.function
def work(data: Any = None, scale: float = 2.0) -> int:
    return len(data or ())


@pytest.fixture(autouse=True)
def on_kubernetes(kube: Kube, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    rw.use("kubernetes", home=home)


def kinds(manifests: list[dict[str, Any]]) -> list[str]:
    return [one["kind"] for one in manifests]


def test_a_dry_run_leaves_no_trace(kube: Kube, home: Path) -> None:
    manifests = work.run(random.randbytes(2_000_000), secrets=["TOKEN"], resources={"cpu": "1"}, dry_run=True)
    assert kinds(manifests) == ["Job", "Secret", "ConfigMap", "ConfigMap", "ConfigMap"]
    job, secret = manifests[:2]
    [main] = job["spec"]["template"]["spec"]["containers"]
    assert (main["image"], main["resources"]["limits"]) == (kube.image("python:3.11"), {"cpu": "1"})
    # The API server has filled in what it does; what only it can say is not there.
    assert main["imagePullPolicy"] == "IfNotPresent"
    assert "status" not in job
    assert not {"uid", "resourceVersion", "managedFields"} & set(job["metadata"])
    assert secret["stringData"] == {"TOKEN": "***"}
    assert SECRET not in str(manifests)
    assert kube.objects() == []
    assert len(rw.runs(project="*")) == 0
    assert not list((home / "staging").glob("*"))


def test_its_text_is_for_kubectl(kube: Kube) -> None:
    manifests = work.run(secrets=["TOKEN"], dry_run=True)
    assert "job.batch/rw-" in kube.kubectl("apply", "--dry-run=server", "-f", "-", stdin=str(manifests))
    assert len(repr(manifests)) < len(str(manifests))


def test_only_dry_requests_are_made(local_cluster: Cluster, kube: Kube) -> None:
    work.run(dry_run=True)
    written = [entry for entry in kube.requests() if entry["verb"] in ("create", "patch", "update", "delete")]
    assert written
    assert all("dryRun=All" in entry["requestURI"] for entry in written)


def test_a_fan_out_is_one_job(kube: Kube) -> None:
    [job] = work.map([{"scale": 1.0}, {"scale": 2.0}, {"scale": 3.0}], dry_run=True)
    assert (job["spec"]["completionMode"], job["spec"]["completions"]) == ("Indexed", 3)


def test_a_service_is_a_deployment_and_a_service(kube: Kube) -> None:
    shell = rw.get_or_create_project("default").new_function(name="web", kind="container", image=kube.image("busybox:1"))
    manifests = shell.run(action="deploy", service_ports=[{"port": 80, "target_port": 8080}], dry_run=True)
    assert kinds(manifests) == ["Deployment", "Service"]
    assert manifests[0]["spec"]["replicas"] == 1


def test_what_the_cluster_would_refuse_is_told(kube: Kube) -> None:
    with pytest.raises(exceptions.RunwrightError, match="no-such-namespace"):
        work.run(on="kubernetes:test/no-such-namespace", dry_run=True)
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": kube.namespace},
        "spec": {"hard": {"count/jobs.batch": "0"}},
    }
    kube.apply(quota)
    kube.kubectl("wait", "--for=jsonpath={.status.hard}", "resourcequota/none")
    with pytest.raises(exceptions.RunwrightError, match="exceeded quota"):
        work.run(dry_run=True)
    assert len(rw.runs(project="*")) == 0


def test_the_manifest_of_a_run_is_what_is_there(kube: Kube) -> None:
    expected = work.run(random.randbytes(200_000), secrets=["TOKEN"], dry_run=True)
    run = work.run(random.randbytes(200_000), secrets=["TOKEN"]).wait()
    manifests = run.manifest()
    assert sorted(kinds(manifests)) == sorted(kinds(expected))
    job = manifests[0]
    assert job["metadata"]["labels"]["runwright.dev/run"] == run.id
    assert "status" not in job
    assert "managedFields" not in str(manifests)
    assert SECRET not in str(manifests)
    # Nothing but names and ids tells the Job from the rehearsed one.
    assert _plain(job["spec"]) == _plain(expected[0]["spec"])
    shown = subprocess.run(
        [sys.executable, "-m", "runwright", "run", "manifest", run.id, "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(shown.stdout) == manifests
    run.delete()
    with pytest.raises(exceptions.NotFoundError):
        run.manifest()


def _plain(spec: dict[str, Any]) -> dict[str, Any]:
    """Without what is different in each run: its id in names and labels, and what it is frozen to."""
    template = spec["template"]
    volumes = [{**volume, "secret": None, "configMap": None} for volume in template["spec"]["volumes"]]
    return {**spec, "template": {"spec": {**template["spec"], "volumes": volumes}}}


def test_nothing_that_signs_is_shown(kube: Kube, home: Path, pod_s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in pod_s3.environment.items():
        monkeypatch.setenv(name, value)
    rw.use("kubernetes", home=home, artifacts=pod_s3.url)
    rehearsed = str(work.run(bytes(5000), dry_run=True))
    run = work.run(bytes(5000)).wait()
    for text in (rehearsed, str(run.manifest())):
        assert "/results/0?***" in text
        assert "Signature" not in text
    assert run.result() == 5000


def test_from_the_command_line(kube: Kube, tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text("def f(n: int):\n    return n\n")
    command = [sys.executable, "-m", "runwright", "run", "f.py:f", "-p", "n=1", "--on", "kubernetes", "--dry-run"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=True)
    assert _core.from_yaml(done.stdout)["kind"] == "Job"
    assert kube.objects() == []
