"""The cluster as tests and the command line see it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.cluster import binaries, certificates, components, configuration, images, network, packages, processes, teardown, volumes
from tests.cluster.api import Api
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
    # What was on the machine before, where these tests started it.
    before: dict[str, object] | None = None

    def up(self, *, report: bool = False) -> None:
        """Build what is not in the cache, start what does not run, and wait until pods can run. `report` prints each step's time."""
        step = _steps(report)
        with _lock():
            self._build(step)
            self._remove_remains_of_another_boot()
            self._mount_state()
            _BOOT.write_text(_boot_id())
            certificates.make_all()
            configuration.write_all()
            network.up()
            self._start(step)
            self._settle()
            step("the cluster is ready")

    def build(self, *, report: bool = False) -> None:
        """Build what is not in the cache, and start nothing."""
        with _lock():
            self._build(_steps(report))

    def down(self) -> None:
        """Remove everything but the cache of binaries and images."""
        self.forget()
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

    @cached_property
    def api(self) -> Api:
        """The API server, as the administrator."""
        return Api([binaries.binary("kube"), "kubectl", f"--kubeconfig={KUBECONFIG}"])

    def forget(self) -> None:
        """End what only this process needs."""
        if "api" in self.__dict__:
            self.api.close()
            del self.api

    def stop(self, name: str) -> None:
        """Kill one of the programs (`kube-apiserver`), as a crash would."""
        processes.stop(name, signal.SIGKILL)

    def start(self, name: str) -> None:
        """Start it again; it works when this returns."""
        component = next(each for each in [*components.base(), components.api_server(), *components.the_rest()] if each.name == name)
        processes.launch(component)
        processes.wait(component)

    @contextlib.contextmanager
    def without(self, name: str) -> Iterator[None]:
        """One of the programs is down for as long as this lasts."""
        self.stop(name)
        try:
            yield
        finally:
            self.start(name)

    def image(self, name: str) -> str:
        """What a pod's `image` says for one of the images (`python:3.11`)."""
        return images.provide(name)

    def push(self, image: str) -> str:
        """Put one of the images (`python:3.11`) into the local registry; the name to pull it by."""
        return images.push(image)

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        """The API server's audit log from a position (`audit_log.stat().st_size` taken earlier): one entry per request."""
        with AUDIT_LOG.open("rb") as log:
            log.seek(since)
            # A line that is just being written is not a request yet that anyone got an answer to.
            return [json.loads(line) for line in log if line.endswith(b"\n")]

    def _build(self, step: Callable[[str], None]) -> None:
        packages.install()
        step("packages are installed")
        # debootstrap mostly waits for packages, the compiler for the processor: side by side.
        with ThreadPoolExecutor(2) as pool:
            for work in [pool.submit(binaries.build_all), pool.submit(images.build_all)]:
                work.result()
        step("binaries and images are built")

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


def _steps(report: bool) -> Callable[[str], None]:
    began = time.monotonic()

    def step(what: str) -> None:
        if report:
            print(f"{time.monotonic() - began:6.1f} s  {what}", flush=True)

    return step


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
