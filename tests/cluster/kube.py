"""A namespace for one test of Runwright, seen from both sides: its user's, who has the Role of `runwright rbac` and no more, and the administrator's."""

from __future__ import annotations

import base64
import functools
import json
import secrets
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from tests.cluster.cluster import Cluster
from tests.cluster.named import NamedCluster
from tests.cluster.settings import ETCD_PORT
from tests.servers.processes import wait_until

# Of this session only: others may run on the same cluster, and requests are counted by their user.
USER = f"runwright-tester-{secrets.token_hex(3)}"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


def new_namespace(cluster: Cluster | NamedCluster) -> str:
    """Make a namespace that enforces the `restricted` Pod Security Standard; pods can be created in it when this returns."""
    name = f"test-{secrets.token_hex(4)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    # Pods are refused, and Jobs try again only after seconds, until it is there.
    if not wait_until(lambda: cluster.api.exists(f"/api/v1/namespaces/{name}/serviceaccounts/default"), 20):
        raise RuntimeError(f"the namespace {name} got no service account")
    return name


def delete_namespace(cluster: Cluster | NamedCluster, name: str) -> None:
    """Delete a namespace and all that is in it, pods without grace. It does not wait: nothing else will use the name."""
    cluster.api.request("DELETE", f"/api/v1/namespaces/{name}")
    # After it: now nothing makes new pods.
    cluster.api.request("DELETE", f"/api/v1/namespaces/{name}/pods", gracePeriodSeconds="0")


class Kube:
    """What a test has in its hands. `kubeconfig` is the user's, with the context `test` and the namespace in it."""

    context = "test"
    user = USER

    def __init__(self, cluster: Cluster | NamedCluster, namespace: str, kubeconfig: Path) -> None:
        """Give the user the Role in the namespace, and write the kubeconfig."""
        self.cluster = cluster
        self.api = cluster.api
        self.namespace = namespace
        self.kubeconfig = kubeconfig
        self._began = cluster.audit_log.stat().st_size if isinstance(cluster, Cluster) else 0
        role, _, binding = _rights().partition("---\n")
        self.api.request("POST", f"{_RBAC}/namespaces/{namespace}/roles", role)
        self.api.request("POST", f"{_RBAC}/namespaces/{namespace}/rolebindings", binding)
        self._write_kubeconfig()

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl in the namespace as the administrator; what it printed."""
        return self.cluster.kubectl("-n", self.namespace, *arguments, stdin=stdin, check=check)

    def get(self, kind: str, name: str | None = None, selector: str = "") -> Any:
        """One object as a dict, or the list of all of a kind (with some labels)."""
        arguments = [kind, name] if name else [kind, f"--selector={selector}"]
        found = json.loads(self.kubectl("get", *arguments, "-o=json"))
        return found if name else found["items"]

    def apply(self, manifest: dict[str, Any]) -> None:
        """Create or change an object as the administrator."""
        self.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))

    def allow(self, *actions: str) -> None:
        """Give the user what `runwright rbac` says that these need, too."""
        command = [sys.executable, "-m", "runwright", "rbac", *actions, "--user", USER, "--name", f"for-{'-'.join(actions)}"]
        self.kubectl("apply", "-f", "-", stdin=subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    def image(self, name: str) -> str:
        """What a pod's `image` says for one of the images (`python:3.11`)."""
        return self.cluster.image(name)

    def objects(self) -> list[str]:
        """Everything in the namespace, as `Kind/name`, sorted. Not what every namespace has, events, and what this fixture made."""
        kinds = self.cluster.kubectl("api-resources", "--namespaced", "--verbs=list", "-o=name").split()
        # Measurements are computed, not kept, and exist only while pods run.
        listed = [kind for kind in kinds if not kind.startswith("events") and not kind.endswith("metrics.k8s.io")]
        found = json.loads(self.kubectl("get", ",".join(listed), "-o=json"))["items"]
        everyones = {"ConfigMap/kube-root-ca.crt", "ServiceAccount/default", "Role/runwright", "RoleBinding/runwright"}
        names = {f"{item['kind']}/{item['metadata']['name']}" for item in found} - everyones
        return sorted(name for name in names if not name.startswith(("Role/for-", "RoleBinding/for-")))

    def etcd_dump(self) -> dict[str, bytes]:
        """Everything that etcd keeps of this namespace, by key, as it is on the disk (Secrets too: they are not encrypted here)."""
        self._local("etcd")
        ends = {"key": base64.b64encode(b"/registry/").decode(), "range_end": base64.b64encode(b"/registry0").decode()}
        request = urllib.request.Request(f"http://127.0.0.1:{ETCD_PORT}/v3/kv/range", json.dumps(ends).encode())
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            pairs = [(base64.b64decode(pair["key"]).decode(), base64.b64decode(pair["value"])) for pair in json.load(answer)["kvs"]]
        return {key: value for key, value in pairs if self.namespace in key.split("/")}

    def requests(self) -> list[dict[str, Any]]:
        """What the user asked the API server since the test began, in this namespace or in none: audit log entries.

        A watch is one when it begins and one when it ends.
        """
        self._local("audit_log")
        mine = [entry for entry in self.cluster.requests(self._began) if USER in (_name(entry, "user"), _name(entry, "impersonatedUser"))]
        return [entry for entry in mine if entry.get("objectRef", {}).get("namespace") in (None, self.namespace)]

    def _local(self, what: str) -> None:
        if not isinstance(self.cluster, Cluster):
            getattr(self.cluster, what)  # skips

    def _write_kubeconfig(self) -> None:
        configuration = json.loads(self.cluster.kubeconfig_of(USER).read_text())
        context = {"cluster": configuration["clusters"][0]["name"], "user": USER, "namespace": self.namespace}
        configuration |= {"contexts": [{"name": self.context, "context": context}], "current-context": self.context}
        self.kubeconfig.write_text(json.dumps(configuration))
        self.kubeconfig.chmod(0o600)


@functools.cache
def _rights() -> str:
    """The Role and its RoleBinding: what Runwright itself says that it needs."""
    command = [sys.executable, "-m", "runwright", "rbac", "--user", USER]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _name(entry: dict[str, Any], who: str) -> str | None:
    return entry.get(who, {}).get("username")
