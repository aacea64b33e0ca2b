"""What a cluster could leave on the machine."""

from __future__ import annotations

from pathlib import Path

from tests.cluster import network, processes, teardown
from tests.cluster.settings import BRIDGE, STATE

# Folders that Kubernetes or containerd make, ours and their defaults.
_MAKES = (
    str(STATE),
    *("/var/log/containers", "/var/log/pods", "/var/lib/cni", "/var/lib/kubelet", "/var/lib/containerd", "/var/lib/buildkit"),
    *("/run/containerd", "/run/buildkit", "/var/run/netns", "/var/run/kubernetes", "/opt/containerd", "/opt/cni", "/etc/cni"),
    *("/usr/libexec/kubernetes", "/tmp/hostpath_pv"),
)


def traces() -> dict[str, object]:
    """Everything of a cluster that is on the machine: two of these can be compared."""
    interfaces = {path.name for path in Path("/sys/class/net").iterdir()}
    return {
        "processes": processes.mentioning(str(STATE)),
        "shims": processes.shims(),
        "mounts": [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()],
        "interfaces": {name for name in interfaces if name == BRIDGE or name.startswith("veth")},
        "rules": network.rules("iptables"),
        "rules of IPv6": network.rules("ip6tables"),
        "kernel settings": network.read_sysctls(),
        "control groups": teardown.control_groups(),
        "files": [path for path in _MAKES if Path(path).exists()],
    }
