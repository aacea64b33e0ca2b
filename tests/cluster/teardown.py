"""Removing the cluster without a trace: also one that was left half-built or whose processes were killed."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.cluster import network, processes
from tests.cluster.binaries import MODULES
from tests.cluster.components import ASK_ORDER, KILL_ORDER
from tests.cluster.settings import CONTAINERD_SOCKET, STATE

# Written by the kubelet outside every folder that it can be told.
_CONTAINER_LINKS = Path("/var/log/containers")
_DEVICE_SOCKET = Path("/var/lib/kubelet/device-plugins/kubelet.sock")
# Made, the innermost first, by containerd's shims and the kubelet, whatever they are told.
_OTHER_FOLDERS = (
    "/run/containerd/s",
    "/run/containerd/fifo",
    "/run/containerd",
    "/var/lib/kubelet/device-plugins",
    "/var/lib/kubelet",
)
_CGROUPS = Path("/sys/fs/cgroup")


def down() -> None:
    """Pods first, then processes, shims, mounts, network, control groups and files. Every step does nothing where nothing is left."""
    for name in KILL_ORDER:
        processes.stop(name, signal.SIGKILL)
    _remove_pods()
    for name in ASK_ORDER:
        processes.stop(name)
    processes.stop_shims()
    network.down()
    _remove_control_groups()
    _unmount()
    _remove_files()


def _remove_pods() -> None:
    """Through containerd, which so takes back the pods' networks and mounts. Where it does not work, the later steps do it by force."""
    containerd = processes.recorded().get("containerd")
    folder = MODULES["kube"].cached()
    if containerd is None or not containerd.alive or folder is None:
        return
    result = subprocess.run(
        [folder / "kube", "remove-pods", f"unix://{CONTAINERD_SOCKET}"], capture_output=True, text=True, check=False, timeout=90
    )
    if result.returncode:
        print(f"some pods could not be removed through containerd: {result.stderr.strip()}")


def mounts() -> list[Path]:
    """What is mounted at and under our folder, the innermost first (network namespaces are mounts too)."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    # mountinfo writes a space in a path as \040.
    ours = [Path(point.replace("\\040", " ")) for point in points if f"{point}/".startswith(f"{STATE}/")]
    return sorted(ours, key=lambda path: len(path.parts), reverse=True)


def _unmount() -> None:
    for point in mounts():
        subprocess.run(["umount", "--lazy", str(point)], check=False, capture_output=True)


def control_groups() -> list[Path]:
    """The kubelet's control groups, one tree per controller (v1) or one in all (v2), the innermost first."""
    trees = [*_CGROUPS.glob("kubepods"), *_CGROUPS.glob("*/kubepods")]
    groups = {group.resolve() for tree in trees for group in [tree, *(path for path in tree.rglob("*") if path.is_dir())]}
    return sorted(groups, key=lambda path: len(path.parts), reverse=True)


def _remove_control_groups() -> None:
    # A group is busy until the kernel has buried its last process.
    for _ in range(50):
        for group in control_groups():
            with contextlib.suppress(OSError):
                group.rmdir()
        if not control_groups():
            return
        time.sleep(0.1)


def _remove_files() -> None:
    if _CONTAINER_LINKS.is_dir():
        for link in _CONTAINER_LINKS.iterdir():
            if link.is_symlink() and str(link.readlink()).startswith(f"{STATE}/"):
                link.unlink()
        with contextlib.suppress(OSError):
            _CONTAINER_LINKS.rmdir()
    shutil.rmtree(STATE, ignore_errors=True)
    if not _somebody_listens(_DEVICE_SOCKET):
        _DEVICE_SOCKET.unlink(missing_ok=True)
    # A shim that was killed leaves its socket.
    for path in Path("/run/containerd/s").glob("*"):
        if not _somebody_listens(path):
            path.unlink()
    for folder in _OTHER_FOLDERS:
        with contextlib.suppress(OSError):  # somebody else uses it, or it was never there
            Path(folder).rmdir()


def _somebody_listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0
