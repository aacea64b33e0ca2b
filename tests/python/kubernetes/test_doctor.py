"""`runwright doctor --on kubernetes`: what it finds of a namespace that works, and of each way in which one may not."""

from __future__ import annotations

import glob
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.fixtures import FaultProxy
from tests.cluster.kube import Kube
from tests.cluster.named import NamedCluster

Checks = dict[str, list[dict[str, str]]]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "runwright", "doctor", "--on", *arguments]


@pytest.fixture
def doctor(tmp_path: Path):
    """Checks by their name, and the exit code; options as of subprocess.run."""

    def ask(on: str = "kubernetes", *arguments: str, code: int = 0, **environment: str) -> Checks:
        home = {"RUNWRIGHT_HOME": str(tmp_path / "home")}
        done = subprocess.run(
            [*command(on, "--json"), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, **home, **environment},
        )
        assert done.returncode == code, done.stdout + done.stderr
        found = json.loads(done.stdout)
        assert found["ok"] is (code == 0)
        checks: Checks = {}
        for check in found["checks"]:
            checks.setdefault(check["name"], []).append(check)
        return checks

    return ask


def failed(checks: Checks) -> list[str]:
    return [name for name, of_name in checks.items() for check in of_name if check["status"] == "fail"]


def rights(kube: Kube, *arguments: str) -> None:
    """Give the user of the test what `runwright rbac` prints."""
    printed = subprocess.run(
        [sys.executable, "-m", "runwright", "rbac", *arguments, "-n", kube.namespace, "--user", kube.user],
        capture_output=True,
        text=True,
        check=True,
    )
    kube.kubectl("apply", "-f", "-", stdin=printed.stdout)


def test_with_the_role_of_rbac_all_is_well(kube: Kube, doctor) -> None:
    checks = doctor()
    assert {check["status"] for of_name in checks.values() for check in of_name} == {"ok"}
    [cluster] = checks["cluster"]
    assert re.match(r"v1\.\d+.* at https://.* \(context test\), answered in ", cluster["message"])
    assert checks["user"][0]["message"].startswith(kube.user)
    assert [check["message"] for check in checks["rights"]] == ["job: everything it needs", "deploy: everything it needs"]
    # What the Role does not show is said to be hidden, and taken for nothing.
    assert all("not" in checks[name][0]["message"] for name in ("security", "quota", "limits"))
    assert kube.image("python:3.11") in checks["image"][0]["message"]
    assert kube.objects() == []


def test_its_own_rights_show_what_the_namespace_enforces_and_has_left(kube: Kube, doctor) -> None:
    rights(kube, "doctor", "--name", "doctor")
    kube.apply(_object(kube, "ResourceQuota", {"hard": {"pods": "5", "count/jobs.batch": "0", "requests.cpu": "2"}}))
    kube.apply(_object(kube, "LimitRange", {"limits": [{"type": "Container", "min": {"cpu": "100m"}}]}))
    kube.kubectl("wait", "--for=jsonpath={.status.hard.pods}=5", "resourcequota/example")
    checks = doctor(code=1)
    assert (checks["namespace"][0]["message"], checks["security"][0]["message"][:12]) == (kube.namespace, "`restricted`")
    [quota], [limits] = checks["quota"], checks["limits"]
    assert quota["status"] == "warn"
    assert "0 of 0 count/jobs.batch" in quota["message"]
    assert "5 of 5 pods" in quota["message"]
    # With this every run's pod would be refused; and no Job may be made.
    assert limits["status"] == "fail"
    assert "at least 0.1 of cpu" in limits["cure"]
    assert "exceeded quota" in checks["trial"][0]["message"]


def _object(kube: Kube, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "example", "namespace": kube.namespace}, "spec": spec}


def test_what_is_not_allowed_is_told_as_the_rules_to_add(kube: Kube, doctor) -> None:
    kube.kubectl("delete", "role", "runwright")
    job, deploy = doctor(code=1)["rights"]
    assert (job["status"], deploy["status"]) == ("fail", "warn")
    assert "get pods/log" in job["message"]
    assert "- {apiGroups: [batch], resources: [jobs], verbs: [create, get, list, watch, patch, delete]}" in job["cure"]
    # Done as it says, by whoever may.
    assert f"runwright rbac job --namespace {kube.namespace} --user NAME" in job["cure"]
    rights(kube, "job", "--name", "mended")
    kube.kubectl("patch", "role", "mended", "--type=json", "-p", '[{"op": "remove", "path": "/rules/0/verbs/2"}]')
    job, _ = doctor(code=1)["rights"]
    assert job["message"] == "job: not allowed: list jobs"
    rights(kube, "job", "--name", "mended")
    job, deploy = doctor()["rights"]
    assert (job["status"], deploy["status"]) == ("ok", "warn")


def test_a_namespace_that_does_not_exist(cluster: Cluster | NamedCluster, doctor) -> None:
    checks = doctor("kubernetes:/no-such-namespace", code=1, KUBECONFIG=str(cluster.kubeconfig))
    assert failed(checks) == ["namespace", "trial"]
    assert "kubectl create namespace no-such-namespace" in checks["namespace"][0]["cure"]


def test_a_cluster_that_is_not_reached_is_all_that_is_said(kube: Kube, tmp_path: Path, doctor) -> None:
    configuration = json.loads(kube.kubeconfig.read_text())
    configuration["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(json.dumps(configuration))
    checks = doctor(code=1, KUBECONFIG=str(elsewhere))
    assert list(checks)[-1] == "cluster"
    assert "https://127.0.0.1:9" in checks["cluster"][0]["message"]
    assert "refused" in checks["cluster"][0]["message"]


def test_an_api_server_that_hangs_is_not_waited_for(local_cluster: Cluster, kube: Kube, faults: FaultProxy, doctor) -> None:
    faults.hang(path="^/version", times=None)
    [cluster] = doctor(code=1)["cluster"]
    assert "did not answer in" in cluster["message"]


def test_clocks_that_differ(kube: Kube, doctor) -> None:
    libraries = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not libraries:
        pytest.skip("libfaketime is not installed")
    [clock] = doctor(code=1, LD_PRELOAD=libraries[0], FAKETIME="-1h")["clock"]
    assert clock["status"] == "fail"
    assert re.match(r"the API server's is (1 h 0 min|59 min \d+ s) ahead of this machine's", clock["message"])


def test_a_real_run_tells_what_each_step_took(kube: Kube, doctor) -> None:
    [runner] = doctor("kubernetes", "--run")["runner"]
    assert "user code" in runner["message"]
    # Only the runner stays, for the next run.
    [left] = [name for name in kube.objects() if not name.startswith("Pod/")]
    assert left.startswith("ConfigMap/runwright-runner-")


@pytest.mark.parametrize(("on", "field"), [("kubernets", "kubernets"), ("kubernetes:no-such-context", "no-such-context")])
def test_a_place_that_is_none(kube: Kube, tmp_path: Path, on: str, field: str) -> None:
    done = subprocess.run(
        command(on), capture_output=True, text=True, check=False, env={**os.environ, "RUNWRIGHT_HOME": str(tmp_path / "home")}
    )
    assert done.returncode in (1, 2)
    assert field in done.stdout + done.stderr
    assert "→" in done.stdout + done.stderr
