"""How the results of a run in a pod go to an artifact store by presigned URLs, and what is said where they cannot."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from pod_lab import Pod
from pod_results_lab import Folder, Store, Stored, hang_up, refuse

from tests.servers.s3 import Bucket


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_slots(folder: Folder, s3: Bucket, count: int) -> None:
    slots = Stored(s3, 3)
    contents = {f"outputs/{n}/data": os.urandom(70_000) if n else b"" for n in range(count)}
    for path, content in contents.items():
        folder.add(path, content)
    came = folder.back(slots=slots.urls)
    assert (came.channel, came.state) == ("message", "COMPLETED")
    assert slots.files(came) == contents
    zipped = [path for path, facts in came.payload["files"].items() if facts.get("in") == "zip"]
    assert len(zipped) == (count - 2 if count > 3 else 0)
    assert not slots.has(3 if count >= 3 else count)
    assert os.listdir(folder.root / "home" / "tmp") == []


@pytest.mark.parametrize("files", [0, 2, 5])
def test_a_payload_over_the_limit_goes_to_the_first_slot(folder: Folder, s3: Bucket, files: int) -> None:
    slots = Stored(s3, 3)
    folder.events = [{"type": "metric", "time": 1.0, "name": os.urandom(50).hex(), "value": n} for n in range(2000)]
    contents = {f"outputs/{n}/data": os.urandom(100) for n in range(files)}
    for path, content in contents.items():
        folder.add(path, content)
    came = folder.back(slots=slots.urls)
    assert (came.channel, came.state, came.stream) == ("slot", "COMPLETED", b"")
    packed = slots.get(0)
    assert (len(packed), hashlib.sha256(packed).hexdigest()) == tuple(came.announced["slot"].values())
    came.payload = json.loads(zlib.decompress(packed))
    assert without_upload(came.events, files > 0) == folder.events
    assert slots.files(came) == contents


def without_upload(events: list[dict[str, Any]], uploaded: bool) -> list[dict[str, Any]]:
    """The events but the last, which says how long the files took, where there were any."""
    if not uploaded:
        return events
    mark = events[-1]
    assert (mark["type"], mark["name"]) == ("mark", "upload")
    assert 0 < mark["seconds"] < 60
    return events[:-1]


def test_one_slot_is_for_the_file_before_the_payload(folder: Folder, s3: Bucket) -> None:
    slots = Stored(s3, 1)
    folder.events = [{"type": "metric", "time": 1.0, "name": os.urandom(50).hex(), "value": n} for n in range(2000)]
    folder.add("outputs/a/data", b"1")
    came = folder.back(slots=slots.urls)
    assert (came.channel, came.error["cause"]) == ("stream", "ResultTooLarge")
    assert slots.files(came) == {"outputs/a/data": b"1"}


def test_with_slots_what_is_left_goes_into_the_stream(folder: Folder, s3: Bucket) -> None:
    slots = Stored(s3, 2)
    folder.add("outputs/a/data", b"1")
    folder.events = [{"type": "metric", "time": 1.0, "name": "m", "value": n} for n in range(200)]
    came = folder.back(slots=slots.urls)
    assert (came.channel, without_upload(came.events, True)) == ("stream", folder.events)
    assert slots.files(came) == {"outputs/a/data": b"1"}


@pytest.mark.parametrize(
    "fault",
    [refuse(500), refuse(503), refuse(429), refuse(400, "<Error><Code>RequestTimeout</Code></Error>"), hang_up],
    ids=["500", "503", "429", "timeout", "hang-up"],
)
def test_a_fault_that_passes(folder: Folder, store: Store, fault: Any, capfd: pytest.CaptureFixture[str]) -> None:
    store.answers = [fault, fault, store.fine]
    folder.add("outputs/a/data", b"x" * 3_000_000)
    slot = {"url": store.url, "headers": {"x-ms-blob-type": "BlockBlob"}}
    came = folder.back(slots=[slot])
    assert came.state == "COMPLETED"
    headers, body = store.seen[0]
    assert body == b"x" * 3_000_000
    assert (headers["x-ms-blob-type"], headers["Content-Length"], len(store.seen)) == ("BlockBlob", "3000000", 1)
    said = capfd.readouterr().out.splitlines()
    assert len(said) == 2
    assert all(line.startswith("runwright: the output 'outputs/a/data' could not be stored at http://127.0.0.1") for line in said)
    assert "hidden" not in "".join(said)


@pytest.mark.parametrize("read", [True, False])
def test_a_refusal_is_said_and_not_tried_again(folder: Folder, store: Store, read: bool) -> None:
    asked = []

    def no(request: BaseHTTPRequestHandler) -> None:
        asked.append(1)
        refuse(403, "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>", read)(request)

    store.answers = [no]
    folder.add("outputs/a/data", b"x" * (1000 if not read else 3_000_000))
    folder.add("outputs/.entities/e/data", b"entity", output=False)
    came = folder.back(slots=[store.url, store.url])
    assert (came.state, came.error["cause"], len(asked)) == ("ERROR", "OutputError", 1)
    assert "HTTP 403 Forbidden (AccessDenied: Request has expired)" in came.error["message"]
    assert "hidden" not in came.error["message"]
    assert "RUNWRIGHT_ARTIFACTS" in came.error["cure"]
    assert (came.end["outputs"], came.payload["files"]) == ({}, {})


def test_a_server_that_refuses_before_it_has_all_is_heard(folder: Folder) -> None:
    """A store that knows from the head that it will not take the body answers, and closes."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 413 Entity Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                connection.shutdown(socket.SHUT_WR)
                time.sleep(0.3)
                # Closing with unread bytes resets the connection.

    threading.Thread(target=serve, daemon=True).start()
    folder.add("outputs/a/data", b"x" * 30_000_000)
    came = folder.back(slots=[f"http://127.0.0.1:{listening.getsockname()[1]}/x"])
    listening.close()
    assert "HTTP 413" in came.error["message"]


