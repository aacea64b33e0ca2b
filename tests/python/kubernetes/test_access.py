"""Ways to a cluster: contexts, several at once, programs that give credentials, proxies, a pod's own account; and what is said where there is none."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import runwright as rw
from runwright import _engine
from runwright.exceptions import InvalidError, RunwrightError
from tests.cluster import certificates
from tests.cluster.cluster import Cluster
from tests.cluster.faultproxy import FaultProxy
from tests.cluster.kube import USER, Kube, delete_namespace, new_namespace
from tests.servers.processes import wait_until


@rw.function
def square(x: int, seconds: float = 0.0) -> int:
    """The square, after a while."""
    import time

    time.sleep(seconds)
    return x * x


Change = Callable[..., Path]


@pytest.fixture
def kubeconfig(home: Path, kube: Kube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Change:
    """Another kubeconfig: that of the test, with changes to its cluster and another user."""

    def change(user: dict[str, Any] | None = None, **cluster: Any) -> Path:
        configuration = json.loads(kube.kubeconfig.read_text())
        configuration["clusters"][0]["cluster"].update(cluster)
        if user is not None:
            configuration["users"][0]["user"] = user
        path = tmp_path / "kubeconfig-changed"
        path.write_text(json.dumps(configuration))
        monkeypatch.setenv("KUBECONFIG", str(path))
        return path

    return change


@pytest.fixture
def token(kube: Kube) -> Callable[..., str]:
    """Makes tokens of a service account that has the rights of the test's user; each may be bound to a Secret, without which it is none."""
    kube.kubectl("create", "serviceaccount", "client")
    kube.kubectl("create", "rolebinding", "client", "--role=runwright", f"--serviceaccount={kube.namespace}:client")

    def make(secret: str | None = None) -> str:
        if secret is None:
            return kube.kubectl("create", "token", "client").strip()
        kube.kubectl("create", "secret", "generic", secret)
        return kube.kubectl("create", "token", "client", "--bound-object-kind=Secret", f"--bound-object-name={secret}").strip()

    return make


def is_accepted(token: str) -> bool:
    """Whether the API server knows whose it is."""
    request = urllib.request.Request("https://127.0.0.1:6443/version", headers={"Authorization": f"Bearer {token}"})
    try:
        context = ssl.create_default_context(cafile=str(certificates.CA))
        with urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)).open(request):
            return True
    except urllib.error.HTTPError as error:
        assert error.code == 401
        return False


class Tunnels:
    """An HTTP proxy that only connects. `asked` has the heads of the requests that came."""

    def __init__(self) -> None:
        """Listen."""
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Tunnels:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        self.asked.append(head.decode())
        host, _, port = head.split()[1].decode().rpartition(":")
        with client, contextlib.suppress(OSError), socket.create_connection((host, int(port))) as server:
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_pass, args=(server, client), daemon=True)
            back.start()
            _pass(client, server)
            back.join()


