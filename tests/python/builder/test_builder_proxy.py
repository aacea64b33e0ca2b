"""Registries behind a proxy, and images whose system knows no certificate authority."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from builder_lab import RealRegistry, python_base
from front import Front

from runwright.execute.builder import transport

Make = Callable[..., dict[str, Any]]


class Proxy:
    """Passes on whole URLs, and connections that CONNECT asks for, to whoever shows its password. The names that it is asked for do not exist."""

    def __init__(self, leads_to: str) -> None:
        self.leads_to = leads_to
        self.asked: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://ada:s3cr%40t@127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (data := client.recv(65536)):
            head += data
        line, _, rest = head.partition(b"\r\n")
        self.asked.append(line.decode())
        login = b"Basic " + base64.b64encode(b"ada:s3cr@t")
        if b"Proxy-Authorization: " + login not in head:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            client.close()
            return
        host, _, port = self.leads_to.partition(":")
        server = socket.create_connection((host, int(port)))
        if line.startswith(b"CONNECT"):
            client.sendall(b"HTTP/1.1 200 yes\r\n\r\n")
        else:
            method, url, version = line.split(b" ")
            server.sendall(b" ".join([method, b"/" + url.split(b"/", 3)[3], version]) + b"\r\n" + rest)
        threading.Thread(target=self._relay, args=(server, client), daemon=True).start()
        self._relay(client, server)

    def _relay(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxied(registry: RealRegistry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Proxy]]:
    """Sets a proxy for a scheme."""
    made: list[Proxy] = []
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def proxied(scheme: str, leads_to: str) -> Proxy:
        made.append(Proxy(leads_to))
        monkeypatch.setenv(f"{scheme}_proxy", made[-1].url)
        return made[-1]

    yield proxied
    for proxy in made:
        proxy.listener.close()


def test_plain_http_by_way_of_a_proxy(
    registry: RealRegistry, repository: str, proxied: Callable[..., Proxy], make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.push(f"{repository}:1", python_base())
    proxy = proxied("http", registry.host)
    name = "registry.invalid:5000"
    assert make(base=f"{name}/{repository}:1", target=f"oci:{tmp_path}/out", insecure=[name])["cached"] is False
    assert f"GET http://{name}/v2/{repository}/manifests/1 HTTP/1.1" in proxy.asked
    # Hosts that are left out are asked directly.
    count = len(proxy.asked)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    make(base=f"{registry.host}/{repository}:1", target=f"oci:{tmp_path}/other")
    assert len(proxy.asked) == count


def test_https_through_a_proxy(registry: RealRegistry, repository: str, proxied: Callable[..., Proxy], make: Make, tmp_path: Path) -> None:
    registry.push(f"{repository}:1", python_base())
    front = Front(registry.host)
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=registry.invalid", "-addext", "subjectAltName=DNS:registry.invalid"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", key, "-out", certificate, *subject]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    front.server.socket = context.wrap_socket(front.server.socket, server_side=True)
    proxy = proxied("https", front.host)
    try:
        base = f"registry.invalid/{repository}:1"
        assert make(base=base, target=f"oci:{tmp_path}/out", certificates=str(certificate))["cached"] is False
    finally:
        front.stop()
    assert proxy.asked
    assert all(line.startswith("CONNECT registry.invalid:443 ") for line in proxy.asked)


def test_a_system_without_authorities_has_those_of_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    paths = ssl.get_default_verify_paths()
    nothing = paths._replace(cafile=None, capath=str(tmp_path / "none"))
    monkeypatch.setattr(transport.ssl, "get_default_verify_paths", lambda: nothing)
    found = transport._authorities()
    assert found is not None
    assert Path(found).name == "cacert.pem"
    monkeypatch.setattr(transport.ssl, "get_default_verify_paths", lambda: nothing._replace(cafile=found))
    assert transport._authorities() is None
