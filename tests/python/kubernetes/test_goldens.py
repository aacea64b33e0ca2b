"""The golden manifests are what a real API server takes, and templates are merged as kubectl does it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runwright import _core
from tests.cluster.cluster import Cluster
from tests.cluster.kube import Kube
from tests.cluster.named import NamedCluster

GOLDEN = Path(__file__).parents[2] / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("*/*/kubernetes.yaml"))
MERGES: list[dict[str, Any]] = _core.from_yaml((GOLDEN / "merge.yaml").read_text())


def manifests(case: Path) -> list[dict[str, Any]]:
    return [_core.from_yaml(text) for text in (case / "kubernetes.yaml").read_text().split("\n---\n")]


def named(case: Path) -> str:
    return f"{case.parent.name}-{case.name}"


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_golden_manifest_is_taken(kube: Kube, case: Path) -> None:
    said = kube.kubectl("apply", "--dry-run=server", "-f", str(case / "kubernetes.yaml"))
    assert said.count("created (server dry run)") == len(manifests(case))


@pytest.mark.parametrize("case", CASES, ids=named)
def test_its_pods_pass_restricted_unless_the_run_relaxes_it(kube: Kube, case: Path) -> None:
    # What a pod names must be there, even for a rehearsal; what only an administrator makes is left out.
    kube.kubectl("create", "serviceaccount", "team")
    template = manifests(case)[0]["spec"]["template"]
    spec = {field: value for field, value in template["spec"].items() if field not in ("priorityClassName", "runtimeClassName")}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"] | {"name": "golden"}, "spec": spec}
    said = kube.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod), check=False)
    # A BuildKit without root makes a user namespace.
    relaxed = spec["securityContext"]["runAsUser"] == 0 or any(each["name"] == "buildkitd" for each in spec.get("initContainers", ()))
    assert ("pod/golden created" in said) is not relaxed


@pytest.mark.parametrize("case", MERGES, ids=lambda case: case["case"].replace(" ", "-"))
def test_a_merge_is_that_of_kubectl(cluster: Cluster | NamedCluster, case: dict[str, Any]) -> None:
    def deployment(template: dict[str, Any]) -> str:
        return json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": {"template": template}})

    patch = json.dumps({"spec": {"template": case["over"]}})
    merged = cluster.kubectl("patch", "--local", "--type=strategic", "-f", "-", "-p", patch, "-o", "json", stdin=deployment(case["base"]))
    assert known(json.loads(merged)["spec"]["template"]) == known(case.get("kubectl") or case["merged"])


def known(template: dict[str, Any]) -> dict[str, Any]:
    """A template without what kubectl adds because its types always have it."""

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: clean(one) for name, one in value.items() if one is not None and not (one in ({}, []) and name != "emptyDir")}
        return [clean(one) for one in value] if isinstance(value, list) else value

    return clean(template)  # type: ignore[no-any-return]
