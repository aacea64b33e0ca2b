"""A cluster that KUBECONFIG names (kind, k3d, …), as tests see it. No root is needed; what it cannot show is said by skipping."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import subprocess
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.cluster.api import Api
from tests.cluster.binaries import binary
from tests.cluster.certificates import new_key, openssl
from tests.servers.processes import wait_until


class NamedCluster:
    """Somebody's cluster. Images come from Docker Hub, or from the registry in RUNWRIGHT_TEST_REGISTRY, by the same names."""

    def __init__(self, kubeconfig: str) -> None:
        """`kubeconfig` is as in KUBECONFIG: a path, or several."""
        self._folder = Path(tempfile.mkdtemp(prefix="runwright-named-"))
        program: list[str | Path] = ["kubectl"] if shutil.which("kubectl") else [binary("kube"), "kubectl"]
        # One file, for one context, with everything in it.
        view = [*program, "config", "view", "--raw", "--flatten", "--minify", "-o=json"]
        result = subprocess.run(view, env={**os.environ, "KUBECONFIG": kubeconfig}, capture_output=True, text=True, check=False)
        if result.returncode:
            raise RuntimeError(f"KUBECONFIG={kubeconfig} names no cluster: {result.stderr.strip()}")
        self.kubeconfig = self._folder / "kubeconfig"
        self.kubeconfig.write_text(result.stdout)
        self.kubeconfig.chmod(0o600)
        self._program = program

    def close(self) -> None:
        """Forget the copies of its credentials."""
        if "api" in self.__dict__:
            self.api.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @cached_property
    def api(self) -> Api:
        """The API server, as the administrator."""
        return Api([*self._program, f"--kubeconfig={self.kubeconfig}"])

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True, kubeconfig: Path | None = None) -> str:
        """Run kubectl; what it printed."""
        command = [*self._program, f"--kubeconfig={kubeconfig or self.kubeconfig}", *arguments]
        result = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if check and result.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)} failed: {result.stderr.strip()}")
        return result.stdout

    def kubeconfig_of(self, user: str, *groups: str) -> Path:
        """A kubeconfig for a user who has no rights but those that RBAC gives to the name or the groups; the cluster signs the certificate."""
        path = self._folder / f"user-{user}.kubeconfig"
        if not path.exists():
            key, request = self._folder / f"{user}.key", self._folder / f"{user}.csr"
            new_key(key)
            openssl("req", "-new", "-key", key, "-subj", "".join(f"/O={group}" for group in groups) + f"/CN={user}", "-out", request)
            certificate = self._signed(base64.b64encode(request.read_bytes()).decode())
            cluster = json.loads(self.kubeconfig.read_text())["clusters"][0]
            login = {"client-certificate-data": certificate, "client-key-data": base64.b64encode(key.read_bytes()).decode()}
            configuration = {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [cluster],
                "users": [{"name": user, "user": login}],
                "contexts": [{"name": "user", "context": {"cluster": cluster["name"], "user": user, "namespace": "default"}}],
                "current-context": "user",
            }
            path.write_text(json.dumps(configuration))
            path.chmod(0o600)
        return path

    def image(self, name: str) -> str:
        """What a pod's `image` says for one of the images (`python:3.11`)."""
        registry = os.environ.get("RUNWRIGHT_TEST_REGISTRY")
        if registry is None and not name.startswith(("python:", "busybox:")):
            pytest.skip(f"a cluster named by KUBECONFIG has the image {name} only from RUNWRIGHT_TEST_REGISTRY")
        return f"{registry}/{name}" if registry else name

    def __getattr__(self, name: str) -> NoReturn:
        """What only the cluster of this machine has: its audit log, its etcd, its registry."""
        if name.startswith("_"):
            raise AttributeError(name)
        pytest.skip(f"a cluster named by KUBECONFIG does not give the tests its {name.replace('_', ' ')}")

    def _signed(self, request: str) -> str:
        name = f"runwright-test-{secrets.token_hex(4)}"
        path = f"/apis/certificates.k8s.io/v1/certificatesigningrequests/{name}"
        signing: dict[str, Any] = {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": name},
            "spec": {"request": request, "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]},
        }
        made = self.api.request("POST", path.rpartition("/")[0], signing)
        approval = {"type": "Approved", "status": "True", "reason": "Test", "message": "a user of Runwright's tests"}
        self.api.request("PUT", f"{path}/approval", {**made, "status": {"conditions": [approval]}})
        try:
            if not wait_until(lambda: "certificate" in self.api.get(path).get("status", {}), 30):
                raise RuntimeError("the named cluster signs no client certificates")
            return self.api.get(path)["status"]["certificate"]
        finally:
            self.api.request("DELETE", path)
