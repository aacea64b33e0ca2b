"""What a service does to requests that are too many, too long, too slow, or whose handler fails or hangs."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from serve_lab import until

from runwright.execute.serve.listen import allow_many_files

_CODE = """
import asyncio, os, sys, time

TOKEN = os.environ.get("TOKEN", "")
def f(do: str = "", gate: str = "", text: str = ""):
    if do == "raise":
        raise ValueError(f"cannot connect with {TOKEN}")
    if do == "exit":
        sys.exit(3)
    if do == "forbid":
        error = PermissionError("not you")
        error.status_code = 403
        raise error
    if do == "memory":
        raise MemoryError
    if do == "stop":
        raise StopIteration
    while gate and not os.path.exists(gate):
        time.sleep(0.01)
    return len(text)

async def g(do: str = "", gate: str = "", text: str = ""):
    if do == "raise":
        raise ValueError(f"cannot connect with {TOKEN}")
    try:
        while gate and not os.path.exists(gate):
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise
    return len(text)
"""
_BOTH = pytest.mark.parametrize("handler", ["functions:f", "functions:g"])


@_BOTH
def test_a_handler_that_raises_is_500_without_traceback_or_secret(serve: Any, handler: str) -> None:
    secret = "very-secret-value"
    service = serve(_CODE, handler=handler, secrets=[secret], env={"TOKEN": secret})
    answer = service.call(do="raise")
    assert (answer.status_code, answer.json()) == (500, {"error": "ValueError", "message": "cannot connect with ***"})
    assert service.logged("in " + handler[-1])
    assert service.logged("ValueError: cannot connect with ***")
    assert secret not in service.log
    assert service.call().json() == 0


def test_debug_sends_the_traceback(serve: Any) -> None:
    secret = "very-secret-value"
    service = serve(_CODE, debug=True, secrets=[secret], env={"TOKEN": secret})
    told = service.call(do="raise").json()["traceback"]
    assert "functions.py" in told
    assert secret not in told
    assert "_runwright" not in told


def test_whatever_a_handler_raises_the_service_goes_on(serve: Any) -> None:
    service = serve(_CODE)
    for do, status, error in [
        ("exit", 500, "SystemExit"),
        ("memory", 500, "MemoryError"),
        ("stop", 500, "StopIteration"),
        ("forbid", 403, "PermissionError"),
    ]:
        answer = service.call(do=do)
        assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert service.call().json() == 0


@_BOTH
def test_bodies_over_the_limit_are_refused_while_they_come(serve: Any, handler: str) -> None:
    service = serve(_CODE, handler=handler, max_body=100_000)
    exact = json.dumps({"text": "x" * (100_000 - 12)})
    assert len(exact) == 100_000
    assert service.ask(data=exact).json() == 100_000 - 12
    refused = service.ask(data=exact + " ")
    assert (refused.status_code, refused.json()["error"], refused.headers["connection"]) == (413, "BodyTooLarge", "close")
    # Far more than the limit: the answer arrives all the same, and the service never holds it.
    before = service.metric("process_resident_memory_bytes")
    assert service.ask(data=b"x" * 30_000_000).status_code == 413
    assert service.metric("process_resident_memory_bytes") - before < 15_000_000
    # Without a length beforehand.
    connection = http.client.HTTPConnection("127.0.0.1", service.port)
    connection.request("POST", "/", (b"x" * 10_000 for _ in range(50)), encode_chunked=True, headers={"transfer-encoding": "chunked"})
    assert connection.getresponse().status == 413
    # One that asks before it sends is told at once.
    with socket.create_connection(("127.0.0.1", service.port)) as asking:
        asking.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\nexpect: 100-continue\r\n\r\n")
        assert asking.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_call_that_hangs_is_504_and_keeps_its_place(serve: Any, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    service = serve(_CODE, concurrency=2, queue=0, timeout=1.0)
    late = service.call(gate=str(gate))
    assert (late.status_code, late.json()["error"]) == (504, "Timeout")
    assert "the call goes on" in late.json()["message"]
    assert service.metric("service_calls_given_up") == 1
    assert service.call().status_code == 200
    gate.touch()
    until(lambda: service.metric("service_calls_given_up") == 0)
    assert service.ask("/healthz").status_code == 200


def test_an_async_call_that_hangs_is_cancelled(serve: Any) -> None:
    service = serve(_CODE, handler="functions:g", timeout=1.0)
    assert service.call(gate="/never").status_code == 504
    assert service.logged("cancelled")
    assert service.call().status_code == 200


def test_a_worker_whose_places_all_hang_is_replaced(serve: Any) -> None:
    service = serve(_CODE, concurrency=2, timeout=1.0)
    assert service.call().status_code == 200
    (before,) = service.workers()
    hanging = service.together(2, json={"gate": "/never"})
    assert [answer.status_code for answer in hanging.answers()] == [504, 504]
    assert service.event("unready")
    assert service.event("ready", 1)
    (after,) = service.workers()
    assert before != after
    assert service.call().status_code == 200
    assert service.metric("service_worker_restarts_total") == 1


@_BOTH
def test_one_call_too_many_is_503_with_retry_after(serve: Any, tmp_path: Path, handler: str) -> None:
    gate = tmp_path / "gate"
    service = serve(_CODE, handler=handler, concurrency=2, queue=2, log_requests=False)
    asked = service.together(8, json={"gate": str(gate)})
    until(lambda: service.metric("service_requests_waiting") == 2 and service.metric("http_requests_total") == 4)
    # Health is never refused.
    assert service.ask("/healthz").status_code == 200
    gate.touch()
    answers = asked.answers()
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [503] * 4
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert (refused.json()["error"], refused.headers["retry-after"]) == ("Busy", "1")
    assert service.metric("service_requests_waiting") == 0


def test_who_waits_too_long_for_a_place_was_never_called(serve: Any) -> None:
    service = serve(_CODE, concurrency=1, timeout=1.0)
    hanging = service.together(1, json={"gate": "/never"})
    until(lambda: service.metric("http_requests_in_progress") == 1)
    answer = service.call()
    assert (answer.status_code, answer.json()["error"]) == (503, "Busy")
    assert hanging.answers()[0].status_code == 504


def test_a_client_that_leaves_the_queue_is_not_called_for(serve: Any, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    service = serve(_CODE, concurrency=1)
    asked = service.together(1, json={"gate": str(gate)})
    until(lambda: service.metric("http_requests_in_progress") == 1)
    with socket.create_connection(("127.0.0.1", service.port)) as leaving:
        leaving.sendall(b"POST /f?left HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}")
        until(lambda: service.metric("service_requests_waiting") == 1)
    until(lambda: service.metric("service_requests_waiting") == 0)
    assert service.logged("POST /f gone")
    gate.touch()
    assert asked.answers()[0].status_code == 200


def test_slow_bodies_and_slow_heads_end(serve: Any) -> None:
    service = serve(_CODE, timeout=0.5, head_timeout=0.5)
    with socket.create_connection(("127.0.0.1", service.port)) as slow:
        slow.settimeout(30)
        slow.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        assert slow.recv(1000).startswith(b"HTTP/1.1 408")
    for beginning in (b"", b"POST / HT"):
        with socket.create_connection(("127.0.0.1", service.port)) as slow:
            slow.settimeout(30)
            slow.sendall(beginning)
            assert slow.recv(1000) == b""


def test_heads_without_an_end_are_cut_off(serve: Any) -> None:
    service = serve(_CODE)
    with socket.create_connection(("127.0.0.1", service.port)) as endless:
        endless.settimeout(30)
        endless.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n")
        sent, answer = 0, b""
        try:
            while sent < 10_000_000:
                endless.sendall(b"x-a: " + b"y" * 8000 + b"\r\n")
                sent += 8007
            answer = endless.recv(1000)
        except OSError:
            pass
        assert sent < 10_000_000 or answer.startswith(b"HTTP/1.1 4")
    assert service.call().status_code == 200


def test_ten_thousand_slow_clients_do_not_keep_others_out(serve: Any) -> None:
    many = min(10_000, allow_many_files() - 500)
    assert many >= 1000
    service = serve(_CODE, timeout=120, head_timeout=120, queue=many, log_requests=False)
    service.call()
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 15\r\n\r\n"
    body = b'{"text": "xyz"}'
    clients = [socket.create_connection(("127.0.0.1", service.port), timeout=60) for _ in range(many)]
    try:
        for place, client in enumerate(clients):
            # Half of them stop within the first lines, half within the body.
            client.sendall(head[:20] if place % 2 else head + body[:5])
        until(lambda: service.metric("http_requests_in_progress") == many // 2)
        for _ in range(20):
            assert service.call().status_code == 200
        for place, client in enumerate(clients):
            client.sendall((head[20:] + body) if place % 2 else body[5:])
        for client in clients:
            _answer_of(client)
    finally:
        for client in clients:
            client.close()
    until(lambda: service.metric("http_requests_in_progress") == 0)


def _answer_of(client: socket.socket) -> None:
    answer = b""
    while not answer.endswith(b"\r\n\r\n3"):
        piece = client.recv(1000)
        assert piece, answer
        answer += piece


def test_the_log_has_one_line_a_request_and_nothing_secret(serve: Any) -> None:
    service = serve(_CODE)
    service.ask("/a%0Ab?token=secret", json={"text": "hidden"})
    assert service.logged("INFO runwright.serve POST /a%0Ab 404 ")
    assert "secret" not in service.log
    assert "hidden" not in service.log
    quiet = serve(_CODE, log_requests=False)
    quiet.call()
    assert quiet.stop() == 0
    assert quiet.log == ""