def test_patience_ends(folder: Folder, store: Store) -> None:
    store.answers = [refuse(503)]
    folder.add("outputs/a/data", b"1")
    came = folder.back(patience=1.0, slots=[store.url])
    assert (came.state, came.error["cause"]) == ("ERROR", "OutputError")
    assert "HTTP 503" in came.error["message"]


def test_nobody_listens(folder: Folder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    folder.add("outputs/a/data", b"1")
    came = folder.back(patience=1.0, slots=[f"http://127.0.0.1:{port}/x"])
    assert "Connection refused" in came.error["message"]


def test_a_url_that_is_none(folder: Folder) -> None:
    folder.add("outputs/a/data", b"1")
    assert folder.back(slots=["nonsense"]).error["cause"] == "OutputError"


def test_a_failed_upload_does_not_hide_the_runs_own_error(folder: Folder, store: Store) -> None:
    store.answers = [refuse(403)]
    folder.add("outputs/.entities/e/data", b"entity", output=False)
    error = {"cause": "UserError", "message": "its own"}
    folder.end = {**folder.end, "state": "ERROR", "error": error}
    came = folder.back(slots=[store.url])
    assert (came.state, came.error, came.payload["files"]) == ("ERROR", error, {})


def test_a_proxy_of_the_runs_own(pod: Pod, store: Store) -> None:
    pod.lay(
        "def f(): return b'content'", envs={"http_proxy": store.url.partition("/bucket")[0]}, pod={"slots": ["http://store.invalid/slot?x"]}
    )
    assert pod.run().state == "COMPLETED"
    assert [body for _, body in store.seen] == [b"content"]


def test_a_whole_run_through_a_bucket(pod: Pod, s3: Bucket) -> None:
    slots = Stored(s3, 2)
    code = """
        def f(run):
            run.log_artifact("art", data=b"logged")
            return {"data": b"x" * 20_000_000, "n": 1}
    """
    pod.lay(code, pod={"slots": slots.urls})
    came = pod.run()
    assert (came.code, came.channel, came.values["n"]) == (0, "message", 1)
    assert sorted(map(len, slots.files(came).values())) == [6, 20_000_000]


def test_an_expired_url_is_explained(pod: Pod, s3: Bucket) -> None:
    url = s3.signer.presign("PUT", f"/{s3.bucket}/x", expires=1)
    pod.lay("import time\ndef f():\n    time.sleep(2.5)\n    return b'late'", pod={"slots": [url]})
    came = pod.run()
    assert (came.code, came.error["cause"]) == (1, "OutputError")
    assert "HTTP 403" in came.error["message"]
    assert url.partition("?")[2] not in came.stdout + came.printed