def _pass(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def tunnels() -> Iterator[Tunnels]:
    """A proxy."""
    with Tunnels() as tunnels:
        yield tunnels


def test_two_clusters_in_one_process(kubeconfig: Change, kube: Kube, local_cluster: Cluster) -> None:
    """Each run knows its context; runs of both go on at the same time."""
    path, other = kubeconfig(), new_namespace(local_cluster)
    try:
        second = Kube(local_cluster, other, path.with_name("kubeconfig-second"))
        configuration, more = json.loads(path.read_text()), json.loads(second.kubeconfig.read_text())
        with FaultProxy() as proxy:
            # The same API server, as another cluster.
            more["clusters"][0] |= {"name": "second"}
            more["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{proxy.port}"
            more["contexts"][0] |= {"name": "second", "context": {"cluster": "second", "user": USER, "namespace": other}}
            for part in ("clusters", "contexts"):
                configuration[part].extend(more[part])
            path.write_text(json.dumps(configuration))
            rw.use("kubernetes")
            runs = [square.run(x=number, on=on) for number, on in enumerate(("kubernetes", "kubernetes:second/", "kubernetes:second/"))]
            assert [run.wait(60).result() for run in runs] == [0, 1, 4]
            assert (len(kube.get("jobs")), len(second.get("jobs"))) == (1, 2)
            assert len(proxy.seen) > 2
            with pytest.raises(InvalidError, match='no context "secnd".*did you mean') as caught:
                square.run(x=1, on="kubernetes:secnd/")
            assert "second" in str(caught.value.cure)
            assert "test" in str(caught.value.cure)
    finally:
        delete_namespace(local_cluster, other)


def plugin(folder: Path, token: str, seconds: float | None) -> tuple[Path, dict[str, Any]]:
    """A program that gives a token which expires after some seconds, as it says, or does not say; and the user of a kubeconfig that asks it."""
    program, given = folder / "plugin", folder / "token"
    given.write_text(token)
    expiry = f"""
import time
status["expirationTimestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + {seconds}))
"""
    program.write_text(f"""#!{sys.executable}
import json
open({str(folder / "asked")!r}, "a").write("x")
status = {{"token": open({str(given)!r}).read()}}
{expiry if seconds is not None else ""}
print(json.dumps({{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "status": status}}))
""")
    program.chmod(0o755)
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "interactiveMode": "Never"}
    return given, {"exec": command}


def test_a_program_gives_credentials_that_expire(kubeconfig: Change, faults: FaultProxy, token: Callable[[], str], tmp_path: Path) -> None:
    """It is asked again before they do, also in the middle of a run; a watch that has to begin anew has new ones."""
    given, user = plugin(tmp_path, token(), 62)
    kubeconfig(user, server=f"https://127.0.0.1:{faults.port}")
    rw.use("kubernetes")
    run = square.run(x=3, seconds=6)
    assert wait_until(lambda: run.refresh().state == "RUNNING", 60)
    asked = (tmp_path / "asked").stat().st_size
    given.write_text(token())
    time.sleep(2.5)
    faults.disconnect()
    assert run.wait(60).result() == 9
    assert (tmp_path / "asked").stat().st_size > asked


def test_a_token_that_is_accepted_no_more_is_asked_for_anew(
    kubeconfig: Change, kube: Kube, faults: FaultProxy, token: Callable[..., str], tmp_path: Path
) -> None:
    """It did not say when it expires: the API server says so, to requests and to watches that begin anew. Nothing is handed over twice."""
    first = token("first")
    given, user = plugin(tmp_path, first, None)
    kubeconfig(user, server=f"https://127.0.0.1:{faults.port}")
    rw.use("kubernetes")
    run = square.run(x=3, seconds=15)
    assert wait_until(lambda: run.refresh().state == "RUNNING", 60)
    given.write_text(token())
    asked = (tmp_path / "asked").stat().st_size
    kube.kubectl("delete", "secret", "first")
    # The API server believes it for a while.
    assert wait_until(lambda: not is_accepted(first), 60, every=0.5)
    faults.disconnect()
    assert square.run(x=4).wait(60).result() == 16
    assert run.wait(60).result() == 9
    assert any(request.status == 401 for request in faults.seen)
    assert (tmp_path / "asked").stat().st_size == 2 * asked, "as often as for the first one"
    assert len(kube.get("jobs")) == 2


@pytest.mark.parametrize("way", ["kubeconfig", "environment"])
def test_through_a_proxy(kubeconfig: Change, kube: Kube, tunnels: Tunnels, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    url = f"http://me:p%40ss@127.0.0.1:{tunnels.port}"
    if way == "kubeconfig":
        kubeconfig(**{"proxy-url": url})
    else:
        # Not on this machine's own address: to that nobody goes through a proxy.
        kubeconfig(server="https://10.244.0.1:6443")
        monkeypatch.setenv("HTTPS_PROXY", url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,example.org")
    rw.use("kubernetes")
    assert square.run(x=3).wait(60).result() == 9
    assert tunnels.asked
    assert all("Proxy-Authorization: Basic bWU6cEBzcw==".lower() in head.lower() for head in tunnels.asked)


@pytest.mark.parametrize("server", ["https://127.0.0.1:6443", "https://10.244.0.1:6443"])
def test_past_a_proxy(kubeconfig: Change, tunnels: Tunnels, monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    """One of this machine is reached without, and one that NO_PROXY names."""
    kubeconfig(server=server)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{tunnels.port}")
    monkeypatch.setenv("NO_PROXY", "10.244.0.0/16")
    rw.use("kubernetes")
    assert square.run(x=3).wait(60).result() == 9
    assert tunnels.asked == []


INSIDE = """
import runwright as rw
rw.use("kubernetes")

@rw.function
def square(x: int) -> int:
    return x * x

run = square.run(x=5)
print(run.wait(60).result(), run.record["reference"]["namespace"], run.record["reference"]["context"])
"""


def test_from_inside_a_pod(home: Path, kube: Kube, local_cluster: Cluster, token: Callable[[], str], tmp_path: Path) -> None:
    """Where there is no kubeconfig: by the files and variables that the kubelet gives a pod."""
    account, script = tmp_path / "account", tmp_path / "inside.py"
    account.mkdir()
    (account / "token").write_text(token())
    (account / "namespace").write_text(kube.namespace)
    (account / "ca.crt").write_text(kube.kubectl("get", "configmap", "kube-root-ca.crt", "-o=jsonpath={.data.ca\\.crt}"))
    script.write_text(INSIDE)
    # A place of its own for what in a pod is below /var/run/secrets.
    path = "/var/run/secrets/kubernetes.io/serviceaccount"
    shell = f'mount -t tmpfs none /run && mkdir -p {path} && mount --bind "$0" {path} && exec "$1" "$2"'
    environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    environment |= {"HOME": str(tmp_path), "KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    command = ["unshare", "--mount", "sh", "-c", shell, account, sys.executable, script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == f"25 {kube.namespace} None\n", done.stderr


def login(*command: str) -> dict[str, Any]:
    """The user of a kubeconfig for whom a program asks."""
    asked = {"apiVersion": "client.authentication.k8s.io/v1", "command": command[0], "args": command[1:], "interactiveMode": "Never"}
    return {"exec": asked}


def test_what_is_said_where_there_is_no_way(kubeconfig: Change, kube: Kube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(text: str, on: str = "kubernetes") -> str:
        # A client that has one keeps it.
        _engine._engine = None
        with pytest.raises(RunwrightError, match=text) as caught:
            square.run(x=1, on=on)
        assert "hidden" not in str(caught.value)
        return str(caught.value.cure)

    rw.use("kubernetes", namespace=kube.namespace)
    kubeconfig(login("no-such-login"))
    assert "install it" in said('the program "no-such-login".* cannot be started')
    kubeconfig(login("sh", "-c", "echo hidden; echo please log in >&2; exit 3"))
    assert "login" in said('the program "sh".* failed .*3.*please log in')
    kubeconfig(login("echo", "hello"))
    assert "ExecCredential" in said('the program "echo".* gave something else')
    kubeconfig({"token": "of-nobody"})
    assert "log in again" in said("refused \\(401\\)")
    kubeconfig(**{"certificate-authority-data": None})
    said("certificate")
    kubeconfig(**{"proxy-url": "http://me:hidden@["})
    said("proxy")
    path = kubeconfig()
    path.write_text("{")
    assert "KUBECONFIG" in said("the kubeconfig cannot be read")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    for on in ("kubernetes", "kubernetes:some/"):
        assert "set KUBECONFIG" in said("no kubeconfig", on)
    assert [run.state for run in rw.runs(project="*")] == ["ERROR"] * 6, "what was wrong at once was not recorded"
    assert kube.objects() == []


def test_a_kubeconfig_that_changes_is_read_again(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept in memory from one run to the next, and still what is in the file now counts: also as much text, and a file that goes and comes."""
    path = tmp_path / "kubeconfig-of-nobody"
    monkeypatch.setenv("KUBECONFIG", str(path))

    def known() -> str:
        with pytest.raises(InvalidError) as refused:
            square.run(x=1, on="kubernetes:none-of-them")
        return str(refused.value)

    def write(context: str, age: float) -> None:
        path.write_text(json.dumps({"contexts": [{"name": context, "context": {"cluster": "c", "user": "u"}}], "current-context": context}))
        os.utime(path, (time.time() - age,) * 2)

    for context, age in (("one", 300), ("two", 200), ("six", 0), ("ten", 0)):
        write(context, age)
        assert f"use one of: {context}" in known()
        assert f"use one of: {context}" in known(), "again"
    path.unlink()
    assert "no kubeconfig was found" in known()
    write("one", 100)
    assert "use one of: one" in known()
