"""What the cluster takes from Debian."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

# Each package by a file that proves it is there.
PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "conntrack": "conntrack",
    "iptables": "iptables",
    "ipset": "ipset",
    "iproute2": "ip",
    "socat": "socat",
    "openssl": "openssl",
    "busybox-static": "/bin/busybox",
    "debootstrap": "debootstrap",
    "debian-archive-keyring": "/usr/share/keyrings/debian-archive-keyring.gpg",
}


def missing() -> list[str]:
    """Packages that have to be installed."""
    # A user's PATH may lack the folders of administrators' tools.
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [name for name, proof in PACKAGES.items() if not (Path(proof).exists() or shutil.which(proof, path=path))]


def install() -> None:
    """Install what is missing. Debian's containerd may start by itself where there is an init system; ours is another one."""
    names = missing()
    if not names:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", *names]):
        result = subprocess.run(["apt-get", *arguments], env=environment, capture_output=True, text=True, check=False)
        if result.returncode:
            raise RuntimeError(f"apt-get {' '.join(arguments)} failed:\n{result.stdout[-2000:]}{result.stderr}")
