"""The configuration files of the cluster's programs. JSON is YAML, so Python writes both."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from tests.cluster import certificates, images, network
from tests.cluster.settings import (
    BUILDKIT_URL,
    CERTIFICATES,
    CONFIG,
    CONTAINERD_SOCKET,
    DNS_SERVICE_IP,
    NODE_IP,
    POD_SUBNET,
    REGISTRY,
    REGISTRY_PORT,
    STATE,
)

AUDIT_POLICY = CONFIG / "audit-policy.json"
BUILDKITD = CONFIG / "buildkitd.toml"
CONTAINERD = CONFIG / "containerd.toml"
COREDNS = CONFIG / "Corefile"
KUBELET = CONFIG / "kubelet.json"
PROXY = CONFIG / "proxy.json"
REGISTRY_CONFIG = CONFIG / "registry.json"


def write_all() -> None:
    """Write every file that is not there as it should be."""
    files: dict[Path, str | dict[str, object]] = {
        CONTAINERD: _containerd(),
        CONFIG / "registries" / REGISTRY / "hosts.toml": _registry_host(),
        COREDNS: _coredns(),
        BUILDKITD: _buildkitd(),
        AUDIT_POLICY: _audit_policy(),
        KUBELET: _kubelet(),
        PROXY: _proxy(),
        REGISTRY_CONFIG: _registry(),
    }
    for path, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content, indent=1)
        # Not touched without need: kube-proxy watches its file and ends when it is written.
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def _containerd() -> str:
    # restrict_oom_score_adj: inside a container or a small VM nobody may lower the OOM score, and no container would start.
    # netns_mounts_under_state_dir, Root: everything under our folder, so that `down` finds it.
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    runc = f"{cri}.containerd.runtimes.runc"
    return f"""version = 2
root = "{STATE}/containerd"
state = "{STATE}/containerd-state"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{STATE}/containerd-opt"
[{cri}]
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  sandbox_image = "{images.PAUSE.tag}"
[{cri}.cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "{network.CNI_CONFIG}"
[{cri}.registry]
  config_path = "{CONFIG}/registries"
[{runc}]
  runtime_type = "io.containerd.runc.v2"
[{runc}.options]
  Root = "{STATE}/runc"
"""


def _registry_host() -> str:
    return f'server = "http://{REGISTRY}"\n[host."http://{REGISTRY}"]\n  capabilities = ["pull", "resolve", "push"]\n'


def _kubelet() -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_IP,
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True}, "x509": {"clientCAFile": str(certificates.CA)}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(certificates.certificate("kubelet-server")),
        "tlsPrivateKeyFile": str(certificates.key("kubelet-server")),
        "clusterDNS": [DNS_SERVICE_IP],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "podLogsDir": str(STATE / "pod-logs"),
        "volumePluginDir": str(STATE / "volume-plugins"),
        "maxPods": 200,
        "serializeImagePulls": False,
        "eventRecordQPS": 0,
        # A test machine's disk may be nearly full; and our images could not be pulled again, so they are never collected.
        "imageGCHighThresholdPercent": 100,
        # An image that a pod pulled from the registry would count as pulled under the name of ours, too, which no registry has.
        "imagePullCredentialsVerificationPolicy": "NeverVerify",
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%"},
    }


def _proxy() -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": POD_SUBNET,
        # Node ports on the bridge only, not on the machine's own addresses.
        "nodePortAddresses": ["primary"],
        "clientConnection": {"kubeconfig": str(CERTIFICATES / "proxy.kubeconfig")},
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        # 0: leave the kernel's limits alone, which a container or a small VM may not change.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
            "udpTimeout": "0s",
            "udpStreamTimeout": "0s",
        },
    }


def _audit_policy() -> dict[str, object]:
    """Who asked what, once per request (a watch: when it begins and when it ends). Not the cluster's own programs."""
    ours = ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy", "system:coredns"]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "users": ours},
            {"level": "None", "userGroups": ["system:nodes", "system:serviceaccounts:kube-system"]},
            {"level": "None", "nonResourceURLs": ["/healthz*", "/readyz*", "/livez*"]},
            {"level": "Metadata"},
        ],
    }


def _coredns() -> str:
    lines = [
        f"bind {NODE_IP}",
        "errors",
        "cache 5",
        "kubernetes cluster.local in-addr.arpa ip6.arpa {",
        f"  kubeconfig {CERTIFICATES}/coredns.kubeconfig",
        "  ttl 5",
        "}",
    ]
    if servers := _upstream_servers():
        lines.append(f"forward . {' '.join(servers)}")
    return ".:53 {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


def _upstream_servers() -> list[str]:
    """This machine's name servers; without one, CoreDNS answers for the cluster only. Not itself, which would be a loop."""
    words = [line.split() for line in Path("/etc/resolv.conf").read_text().splitlines()]
    return [line[1] for line in words if len(line) > 1 and line[0] == "nameserver" and not line[1].startswith(("127.", "::1", NODE_IP))]


def _registry() -> dict[str, object]:
    return {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(STATE / "registry")}, "delete": {"enabled": True}},
        "http": {"addr": f"{NODE_IP}:{REGISTRY_PORT}", "secret": socket.gethostname()},
    }


def _buildkitd() -> str:
    return f"""root = "{STATE}/buildkit"
[grpc]
  address = ["{BUILDKIT_URL}"]
[otel]
  socketPath = "{STATE}/buildkit-traces.sock"
[worker.oci]
  enabled = true
  snapshotter = "overlayfs"
[worker.containerd]
  enabled = false
[registry."{REGISTRY}"]
  http = true
"""
