"""The cluster as tests and the command line see it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.cluster import binaries, certificates, components, configuration, images, network, packages, processes, teardown, volumes
from tests.cluster.processes import Component
from tests.cluster.settings import AUDIT_LOG, BUILDKIT_URL, CERTIFICATES, HERE, KUBECONFIG, LOGS, NODE, REGISTRY, STATE
from tests.servers.gobuild import cache_folder
from tests.servers.processes import wait_until

_BOOT = STATE / "boot-id"


class Cluster:
    """There is one per machine. `up()` makes it work, whatever state it is in; `down()` removes it whole."""

    kubeconfig = KUBECONFIG
    audit_log = AUDIT_LOG
    registry = REGISTRY
    buildkit = BUILDKIT_URL
    node = NODE

    def up(self, *, report: bool = False) -> None:
        """Build what is not in the cache, start what does not run, and wait until pods can run. `report` prints each step's time."""
        began = time.monotonic()

        def step(what: str) -> None:
            if report:
                print(f"{time.monotonic() - began:6.1f} s  {what}", flush=True)

        with _lock():
            packages.install()
            step("packages are installed")
            self._build()
            step("binaries and images are built")
            self._remove_remains_of_another_boot()
            self._mount_state()
            _BOOT.write_text(_boot_id())
            certificates.make_all()
            configuration.write_all()
            network.up()
            self._start(step)
            self._settle()
            step("the cluster is ready")

    def down(self) -> None:
        """Remove everything but the cache of binaries and images."""
        with _lock():
            teardown.down()

    @property
    def running(self) -> bool:
        """Whether every program of the cluster runs."""
        known = processes.recorded()
        return set(known) == {*components.KILL_ORDER, *components.ASK_ORDER} and all(reference.alive for reference in known.values())

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True, kubeconfig: Path = KUBECONFIG) -> str:
        """Run kubectl; what it printed."""
        command = [str(binaries.binary("kube")), "kubectl", f"--kubeconfig={kubeconfig}", *arguments]
        result = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if check and result.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)} failed: {result.stderr.strip()}")
        return result.stdout

    def kubeconfig_of(self, user: str, *groups: str) -> Path:
        """A kubeconfig for a user who has no rights but those that RBAC gives to the name or the groups."""
        path = CERTIFICATES / f"user-{user}.kubeconfig"
        certificates.make_client(f"user-{user}", user, list(groups), path)
        return path

    def push(self, image: str) -> str:
        """Put one of the images (`python:3.11`) into the local registry; the name to pull it by."""
        return images.push(image)

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        """The API server's audit log from a position (`audit_log.stat().st_size` taken earlier): one entry per request."""
        with AUDIT_LOG.open("rb") as log:
            log.seek(since)
            return [json.loads(line) for line in log]

    def _build(self) -> None:
        # debootstrap mostly waits for packages, the compiler for the processor: side by side.
        with ThreadPoolExecutor(2) as pool:
            for work in [pool.submit(binaries.build_all), pool.submit(images.build_all)]:
                work.result()

    def _remove_remains_of_another_boot(self) -> None:
        """A machine that was restarted has our files, but none of our processes, mounts and network."""
        if STATE.exists() and (not _BOOT.exists() or _BOOT.read_text() != _boot_id()):
            teardown.down()

    def _mount_state(self) -> None:
        """Everything of the cluster lives in memory (about 1 GB): images unpack, and go away, without waiting for a busy disk."""
        STATE.mkdir(parents=True, exist_ok=True)
        if not STATE.is_mount():
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "runwright-cluster", str(STATE)], check=True)

    def _start(self, step: Callable[[str], None]) -> None:
        base = components.base()
        for component in base:
            processes.launch(component)
        for component in base:
            processes.wait(component)
        step(f"{_names(base)} work")
        with ThreadPoolExecutor(1) as pool:
            # Unpacking the images takes as long as starting the API server.
            imported = pool.submit(images.import_all)
            server = components.api_server()
            processes.launch(server)
            processes.wait(server)
            step("the API server works")
            self.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(HERE / "bootstrap.yaml"))
            self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=volumes.objects())
            rest = components.the_rest()
            for component in rest:
                processes.launch(component)
            imported.result()
            step("the images are imported")
            for component in rest:
                processes.wait(component)
            step(f"{_names(rest)} work")

    def _settle(self) -> None:
        """Until a test's first pod would be accepted and started."""
        if not wait_until(self._accepts_pods, 60, every=0.2):
            raise RuntimeError(f"the node is not ready or namespaces get no service account; see {LOGS}")

    def _accepts_pods(self) -> bool:
        ready = "-o=jsonpath={.status.conditions[?(@.type=='Ready')].status}"
        return (
            self.kubectl("get", "node", NODE, ready, check=False) == "True"
            and self.kubectl("get", "serviceaccount", "default", "-o=name", check=False) != ""
        )


def _names(of: list[Component]) -> str:
    return ", ".join(component.name for component in of)


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    """Two test runs that start at once bring up one cluster."""
    file = cache_folder() / "cluster.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
