"""An etcd and an API server beside the cluster's, with its certificates: what is done to them no other test sees. Objects are kept, nothing executes them."""

from __future__ import annotations

import json
import urllib.request
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from tests.cluster import components
from tests.cluster.binaries import binary
from tests.cluster.settings import API_PORT, API_URL, AUDIT_LOG, ETCD_PORT, KUBECONFIG
from tests.servers.processes import ProcessRef, free_port, start, wait_ready


class ControlPlane:
    """`with ControlPlane(folder) as plane:` starts both; `plane.kubeconfig` is the administrator's."""

    def __init__(self, folder: Path) -> None:
        """`folder`: for their files."""
        self._folder = folder
        self._processes: list[ProcessRef] = []
        self.kubeconfig = folder / "kubeconfig"
        self._etcd = ""

    def __enter__(self) -> ControlPlane:
        self._folder.mkdir(parents=True)
        client, peer, api = free_port(), free_port(), free_port()
        self._etcd = f"http://127.0.0.1:{client}"
        try:
            self._start_etcd(f"http://127.0.0.1:{peer}")
            self._start_api_server(api)
        except BaseException:
            self.__exit__()
            raise
        self.kubeconfig.write_text(KUBECONFIG.read_text().replace(API_URL, f"https://127.0.0.1:{api}"))
        self.kubeconfig.chmod(0o600)
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.stop(patience=3)

    def alarm(self, action: str) -> None:
        """`ACTIVATE` lets etcd say that it is full, as it does by itself when its quota is used up; `DEACTIVATE` takes that back."""
        self._ask(
            "maintenance/alarm",
            {"action": action, "memberID": self._ask("maintenance/status", {})["header"]["member_id"], "alarm": "NOSPACE"},
        )

    def names(self, kind: str) -> list[str]:
        """The names of all objects of a kind (`jobs`) that are kept."""
        prefix = f"/registry/{kind}/"
        ends = [b64encode(end.encode()).decode() for end in (prefix, prefix[:-1] + "0")]
        found = self._ask("kv/range", {"key": ends[0], "range_end": ends[1], "keys_only": True})
        return sorted(b64decode(pair["key"]).decode().rpartition("/")[2] for pair in found.get("kvs", []))

    def _ask(self, what: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(f"{self._etcd}/v3/{what}", json.dumps(body).encode())
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return json.load(answer)

    def _start_etcd(self, peer: str) -> None:
        command: list[str | Path] = [
            binary("kube"), "etcd", f"--data-dir={self._folder}/etcd", f"--listen-client-urls={self._etcd}", f"--advertise-client-urls={self._etcd}",
            f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}", "--unsafe-no-fsync",
        ]  # fmt: skip
        self._run("etcd", command, f"{self._etcd}/health")

    def _start_api_server(self, port: int) -> None:
        """The cluster's own, but for where it is and what it keeps."""
        server, changed = components.api_server(), {}
        changed[f"--etcd-servers=http://127.0.0.1:{ETCD_PORT}"] = f"--etcd-servers={self._etcd}"
        changed[f"--secure-port={API_PORT}"] = f"--secure-port={port}"
        changed[f"--audit-log-path={AUDIT_LOG}"] = f"--audit-log-path={self._folder}/audit.log"
        self._run("kube-apiserver", [changed.get(str(word), word) for word in server.command], f"https://127.0.0.1:{port}/readyz")

    def _run(self, name: str, command: list[str | Path], health: str) -> None:
        log = self._folder / f"{name}.log"
        process = start(command, log)
        self._processes.append(process)
        wait_ready(name, process, lambda: components.says_ok(health, admin=True), log, 60)
