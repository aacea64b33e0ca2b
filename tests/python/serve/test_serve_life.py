"""From start to stop: probes, workers that die, requests in flight, ports."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from serve_lab import exists, until

from runwright.exceptions import BackendError
from runwright.response import request

_CODE = """
import os, signal, threading, time

def f(do: str = "", seconds: float = 0.0, gate: str = ""):
    if do == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    if do == "exit":
        os._exit(3)
    if do == "wait":
        threading.Event().wait()
    while gate and not os.path.exists(gate):
        time.sleep(0.01)
    time.sleep(seconds)
    return os.getpid()
"""
# An init that waits for a file, which the test makes.
_WAITS = """
import os, time
def init(context, gate, swallow=False):
    try:
        print("init began", flush=True)
        while not os.path.exists(gate):
            time.sleep(0.01)
    except BaseException:
        if not swallow:
            raise
        print("swallowed", flush=True)
def f(context, event):
    return os.getpid()
"""


def test_probes_tell_starting_ready_and_draining(serve: Any, tmp_path: Path) -> None:
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    gate = tmp_path / "gate"
    service = serve(_WAITS, port=port, init_parameters={"gate": str(gate)}, drain=3.0)
    assert service.logged("init began")
    assert request(f"{url}/healthz").json() == {"status": "alive"}
    starting = request(f"{url}/readyz")
    assert (starting.status_code, starting.json()["status"], starting.headers["retry-after"]) == (503, "starting", "1")
    # A large body is no reason to lose the answer.
    assert request(url, data=b"x" * 1_000_000).status_code == 503
    assert request(f"{url}/readyz", method="HEAD").content == b""
    assert not any(event["type"] == "ready" for event in service.events)
    gate.touch()
    assert service.event("ready")["url"] == url
    assert request(f"{url}/readyz").json() == {"status": "ready"}
    assert request(url).ok
    service.term()
    until(lambda: request(f"{url}/readyz").json()["status"] == "draining")
    # It still answers, but keeps no connection open.
    answer = request(url)
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")
    assert service.ended() == 0
    with pytest.raises(BackendError, match="ConnectionRefused"):
        request(url)


def test_a_crowd_before_it_is_ready_does_no_harm(serve: Any, tmp_path: Path) -> None:
    port, gate = _free_port(), tmp_path / "gate"
    service = serve(_WAITS, port=port, init_parameters={"gate": str(gate)})
    assert service.logged("init began")
    crowd = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(1000)]
    for place, one in enumerate(crowd):
        with contextlib.suppress(OSError):  # the oldest were sent away for the newest
            one.sendall(b"GET / HTTP/1.1\r\n" if place % 3 else b"GET / HTTP/1.1\r\n\r\n")
    assert request(f"http://127.0.0.1:{port}/healthz").json() == {"status": "alive"}
    gate.touch()
    assert service.ask().ok
    for one in crowd:
        one.close()


@pytest.mark.parametrize("swallow", [False, True])
def test_a_stop_while_it_initialises_ends_it(serve: Any, tmp_path: Path, swallow: bool) -> None:
    service = serve(_WAITS, init_parameters={"gate": str(tmp_path / "never"), "swallow": swallow})
    assert service.logged("init began")
    assert service.stop() == 0
    assert service.events == []
    assert ("swallowed" in service.log) == swallow


def test_a_stop_ends_what_does_not_heed_it(serve: Any) -> None:
    code = "import threading\ndef init(context):\n    print('began', flush=True)\n    while True:\n        try:\n            threading.Event().wait()\n"
    code += "        except BaseException: pass\ndef f(context, event): ...\n"
    service = serve(code, grace=0.2, drain=0)
    assert service.logged("began")
    assert service.stop() == 0


@pytest.mark.parametrize("workers", [1, 3])
def test_a_stop_under_load_fails_no_request(serve: Any, workers: int) -> None:
    """Clients that stop asking once `/readyz` says no (as a balancer has them do) see every request answered."""
    service = serve(_CODE, workers=workers, drain=3.0, log_requests=False)
    url, port = service.url, service.port
    stop = threading.Event()
    failures: list[str] = []
    counts: list[int] = []

    def kept() -> None:
        """Over one connection as long as it is kept."""
        connection, count = http.client.HTTPConnection("127.0.0.1", port, timeout=60), 0
        while not stop.is_set():
            try:
                connection.request("POST", "/", b'{"seconds": 0.01}')
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    failures.append(str(answer.status))
                count += 1
            except OSError as error:
                failures.append(repr(error))
                connection.close()
        counts.append(count)

    def each() -> None:
        """A new connection for each."""
        count = 0
        while not stop.is_set():
            try:
                if request(url, json={"seconds": 0.01}, timeout=60).status_code != 200:
                    failures.append("status")
                count += 1
            except BackendError as error:
                failures.append(repr(error))
        counts.append(count)

    threads = [threading.Thread(target=target) for target in [kept] * 10 + [each] * 10]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    service.term()
    until(lambda: request(f"{url}/readyz").status_code == 503)
    time.sleep(0.3)
    stop.set()
    for thread in threads:
        thread.join()
    assert service.ended() == 0
    assert failures == []
    assert sum(counts) > 100


def test_requests_in_flight_are_finished_within_the_grace(serve: Any, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    service = serve(_CODE, drain=0)
    asked = service.together(5, json={"gate": str(gate)})
    until(lambda: service.metric("http_requests_in_progress") == 5)
    service.term()
    assert service.event("unready")
    gate.touch()
    assert [answer.status_code for answer in asked.answers()] == [200] * 5
    assert service.ended() == 0


def test_what_does_not_finish_within_the_grace_is_cut_off(serve: Any) -> None:
    service = serve(_CODE, drain=0, grace=0.5)
    asked = service.together(1, json={"do": "wait"})
    until(lambda: service.metric("http_requests_in_progress") == 1)
    assert service.stop() == 0
    assert [(answer.status_code, answer.json()["error"]) for answer in asked.answers()] == [(503, "Stopped")]


@pytest.mark.parametrize(("do", "words"), [("die", "killed by SIGSEGV"), ("exit", "exit code 3")])
def test_a_worker_that_dies_is_started_again_and_others_answer_meanwhile(serve: Any, do: str, words: str) -> None:
    service = serve(_CODE, workers=2)
    before = set(service.workers())
    assert len(before) == 2
    assert service.event("ready")["workers"] == 2
    with pytest.raises(BackendError):
        service.call(do=do)
    for _ in range(20):
        assert service.call().status_code == 200
    assert service.logged(words)
    until(lambda: service.metric("service_workers_ready") == 2)
    after = set(service.workers())
    assert len(after) == 2
    assert len(after & before) == 1
    assert service.metric("service_worker_restarts_total") == 1
    # It was never without a worker, so nothing was announced.
    assert [event["type"] for event in service.events] == ["ready"]
    # What was counted stays counted.
    assert service.metric("http_requests_total") >= 20


def test_the_only_worker_that_dies_is_missed_and_comes_back(serve: Any) -> None:
    service = serve(_CODE)
    with pytest.raises(BackendError):
        service.call(do="die")
    assert service.event("unready")
    assert service.event("ready", 1)["url"] == service.url
    assert service.call().status_code == 200


def test_a_worker_that_is_told_to_go_is_replaced(serve: Any) -> None:
    service = serve(_CODE)
    service.call()
    os.kill(service.workers()[0], signal.SIGTERM)
    assert service.event("ready", 1)
    assert service.call().status_code == 200


def test_a_service_that_cannot_come_back_is_given_up(serve: Any, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = f"""
    import os
    def init(context):
        if os.path.exists({str(mark)!r}):
            raise LookupError("the model is gone")
        open({str(mark)!r}, "w").close()
    def f(context, event):
        os._exit(1)
    """
    service = serve(code)
    with pytest.raises(BackendError):
        service.ask()
    failed = service.failed()
    assert (failed["type"], failed["message"]) == ("LookupError", "the model is gone")
    assert service.ended() == 1
    assert service.log.count("it is started again") > 1


def test_workers_end_with_their_service_however_it_dies(serve: Any) -> None:
    service = serve(_CODE, workers=2)
    service.call()
    workers = service.workers()
    os.kill(service.process.pid, signal.SIGKILL)
    until(lambda: not any(exists(pid) for pid in workers))
    # And the port is free again.
    serve(_CODE, port=service.port).call()


def test_a_worker_that_runs_out_of_memory_says_so(serve: Any) -> None:
    code = """
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (2_000_000_000, 2_000_000_000))
    def f(size: int = 0):
        return len(bytearray(size))
    """
    service = serve(code)
    assert service.call(size=1000).json() == 1000
    answer = service.call(size=10_000_000_000)
    assert (answer.status_code, answer.json()["error"]) == (500, "MemoryError")
    assert service.call(size=1000).json() == 1000


def test_all_workers_answer_and_are_counted_together(serve: Any) -> None:
    service = serve(_CODE, workers=3, log_requests=False)
    found: set[int] = set()

    def ask() -> None:
        for _ in range(20):
            found.add(service.call(seconds=0.02).json())

    threads = [threading.Thread(target=ask) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == set(service.workers())
    # Whichever worker is asked.
    for _ in range(10):
        assert service.metric("http_requests_total") == 600
        assert service.metric("http_request_duration_seconds_count") == 600
    assert len([line for line in service.ask("/metrics").text.splitlines() if line.startswith("process_resident")]) == 3


def test_a_port_in_use_and_addresses_that_are_none(serve: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        failed = serve(_CODE, port=port).failed()
    assert (failed["cause"], failed["message"]) == ("PortInUse", f"port {port} of 127.0.0.1 is in use")
    for host in ("no.such.host.invalid", "192.0.2.1"):
        failed = serve(_CODE, host=host).failed()
        assert failed["cause"] == "InputError"
        assert host in failed["message"]


def test_every_address_and_ipv6(serve: Any) -> None:
    everywhere = serve(_CODE, host="0.0.0.0")
    assert everywhere.url == f"http://127.0.0.1:{everywhere.port}"
    assert everywhere.call().ok
    if socket.has_ipv6:
        six = serve(_CODE, host="::1")
        assert six.url == f"http://[::1]:{six.port}"
        assert six.call().ok


def test_without_a_server_it_says_what_to_install(serve: Any) -> None:
    # An interpreter without any packages.
    failed = serve(_CODE, options=["-S"]).failed()
    assert failed["cause"] == "RequirementError"
    assert "uvicorn" in failed["cure"]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
