"""The cluster's certificate authority and certificates, made by openssl."""

from __future__ import annotations

import base64
import json
import subprocess
import tempfile
from pathlib import Path

from tests.cluster.settings import API_URL, CERTIFICATES, FIRST_SERVICE_IP, KUBECONFIG, NODE, NODE_IP

CA = CERTIFICATES / "ca.crt"
CA_KEY = CERTIFICATES / "ca.key"
SERVICE_ACCOUNT_KEY = CERTIFICATES / "service-account.key"
SERVICE_ACCOUNT_PUBLIC_KEY = CERTIFICATES / "service-account.pub"

# Who holds a client certificate: the user's name, and the groups.
CLIENTS = {
    "admin": ("admin", ["system:masters"]),
    "kubelet": (f"system:node:{NODE}", ["system:nodes"]),
    "controller-manager": ("system:kube-controller-manager", []),
    "scheduler": ("system:kube-scheduler", []),
    "proxy": ("system:kube-proxy", []),
    "coredns": ("system:coredns", []),
    "apiserver-to-kubelet": ("kube-apiserver-kubelet-client", ["system:masters"]),
}
SERVERS = {
    "apiserver": [
        "IP:127.0.0.1",
        f"IP:{NODE_IP}",
        f"IP:{FIRST_SERVICE_IP}",
        "DNS:localhost",
        *(f"DNS:kubernetes{rest}" for rest in ("", ".default", ".default.svc", ".default.svc.cluster.local")),
    ],
    "kubelet-server": [f"IP:{NODE_IP}", f"DNS:{NODE}"],
}


def certificate(name: str) -> Path:
    """Where a certificate is."""
    return CERTIFICATES / f"{name}.crt"


def key(name: str) -> Path:
    """Where its private key is."""
    return CERTIFICATES / f"{name}.key"


def make_all() -> None:
    """Make what is missing, with a kubeconfig for every client."""
    CERTIFICATES.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not CA.exists():
        _make_authority()
    if not SERVICE_ACCOUNT_PUBLIC_KEY.exists():
        new_key(SERVICE_ACCOUNT_KEY)
        openssl("pkey", "-in", SERVICE_ACCOUNT_KEY, "-pubout", "-out", SERVICE_ACCOUNT_PUBLIC_KEY)
    for name, alternatives in SERVERS.items():
        if not certificate(name).exists():
            _issue(name, f"/CN={name}", ["extendedKeyUsage=serverAuth", f"subjectAltName={','.join(alternatives)}"])
    for name, (user, groups) in CLIENTS.items():
        make_client(name, user, groups, CERTIFICATES / f"{name}.kubeconfig")
    if not KUBECONFIG.exists():
        KUBECONFIG.write_bytes((CERTIFICATES / "admin.kubeconfig").read_bytes())
        KUBECONFIG.chmod(0o600)


def make_client(name: str, user: str, groups: list[str], kubeconfig: Path) -> None:
    """A client certificate for a user, and a kubeconfig that uses it."""
    if not certificate(name).exists():
        subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
        _issue(name, subject, ["extendedKeyUsage=clientAuth"])
    if not kubeconfig.exists():
        kubeconfig.write_text(json.dumps(_kubeconfig(name, user), indent=1))
        kubeconfig.chmod(0o600)


def _make_authority() -> None:
    new_key(CA_KEY)
    # Without keyUsage Python 3.13, in a pod that calls the API server, refuses the authority.
    extensions = [
        "basicConstraints=critical,CA:TRUE",
        "keyUsage=critical,keyCertSign,cRLSign,digitalSignature",
        "subjectKeyIdentifier=hash",
    ]
    arguments = [part for extension in extensions for part in ("-addext", extension)]
    openssl("req", "-x509", "-new", "-key", CA_KEY, "-subj", "/CN=runwright-cluster", "-days", "3650", *arguments, "-out", CA)


def _issue(name: str, subject: str, extensions: list[str]) -> None:
    new_key(key(name))
    lines = ["basicConstraints=CA:FALSE", "keyUsage=critical,digitalSignature", "authorityKeyIdentifier=keyid", *extensions]
    with tempfile.TemporaryDirectory() as scratch:
        request, extension_file = Path(scratch, "request"), Path(scratch, "extensions")
        extension_file.write_text("\n".join(lines))
        openssl("req", "-new", "-key", key(name), "-subj", subject, "-out", request)
        openssl(
            "x509", "-req", "-in", request, "-CA", CA, "-CAkey", CA_KEY, "-CAcreateserial", "-days", "3650",
            "-extfile", extension_file, "-out", certificate(name),
        )  # fmt: skip


def new_key(path: Path) -> None:
    """Make a private key."""
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
    path.chmod(0o600)


def openssl(*arguments: str | Path) -> None:
    """Run openssl."""
    result = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"openssl {arguments[0]} failed: {result.stderr}")


def _kubeconfig(name: str, user: str) -> dict[str, object]:
    """JSON is YAML. Everything is inside, so that the file can be copied anywhere on this machine."""

    def inline(path: Path) -> str:
        return base64.b64encode(path.read_bytes()).decode()

    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "runwright", "cluster": {"server": API_URL, "certificate-authority-data": inline(CA)}}],
        "users": [
            {"name": user, "user": {"client-certificate-data": inline(certificate(name)), "client-key-data": inline(key(name))}},
        ],
        "contexts": [{"name": "runwright", "context": {"cluster": "runwright", "user": user, "namespace": "default"}}],
        "current-context": "runwright",
    }
