"""Registries and networks that fail: what is tried again, what is gone on with, and what is said in the end."""

from __future__ import annotations

import random
import re
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from builder_lab import Base, Lines, RealRegistry, python_base
from front import Front

from runwright.execute.builder import put, upload
from runwright.execute.builder.failures import BaseImageError, RegistryError
from tests.servers.processes import free_port

Make = Callable[..., dict[str, Any]]
PIECE = 64 * 1024


@pytest.fixture
def front(registry: RealRegistry) -> Iterator[Front]:
    """A registry that fails as a test wants it to."""
    front = Front(registry.host)
    yield front
    front.stop()


@pytest.fixture
def settings(registry: RealRegistry, repository: str, front: Front, code: Path) -> dict[str, Any]:
    """A build whose target is behind the front, with 300 KB that do not get smaller."""
    (code / "data.bin").write_bytes(random.Random(1).randbytes(300_000))
    base = registry.push(f"{repository}-base:1", python_base())
    return {"base": base, "target": f"{front.host}/{repository}", "code": str(code), "insecure": [registry.host, front.host]}


@pytest.fixture
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers of more than 64 KiB go in pieces."""
    monkeypatch.setattr(upload, "PIECE", PIECE)


def check(registry: RealRegistry, built: dict[str, Any]) -> None:
    """What was pushed is whole: the registry gives the very bytes."""
    data = registry.layer(built["image"].partition("/")[2], -1).extractfile("opt/runwright/code/data.bin")
    assert data is not None
    assert data.read() == random.Random(1).randbytes(300_000)


def times(front: Front, number: int, matches: Callable[[Any], bool], act: Callable[[Any], bool]) -> None:
    """The first so many requests that match are answered by `act`."""
    left = [number]

    def fault(request: Any) -> bool:
        if not left[0] or not matches(request):
            return False
        left[0] -= 1
        return act(request)

    front.fault = fault


def test_too_many_requests_and_errors_of_the_server_pass(
    registry: RealRegistry, front: Front, settings: dict[str, Any], make: Make, said: Lines
) -> None:
    times(
        front, 3, lambda request: True, lambda request: front.error(request, 429, "TOOMANYREQUESTS", "slow down", [("Retry-After", "0.05")])
    )
    check(registry, make(**settings))
    assert said.text.count("answered 429") == 3
    assert "trying again in 0.05 s" in said.text


@pytest.mark.parametrize(("status", "told"), [(429, "only so many"), (503, "own log"), (500, "own log")])
def test_what_does_not_pass(front: Front, settings: dict[str, Any], make: Make, status: int, told: str) -> None:
    front.fault = lambda request: front.error(request, status, "UNKNOWN", "it is broken")
    with pytest.raises(RegistryError) as failure:
        make(attempts=3, **settings)
    assert f"{front.host} answered {status}" in failure.value.message
    assert "(3 times)" in failure.value.message
    assert "it is broken" in failure.value.message
    assert told in (failure.value.cure or "")
    assert len(front.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
def test_a_refusal_is_not_asked_for_again(front: Front, settings: dict[str, Any], make: Make, status: int) -> None:
    def fault(request: Any) -> bool:
        return request.command == "POST" and front.error(request, status, "DENIED", "requested access is denied")

    front.fault = fault
    with pytest.raises(RegistryError, match="requested access is denied") as failure:
        make(**settings)
    assert failure.value.status == status
    assert front.count("POST", "/uploads/") == 1


def test_a_registry_that_is_silent(front: Front, settings: dict[str, Any], make: Make) -> None:
    def sleep(request: Any) -> bool:
        time.sleep(1.5)
        return front.cut(request)

    front.fault = sleep
    with pytest.raises(RegistryError, match="nothing came for too long") as failure:
        make(attempts=2, **{**settings, "timeout": 0.3})
    assert failure.value.status is None
    assert "(2 times)" in failure.value.message


def test_a_registry_that_is_not_there(settings: dict[str, Any], make: Make) -> None:
    host = f"127.0.0.1:{free_port()}"
    with pytest.raises(RegistryError, match=f"{host} did not answer.*refused") as failure:
        make(attempts=2, **{**settings, "target": f"{host}/mine", "insecure": [*settings["insecure"], host]})
    assert "can be reached" in (failure.value.cure or "")


def test_plain_http_where_https_is_expected(settings: dict[str, Any], front: Front, registry: RealRegistry, make: Make) -> None:
    with pytest.raises(RegistryError) as failure:
        make(**{**settings, "insecure": [registry.host]})
    assert "`insecure`" in (failure.value.cure or "")


def test_a_certificate_that_nobody_knows(
    tmp_path: Path, registry: RealRegistry, settings: dict[str, Any], front: Front, make: Make
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", key, "-out", certificate, *subject]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    front.server.socket = context.wrap_socket(front.server.socket, server_side=True)
    settings["insecure"] = [registry.host]
    with pytest.raises(RegistryError, match=r"certificate") as failure:
        make(**settings)
    assert "`certificates`" in (failure.value.cure or "")
    assert make(**settings, certificates=str(certificate))["cached"] is False
    with pytest.raises(RegistryError):
        make(attempts=1, **{**settings, "insecure": [registry.host, front.host], "force": True})


def test_an_upload_that_is_cut_is_begun_again(
    registry: RealRegistry, front: Front, settings: dict[str, Any], make: Make, said: Lines
) -> None:
    def cut(request: Any) -> bool:
        request.rfile.read(100_000)
        return front.cut(request)

    times(front, 2, lambda request: request.command == "PUT" and int(request.headers["Content-Length"]) > 200_000, cut)
    check(registry, make(**settings))
    assert said.text.count("cut the upload") == 2


def test_an_upload_that_is_always_cut(front: Front, settings: dict[str, Any], make: Make) -> None:
    times(front, 99, lambda request: request.command == "PUT" and int(request.headers["Content-Length"]) > 200_000, front.cut)
    with pytest.raises(RegistryError, match=r"pushing sha256:.* cut the upload .*\(3 times\)"):
        make(attempts=3, **settings)


def test_an_answer_that_is_lost(registry: RealRegistry, front: Front, settings: dict[str, Any], make: Make) -> None:
    """The blob came, the answer did not: it is not sent again."""

    def take_and_cut(request: Any) -> bool:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        answer = Front.answer
        front.answer = lambda *_: True  # type: ignore[method-assign, assignment]
        front.forward(request, body)
        front.answer = answer.__get__(front)  # type: ignore[method-assign]
        return front.cut(request)

    times(front, 1, lambda request: request.command == "PUT" and int(request.headers["Content-Length"]) > 200_000, take_and_cut)
    check(registry, make(**settings))
    assert (
        sum(1 for method, path, _ in front.requests if method == "PUT" and "/uploads/" in path) == 4
    )  # two of the base, the code, the config


@pytest.mark.usefixtures("in_pieces")
def test_pieces_go_on_where_they_were_cut(registry: RealRegistry, front: Front, settings: dict[str, Any], make: Make, said: Lines) -> None:
    sent: list[str] = []

    def cut(request: Any) -> bool:
        if request.command != "PATCH":
            return False
        sent.append(request.headers["Content-Range"])
        if len(sent) == 3:
            request.rfile.read(1000)
            return front.cut(request)
        if len(sent) == 5:
            return front.error(request, 503, "UNAVAILABLE", "restarting")
        return False

    front.fault = cut
    check(registry, make(**settings))
    # Each of the five pieces, and the two that failed once more.
    assert len(sent) == 7
    assert [sent[2], sent[4]] == [sent[3], sent[5]] == [f"{2 * PIECE}-{3 * PIECE - 1}", f"{3 * PIECE}-{4 * PIECE - 1}"]
    assert "trying again" in said.text


@pytest.mark.usefixtures("in_pieces")
def test_an_upload_that_the_registry_lost(registry: RealRegistry, front: Front, settings: dict[str, Any], make: Make) -> None:
    sent: list[str] = []

    def lose(request: Any) -> bool:
        if request.command == "PATCH":
            sent.append(request.headers["Content-Range"])
            return len(sent) == 3 and front.cut(request)
        return request.command == "GET" and "/uploads/" in request.path and front.error(request, 404, "BLOB_UPLOAD_UNKNOWN", "unknown")

    front.fault = lose
    check(registry, make(**settings))
    assert len(sent) == 3 + 5
    assert sent[3] == f"0-{PIECE - 1}"


@pytest.mark.usefixtures("in_pieces")
@pytest.mark.parametrize("status", [404, 405, 416, 501])
def test_a_registry_that_takes_no_pieces(registry: RealRegistry, front: Front, settings: dict[str, Any], make: Make, status: int) -> None:
    front.fault = lambda request: request.command == "PATCH" and front.error(request, status, "UNSUPPORTED", "not this way")
    check(registry, make(**settings))
    assert front.count("PATCH", "/uploads/") == 1


@pytest.mark.usefixtures("in_pieces")
def test_a_registry_that_wants_larger_pieces(registry: RealRegistry, front: Front, settings: dict[str, Any], make: Make) -> None:
    sizes: list[int] = []

    def larger(request: Any) -> bool:
        if request.command == "PATCH":
            sizes.append(int(request.headers["Content-Length"]))
        if request.command != "POST":
            return False
        answer = Front.answer
        front.answer = lambda request, status, content, headers: answer(  # type: ignore[method-assign, assignment]
            front, request, status, content, [*headers, ("OCI-Chunk-Min-Length", "100000")]
        )
        front.forward(request)
        front.answer = answer.__get__(front)  # type: ignore[method-assign]
        return True

    front.fault = larger
    check(registry, make(**settings))
    assert sizes[0] == 100_000


def test_a_download_that_is_cut_goes_on(
    registry: RealRegistry, repository: str, front: Front, make: Make, tmp_path: Path, said: Lines
) -> None:
    noise = random.Random(2).randbytes(500_000)
    registry.push(f"{repository}:1", Base({"noise": noise, "usr/bin/python3.11": b"", "usr/bin/python3": ("link", "python3.11")}))
    ranges: list[str | None] = []

    def cut(request: Any) -> bool:
        if request.command != "GET" or "/blobs/" not in request.path:
            return False
        ranges.append(request.headers["Range"])
        body = registry.get(request.path)
        begin = int((request.headers["Range"] or "bytes=0-")[6:-1])
        if len(body) < 100_000 or begin > 300_000:
            return False
        headers = [("Content-Length", str(len(body) - begin))]
        front.answer(request, 206 if begin else 200, body[begin : begin + 200_000], headers)
        return front.cut(request)

    front.fault = cut
    built = make(base=f"{front.host}/{repository}:1", target=f"oci:{tmp_path}/out", insecure=[front.host])
    assert "cut the download" in said.text
    assert "bytes=200000-" in ranges
    assert built["cached"] is False


def test_a_download_that_is_always_cut(registry: RealRegistry, repository: str, front: Front, make: Make, tmp_path: Path) -> None:
    registry.push(f"{repository}:1", python_base())

    def cut(request: Any) -> bool:
        if request.command != "GET" or "/blobs/" not in request.path or len(registry.get(request.path)) > 200:
            return False
        front.answer(request, 200, b"x", [("Content-Length", "150")])
        return front.cut(request)

    front.fault = cut
    with pytest.raises(RegistryError, match=f"{front.host} cut it"):
        make(base=f"{front.host}/{repository}:1", target=f"oci:{tmp_path}/out", insecure=[front.host], attempts=3)


def test_a_manifest_that_is_cut_is_asked_for_again(
    registry: RealRegistry, repository: str, front: Front, make: Make, tmp_path: Path, said: Lines
) -> None:
    registry.push(f"{repository}:1", python_base())

    def cut(request: Any) -> bool:
        front.answer(request, 200, b"{", [("Content-Length", "500")])
        return front.cut(request)

    times(front, 2, lambda request: "/manifests/" in request.path, cut)
    assert make(base=f"{front.host}/{repository}:1", target=f"oci:{tmp_path}/out", insecure=[front.host])["cached"] is False
    assert said.text.count("in the middle") == 2


def test_a_registry_that_gives_no_parts(registry: RealRegistry, repository: str, front: Front, make: Make, tmp_path: Path) -> None:
    noise = random.Random(3).randbytes(400_000)
    registry.push(f"{repository}:1", Base({"noise": noise, "usr/bin/python3.11": b"", "usr/bin/python3": ("link", "python3.11")}))

    def whole(request: Any) -> bool:
        if request.command != "GET" or "/blobs/" not in request.path:
            return False
        body = registry.get(request.path)
        headers = [("Content-Length", str(len(body)))]
        if request.headers["Range"] or len(body) < 100_000:
            return front.answer(request, 200, body, headers)
        front.answer(request, 200, body[:150_000], headers)
        return front.cut(request)

    front.fault = whole
    assert make(base=f"{front.host}/{repository}:1", target=f"oci:{tmp_path}/out", insecure=[front.host])["cached"] is False


def test_the_way_of_a_large_blob_is_told(settings: dict[str, Any], make: Make, said: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(put, "_TOLD_EVERY", 0.0)
    make(**settings)
    assert re.search(r"the code layer: [\d.]+ kB of 30\d\.\d kB", said.text), said.text


def test_a_blob_that_is_not_what_it_is_called(registry: RealRegistry, repository: str, front: Front, make: Make, tmp_path: Path) -> None:
    registry.push(f"{repository}:1", python_base())
    front.fault = lambda request: (
        "/blobs/" in request.path and request.command == "GET" and front.answer(request, 200, b"{}", [("Content-Length", "2")])
    )
    with pytest.raises(BaseImageError, match="another content than sha256"):
        make(base=f"{front.host}/{repository}:1", target=f"oci:{tmp_path}/out", insecure=[front.host])


def test_a_base_that_does_not_exist(registry: RealRegistry, repository: str, make: Make) -> None:
    registry.push(f"{repository}:1", python_base())
    for name in (f"{repository}:2", "no/such:1", f"{repository}@sha256:{'0' * 64}"):
        with pytest.raises(BaseImageError, match="there is no image"):
            make(base=f"{registry.host}/{name}", target=f"{registry.host}/{repository}")
