"""The fault proxy changes nothing by itself, and fails as it is told."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.faultproxy import FaultProxy
from tests.cluster.kube import Kube
from tests.servers.processes import wait_until

BROKEN = (OSError, http.client.HTTPException)


class Client:
    """Asks as the user of KUBECONFIG does, over one connection for as long as that lasts."""

    def __init__(self, namespace: str, scratch: Path) -> None:
        config = json.loads(Path(os.environ["KUBECONFIG"]).read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        login = scratch / "login"
        login.write_bytes(b"".join(base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")))
        context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        context.load_cert_chain(login)
        host, _, port = cluster["server"].removeprefix("https://").partition(":")
        self.connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=10)
        self.root = f"/api/v1/namespaces/{namespace}"

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any, Any]:
        """The status, the headers and the JSON of an answer. A connection that broke is not used again."""
        try:
            headers = {"Content-Type": "application/json"}
            self.connection.request(method, self.root + path, None if body is None else json.dumps(body), headers)
            answer = self.connection.getresponse()
            return answer.status, answer.headers, json.loads(answer.read())
        except BROKEN:
            self.connection.close()
            raise

    def watch(self, path: str) -> http.client.HTTPResponse:
        """An answer that goes on."""
        self.connection.request("GET", f"{self.root}{path}?watch=true")
        return self.connection.getresponse()


def config_map(name: str) -> dict[str, Any]:
    """The smallest object."""
    return {"metadata": {"name": name}}


@pytest.fixture
def client(faults: FaultProxy, kube: Kube, tmp_path: Path) -> Iterator[Client]:
    """Through the proxy."""
    client = Client(kube.namespace, tmp_path)
    yield client
    client.connection.close()


@pytest.fixture
def another(faults: FaultProxy, kube: Kube, tmp_path: Path) -> Iterator[Client]:
    """A second client."""
    client = Client(kube.namespace, tmp_path)
    yield client
    client.connection.close()


def test_without_faults_the_client_is_who_it_is(client: Client, kube: Kube, faults: FaultProxy) -> None:
    assert client.ask("POST", "/configmaps", config_map("mine"))[0] == 201
    assert client.ask("GET", "/configmaps/mine")[2]["metadata"]["name"] == "mine"
    assert client.ask("GET", "/secrets")[0] == 403
    assert [each.status for each in faults.seen] == [201, 200, 403]
    assert [entry["verb"] for entry in kube.requests()] == ["create", "get", "list"]
    # Another program, which speaks as it likes.
    assert "mine" in kube.cluster.kubectl("get", "configmaps", kubeconfig=Path(os.environ["KUBECONFIG"]))


def test_the_next_two_requests_are_told_to_come_later(client: Client, faults: FaultProxy) -> None:
    faults.answer(429, retry_after=1, method="POST", times=2)
    answers = [client.ask("POST", "/configmaps", config_map("mine")) for _ in range(3)]
    assert [status for status, _, _ in answers] == [429, 429, 201]
    assert answers[0][1]["Retry-After"] == "1"
    assert answers[0][2]["reason"] == "TooManyRequests"


@pytest.mark.parametrize(("status", "reason"), [(500, "InternalError"), (409, "Conflict"), (410, "Expired"), (503, "ServiceUnavailable")])
def test_a_status_for_one_path_only(client: Client, faults: FaultProxy, status: int, reason: str) -> None:
    faults.answer(status, reason=reason, path="/configmaps", times=None)
    assert client.ask("GET", "/pods")[0] == 200
    for _ in range(3):
        got, _, body = client.ask("GET", "/configmaps")
        assert (got, body["code"], body["reason"]) == (status, status, reason)
    faults.clear()
    assert client.ask("GET", "/configmaps")[0] == 200


@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize("fault", ["close", "answer"])
def test_a_lost_answer_says_nothing_of_what_was_done(client: Client, kube: Kube, faults: FaultProxy, carried_out: bool, fault: str) -> None:
    if fault == "close":
        faults.close(carried_out=carried_out, method="POST")
        with pytest.raises(BROKEN):
            client.ask("POST", "/configmaps", config_map("mine"))
    else:
        faults.answer(500, carried_out=carried_out, method="POST")
        assert client.ask("POST", "/configmaps", config_map("mine"))[0] == 500
    assert kube.objects() == (["ConfigMap/mine"] if carried_out else [])


def test_a_request_that_is_never_answered_ends_with_the_fault(client: Client, faults: FaultProxy) -> None:
    fault = faults.hang(path="/pods")
    outcome = in_background(lambda: client.ask("GET", "/pods"))
    assert wait_until(lambda: fault.times == 0, 10)
    time.sleep(0.3)
    assert outcome == []
    faults.clear()
    assert wait_until(lambda: outcome != [], 10)
    assert isinstance(outcome[0], BROKEN)


def test_a_request_that_is_held_back_is_answered_later(client: Client, faults: FaultProxy) -> None:
    faults.delay(0.5, times=1)
    began = time.monotonic()
    assert client.ask("GET", "/pods")[0] == 200
    assert time.monotonic() - began >= 0.5


def test_a_watch_is_passed_on_event_by_event_and_cut(client: Client, kube: Kube, faults: FaultProxy) -> None:
    # Whatever the Role allows: this is about the proxy.
    kube.kubectl("create", "rolebinding", "more", "--clusterrole=view", f"--user={kube.user}")
    assert wait_until(lambda: client.ask("GET", "/services")[0] == 200, 10)
    faults.cut(3000, path="watch=")
    watch = client.watch("/services")
    seen = 0
    with pytest.raises(BROKEN):
        for number in range(100):
            service = {**config_map(f"made-{number}"), "spec": {"ports": [{"port": 80}]}}
            kube.api.request("POST", f"/api/v1/namespaces/{kube.namespace}/services", service)
            # Each as it is made: nothing is held back.
            line = watch.readline()
            if not line.endswith(b"\n"):
                raise http.client.IncompleteRead(line)
            assert json.loads(line)["object"]["metadata"]["name"] == f"made-{number}"
            seen += 1
    assert 0 < seen < 10


def test_a_watch_that_is_too_old(client: Client, faults: FaultProxy) -> None:
    faults.end_watches(410)
    assert client.ask("GET", "/configmaps")[0] == 200
    event = json.loads(client.watch("/configmaps").read())
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


def test_connections_are_cut_refused_and_taken_again(client: Client, faults: FaultProxy) -> None:
    assert client.ask("GET", "/pods")[0] == 200
    faults.disconnect()
    with pytest.raises(BROKEN):
        client.ask("GET", "/pods")
    assert client.ask("GET", "/pods")[0] == 200
    faults.refuse()
    with pytest.raises(BROKEN):
        client.ask("GET", "/pods")
    with pytest.raises(ConnectionRefusedError):
        client.ask("GET", "/pods")
    faults.listen()
    assert client.ask("GET", "/pods")[0] == 200


def test_where_nothing_moves_nothing_is_answered(client: Client, another: Client, faults: FaultProxy) -> None:
    assert client.ask("GET", "/pods")[0] == 200
    faults.freeze()
    outcomes = [in_background(lambda each=each: each.ask("GET", "/pods")[0]) for each in (client, another)]
    time.sleep(0.3)
    assert outcomes == [[], []]
    faults.thaw()
    assert wait_until(lambda: outcomes == [[200], [200]], 10)


def test_the_api_server_goes_away_and_comes_back(client: Client, faults: FaultProxy, local_cluster: Cluster) -> None:
    client.ask("POST", "/configmaps", config_map("mine"))
    watch = client.watch("/pods")
    with local_cluster.without("kube-apiserver"):
        with contextlib.suppress(*BROKEN):
            watch.read()
        client.connection.close()
        with pytest.raises(BROKEN):
            client.ask("GET", "/configmaps")
    assert client.ask("GET", "/configmaps/mine")[0] == 200


def in_background(work: Callable[[], object]) -> list[object]:
    """The list gets what the work gives, or how it failed."""
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BROKEN as error:
            outcome.append(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome
