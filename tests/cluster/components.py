"""The cluster's programs with their arguments, in the order in which they start, and how each shows that it works."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import urllib.error
import urllib.request

from tests.cluster import certificates, configuration
from tests.cluster.binaries import binary
from tests.cluster.processes import Component
from tests.cluster.settings import (
    API_PORT,
    API_URL,
    AUDIT_LOG,
    BUILDKIT_PORT,
    CERTIFICATES,
    CONTAINERD_SOCKET,
    ETCD_PORT,
    NODE,
    NODE_IP,
    POD_SUBNET,
    REGISTRY,
    SERVICE_SUBNET,
    STATE,
)
from tests.servers.processes import answers

_CA = certificates.CA


def base() -> list[Component]:
    """What needs nothing else: they start together."""
    kube = binary("kube")
    etcd_url = f"http://127.0.0.1:{ETCD_PORT}"
    return [
        Component(
            "etcd",
            [
                kube, "etcd", f"--data-dir={STATE}/etcd", f"--listen-client-urls={etcd_url}", f"--advertise-client-urls={etcd_url}",
                "--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
                "--initial-cluster=default=http://127.0.0.1:2380",
                # Nothing here has to survive a power cut, so nothing waits for the disk.
                "--unsafe-no-fsync",
            ],
            lambda: says_ok(f"{etcd_url}/health"),
        ),
        Component("containerd", ["containerd", "--config", configuration.CONTAINERD], _containerd_answers),
        Component(
            "registry",
            [binary("registry"), "serve", configuration.REGISTRY_CONFIG],
            lambda: says_ok(f"http://{REGISTRY}/v2/"),
            # Else it looks for a collector of traces on this machine, for ever.
            {"OTEL_TRACES_EXPORTER": "none"},
        ),
        Component(
            "buildkitd",
            [binary("buildkitd"), "--config", configuration.BUILDKITD],
            lambda: answers(BUILDKIT_PORT, NODE_IP),
        ),
    ]  # fmt: skip


def api_server() -> Component:
    """The API server: what comes after it talks to it."""
    return Component(
        "kube-apiserver",
        [
            binary("kube"), "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{ETCD_PORT}", f"--advertise-address={NODE_IP}",
            f"--secure-port={API_PORT}", f"--service-cluster-ip-range={SERVICE_SUBNET}", "--authorization-mode=Node,RBAC",
            f"--client-ca-file={_CA}", *_serving("apiserver"), "--enable-admission-plugins=NodeRestriction",
            f"--kubelet-certificate-authority={_CA}", "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-client-certificate={certificates.certificate('apiserver-to-kubelet')}",
            f"--kubelet-client-key={certificates.key('apiserver-to-kubelet')}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={certificates.SERVICE_ACCOUNT_KEY}",
            f"--service-account-key-file={certificates.SERVICE_ACCOUNT_PUBLIC_KEY}",
            # Blocking: an answered request is already in the log, so that tests can count right away. One file, not rotated.
            f"--audit-policy-file={configuration.AUDIT_POLICY}", f"--audit-log-path={AUDIT_LOG}", "--audit-log-mode=blocking",
            "--audit-log-maxsize=10000",
        ],
        lambda: says_ok(f"{API_URL}/readyz", admin=True),
    )  # fmt: skip


def the_rest() -> list[Component]:
    """What makes a cluster of an API server."""
    kube = binary("kube")
    # The default rates are for shared clusters: they would be what a benchmark measures.
    rates = ["--kube-api-qps=500", "--kube-api-burst=1000"]
    return [
        Component(
            "kube-controller-manager",
            [
                kube, "kube-controller-manager", *_kubeconfig("controller-manager"), *rates, "--leader-elect=false",
                "--use-service-account-credentials", f"--root-ca-file={_CA}",
                f"--service-account-private-key-file={certificates.SERVICE_ACCOUNT_KEY}",
                f"--cluster-signing-cert-file={_CA}", f"--cluster-signing-key-file={certificates.CA_KEY}",
                f"--cluster-cidr={POD_SUBNET}", f"--flex-volume-plugin-dir={STATE}/volume-plugins",
                "--bind-address=127.0.0.1", f"--cert-dir={CERTIFICATES}",
            ],
            lambda: says_ok("https://127.0.0.1:10257/healthz"),
        ),
        Component(
            "kube-scheduler",
            [
                kube, "kube-scheduler", *_kubeconfig("scheduler"), *rates, "--leader-elect=false", "--bind-address=127.0.0.1",
                f"--cert-dir={CERTIFICATES}",
            ],
            lambda: says_ok("https://127.0.0.1:10259/healthz"),
        ),
        Component(
            "kubelet",
            [
                kube, "kubelet", f"--config={configuration.KUBELET}", f"--kubeconfig={CERTIFICATES}/kubelet.kubeconfig",
                f"--root-dir={STATE}/kubelet", f"--hostname-override={NODE}", f"--node-ip={NODE_IP}", f"--cert-dir={CERTIFICATES}",
            ],
            lambda: says_ok("http://127.0.0.1:10248/healthz"),
        ),
        Component(
            "kube-proxy",
            [kube, "kube-proxy", f"--config={configuration.PROXY}", f"--hostname-override={NODE}"],
            lambda: says_ok("http://127.0.0.1:10256/healthz"),
        ),
        Component("coredns", [binary("coredns"), "-conf", configuration.COREDNS], lambda: answers(53, NODE_IP)),
    ]  # fmt: skip


# The order in which they are killed, those that would start something anew first. They are not asked: nothing that they keep
# is needed any more, and the API server would wait for its watchers. containerd and buildkitd have children to end and are asked.
KILL_ORDER = ["kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns", "kube-apiserver", "etcd", "registry"]
ASK_ORDER = ["buildkitd", "containerd"]


def _kubeconfig(name: str) -> list[str]:
    path = CERTIFICATES / f"{name}.kubeconfig"
    return [f"--kubeconfig={path}", f"--authentication-kubeconfig={path}", f"--authorization-kubeconfig={path}"]


def _serving(name: str) -> list[str]:
    return [f"--tls-cert-file={certificates.certificate(name)}", f"--tls-private-key-file={certificates.key(name)}"]


def says_ok(url: str, *, admin: bool = False) -> bool:
    """Whether a health check answers 200."""
    context: ssl.SSLContext | None = None
    if url.startswith("https:"):
        context = ssl.create_default_context(cafile=str(_CA))
        if admin:
            context.load_cert_chain(certificates.certificate("admin"), certificates.key("admin"))
        else:
            # The controller manager and the scheduler make serving certificates of their own.
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
    try:
        # No proxy between us and this machine, whatever the environment says.
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)]
        with urllib.request.build_opener(*handlers).open(url, timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, http.client.HTTPException, OSError):
        return False


def _containerd_answers() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(CONTAINERD_SOCKET))
        return True
    return False
