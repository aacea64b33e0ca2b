"""Where the cluster lives: folders, addresses, ports and names. Nothing here does anything."""

from __future__ import annotations

import os
import platform
from pathlib import Path

HERE = Path(__file__).parent

# Everything of a running cluster is under this folder, so that `down` can remove it whole.
STATE = Path(os.environ.get("RUNWRIGHT_CLUSTER_DIR") or "/var/lib/runwright-cluster")
LOGS = STATE / "logs"
CONFIG = STATE / "config"
CERTIFICATES = STATE / "certificates"
KUBECONFIG = STATE / "kubeconfig"
AUDIT_LOG = LOGS / "audit.log"
CONTAINERD_SOCKET = STATE / "containerd.sock"

KUBERNETES_VERSION = "1.35.4"
NODE = "runwright"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())

# The node is the bridge's own address: pods, and nobody outside this machine, reach it.
BRIDGE = "runwright0"
NODE_IP = "10.244.0.1"
POD_SUBNET = "10.244.0.0/24"
SERVICE_SUBNET = "10.96.0.0/16"
FIRST_SERVICE_IP = "10.96.0.1"
DNS_SERVICE_IP = "10.96.0.10"

# Clients on this machine (tests, benchmarks) go to loopback.
API_PORT = 6443
API_URL = f"https://127.0.0.1:{API_PORT}"
ETCD_PORT = 2379
REGISTRY_PORT = 5000
REGISTRY = f"{NODE_IP}:{REGISTRY_PORT}"
BUILDKIT_PORT = 1234
BUILDKIT_URL = f"tcp://{NODE_IP}:{BUILDKIT_PORT}"

# Images that are made on the spot and imported into containerd have names under this host, which does not exist:
# a pod that asks for one that was not imported fails instead of being fetched from somewhere.
IMAGE_HOST = "runwright.test"
