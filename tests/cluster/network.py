"""The bridge that pods and node share, the kernel's settings, and taking back what Kubernetes leaves in iptables."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
from pathlib import Path

from tests.cluster.settings import BRIDGE, CONFIG, NODE_IP, POD_SUBNET, STATE

CNI_CONFIG = CONFIG / "cni"
# libcni keeps its results here and cannot be told otherwise.
CNI_RESULTS = Path("/var/lib/cni/results")
NETWORK = "runwright"

# What Kubernetes' programs (and we) set in the kernel, to be put back by `down`.
_SYSCTLS = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/route_localnet",
    "net/bridge/bridge-nf-call-iptables",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
_SAVED = STATE / "sysctl.json"


def read_sysctls() -> dict[str, str]:
    """The kernel's settings that a cluster changes."""
    paths = {name: Path("/proc/sys", name) for name in _SYSCTLS}
    return {name: path.read_text().strip() for name, path in paths.items() if path.exists()}


def up() -> None:
    """Make the bridge and write the pods' network configuration."""
    if not _SAVED.exists():
        _SAVED.write_text(json.dumps(read_sysctls()))
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    if not Path("/sys/class/net", BRIDGE).exists():
        # A fixed hardware address: otherwise the bridge takes that of whichever pod came last, and neighbours have to learn it again.
        _ip("link", "add", BRIDGE, "address", "0a:58:0a:f4:00:01", "type", "bridge")
        _ip("address", "add", f"{NODE_IP}/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
    CNI_CONFIG.mkdir(parents=True, exist_ok=True)
    (CNI_CONFIG / "10-runwright.conflist").write_text(json.dumps(_cni_configuration(), indent=1))


def _cni_configuration() -> dict[str, object]:
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": POD_SUBNET, "rangeStart": "10.244.0.10"}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(STATE / "addresses"),
    }
    bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "ipMasq": True, "hairpinMode": True, "ipam": addresses}
    return {
        "cniVersion": "0.4.0",
        "name": NETWORK,
        "plugins": [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}],
    }


def down() -> None:
    """Remove the bridge, every rule of Kubernetes and CNI, and what CNI keeps outside our folder; put the kernel's settings back."""
    if Path("/sys/class/net", BRIDGE).exists():
        _ip("link", "delete", BRIDGE)
    for family in ("iptables", "ip6tables"):
        _remove_rules(family)
    # NETWORK-CONTAINER-eth0 is ours, and so is the same container's loopback.
    for ours in list(CNI_RESULTS.glob(f"{NETWORK}-*")):
        for result in CNI_RESULTS.glob(f"*-{ours.name.split('-')[1]}-*"):
            result.unlink()
    for folder in (CNI_RESULTS, CNI_RESULTS.parent):
        with contextlib.suppress(OSError):  # somebody else uses it, or it was never there
            folder.rmdir()
    if _SAVED.exists():
        for name, value in json.loads(_SAVED.read_text()).items():
            Path("/proc/sys", name).write_text(value)


# A chain made by kube-proxy, the kubelet or CNI's plugins, wherever it stands in a line of iptables-save.
_OURS = re.compile(r"(?:^:|-A |-[jg] )(?:KUBE-|CNI-)")


def rules(family: str = "iptables") -> list[str]:
    """Every chain and rule there is, without counters and empty built-in chains: two listings can be compared."""
    saved = subprocess.run([f"{family}-save"], capture_output=True, text=True, check=False).stdout.splitlines()
    return [line for line in saved if line.startswith("-A") or re.match(r":\S+ -", line)]


def _remove_rules(family: str) -> None:
    if shutil.which(f"{family}-save") is None:
        return
    saved = subprocess.run([f"{family}-save"], capture_output=True, text=True, check=False).stdout
    if not _OURS.search(saved):
        return
    # Restoring all the others replaces each table at once; deleting chain by chain would have to follow their references.
    kept = "\n".join(line for line in saved.splitlines() if not _OURS.search(line))
    subprocess.run([f"{family}-restore"], input=kept + "\n", text=True, check=True, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
