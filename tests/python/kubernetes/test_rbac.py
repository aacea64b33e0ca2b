"""The Role that `runwright rbac` prints is the smallest: all of it is used, and nothing else is asked for."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import runwright as rw
from runwright import _core, _engine
from tests.cluster.cluster import Cluster
from tests.cluster.kube import Kube
from tests.cluster.named import NamedCluster
from tests.servers.processes import wait_until

Asked = set[tuple[str, str, str]]
_LOOKED_FOR = [("deployments", verb) for verb in ("get", "list", "watch")]


@rw.function
def guarded(data: Any = None) -> int:
    import os

    print("a token" if "TOKEN" in os.environ else "no token")
    return len(data or ())


@rw.function
def endless() -> None:
    import time

    print("begun", flush=True)
    time.sleep(600)


def rbac(*arguments: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "runwright", "rbac", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [_core.from_yaml(document) for document in done.stdout.split("---\n")]


def allowed(*arguments: str) -> Asked:
    rules = rbac(*arguments)[0]["rules"]
    return {
        (group, resource, verb) for rule in rules for group in rule["apiGroups"] for resource in rule["resources"] for verb in rule["verbs"]
    }


def restrict(kube: Kube, *actions: str) -> None:
    """Leave the test's user the rights for these actions alone."""
    role = rbac(*actions)[0]
    kube.kubectl("replace", "-f", "-", stdin=json.dumps({**role, "metadata": {"name": role["metadata"]["name"]}}))


def asked(kube: Kube) -> Asked:
    """What the user asked for in the namespace; nothing of it was refused, but to see Deployments: who may not has no services."""
    requests = [entry for entry in kube.requests() if entry.get("objectRef", {}).get("namespace")]
    requests = [entry for entry in requests if (entry["objectRef"]["resource"], entry["verb"]) not in _LOOKED_FOR]
    refused = [entry for entry in requests if entry.get("responseStatus", {}).get("code") == 403]
    assert not refused
    names = [(entry["objectRef"], entry["verb"]) for entry in requests]
    return {(of.get("apiGroup", ""), "/".join(filter(None, (of["resource"], of.get("subresource")))), verb) for of, verb in names}


def test_all_of_the_role_is_used_and_nothing_else(local_cluster: Cluster, kube: Kube, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restrict(kube, "python.job")
    rw.use("kubernetes", home=home)
    monkeypatch.setenv("TOKEN", "open-sesame")
    # A Secret, the runner, luggage, and results by the sidecar's log.
    run = guarded.run(data=random.randbytes(300_000), secrets=["TOKEN"])
    assert (run.result(), str(run.logs()).strip()) == (300_000, "a token")
    # Code that does not fit into a Job.
    noise = "".join(f"    {number * 7919 % 99991:05d}\n" for number in range(40_000))
    large = rw.get_or_create_project("default").new_function(
        name="large", kind="python", code=f'TEXT = """\n{noise}"""\n\n\ndef large():\n    return len(TEXT)\n', handler="large"
    )
    assert [large.run().result() > len(noise) for _ in range(2)] == [True, True]
    going = endless.map([{}, {}])
    for run in going:
        next(iter(run.logs(follow=True)))
        assert run.stop().state == "STOPPED"
    # Somebody else, with nothing but the kubeconfig: the runner is there already, the runs are found.
    monkeypatch.setattr(_engine, "_engine", None)
    rw.use("kubernetes", home=home.parent / "another")
    assert rw.sync()["found"] == 5
    assert guarded.run().result() == 0
    for run in rw.runs():
        run.delete()
    # Who may not see Deployments looks for their pods: those of the Jobs go first.
    assert wait_until(lambda: any("runwright-runner-" in path for path in rw.gc()["paths"]), 60)
    assert asked(kube) == allowed("python.job")
    assert kube.objects() == []


def test_a_container_needs_no_more_than_its_own_role(local_cluster: Cluster, kube: Kube, home: Path) -> None:
    restrict(kube, "container.job")
    rw.use("kubernetes", home=home)
    shell = rw.get_or_create_project("default").new_function(
        name="shell", kind="container", image=kube.image("busybox:1"), command=["sh", "-c"], args=["echo done"]
    )
    run = shell.run(action="job").wait()
    assert (run.state, str(run.logs()).strip()) == ("COMPLETED", "done")
    run.delete()
    assert asked(kube) <= allowed("container.job")


@pytest.mark.parametrize("form", ["user", "group", "service-account"])
def test_whoever_it_is_bound_to_has_the_role(cluster: Cluster | NamedCluster, namespace: str, form: str) -> None:
    subject = {"user": "ada", "group": "system:authenticated", "service-account": f"{namespace}:robot"}[form]
    text = subprocess.run(
        [sys.executable, "-m", "runwright", "rbac", "job", "-n", namespace, f"--{form}", subject, "--name", "bound"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    cluster.kubectl("apply", "-f", "-", stdin=text)
    user = f"system:serviceaccount:{subject}" if form == "service-account" else "ada"
    may = [cluster.kubectl("auth", "can-i", verb, of, "-n", namespace, f"--as={user}", check=False).strip() for verb, of in _RIGHTS]
    assert may == ["yes", "yes", "no", "no"]


_RIGHTS = [("create", "jobs.batch"), ("watch", "events"), ("get", "secrets"), ("create", "pods")]
