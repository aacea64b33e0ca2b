"""What a run left, without a run; a bucket, and a store with faults, for it to go to."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import threading
import urllib.error
import zipfile
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pod_lab import RUN_ID, Came

from runwright.execute.pod import Places, deliver
from runwright.execute.pod.put import Patience
from tests.servers.s3 import Bucket

LIMIT = 50_000


class Folder:
    """A run folder as a supervisor leaves it, brought back in this process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "home" / "runs" / RUN_ID
        self.path.mkdir(parents=True)
        (root / "home" / "tmp").mkdir()
        self.end: Any = {"state": "COMPLETED", "time": 2.0, "error": None, "outputs": {}, "names": [], "shape": "none"}
        self.events: list[dict[str, Any]] = []
        self.partial = b""

    def add(self, path: str, content: bytes, output: bool = True) -> None:
        (self.path / path).parent.mkdir(parents=True, exist_ok=True)
        (self.path / path).write_bytes(content)
        descriptor = {"type": "artifact", "path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        if output:
            self.end["outputs"][path.split("/")[1]] = descriptor
        else:
            self.events.append({"type": "entity", "time": 1.0, "entity": {"name": path, "output": descriptor}})

    def back(self, patience: float = 30.0, **pod: Any) -> Came:
        if self.end is not None:
            (self.path / "end.json").write_text(json.dumps(self.end))
        lines = "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in self.events)
        (self.path / "events.jsonl").write_bytes(lines.encode() + self.partial)
        places = Places({"RUNWRIGHT_POD_ROOT": str(self.root), "RUNWRIGHT_TERMINATION": str(self.root / "termination-job")})
        state = deliver.deliver(places, str(self.path), {"limit": LIMIT, **pod}, Patience(patience))
        came = Came(self.root, 0, "", (self.root / "home" / "results").read_text())
        assert came.state == state
        return came


class Stored:
    """Slots in a bucket."""

    def __init__(self, bucket: Bucket, count: int) -> None:
        self.bucket = bucket
        self.urls: list[Any] = [bucket.signer.presign("PUT", f"/{bucket.bucket}/run/{n}") for n in range(count)]

    def get(self, number: int) -> bytes:
        return self.bucket.signer.send("GET", f"/{self.bucket.bucket}/run/{number}")

    def has(self, number: int) -> bool:
        try:
            return self.get(number) is not None
        except urllib.error.HTTPError as error:
            assert error.code == 404
            return False

    def files(self, came: Came) -> dict[str, bytes]:
        found = {}
        for path, facts in came.payload["files"].items():
            content = self.get(facts["slot"])
            if facts.get("in") == "zip":
                content = zipfile.ZipFile(io.BytesIO(content)).read(path)
            assert (len(content), hashlib.sha256(content).hexdigest()) == (facts["size"], facts["sha256"])
            found[path] = content
        return found


class Store:
    """A store with faults. Each request is answered by the next of `answers`, the last of which stays."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.seen: list[tuple[Message, bytes]] = []
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                answer = store.answers.pop(0) if len(store.answers) > 1 else store.answers[0]
                answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/bucket/run/0?X-Signature=hidden"

    def fine(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        self.seen.append((request.headers, body))
        reply(request, 200)


def reply(request: BaseHTTPRequestHandler, code: int, body: str = "") -> None:
    request.send_response(code)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body.encode())


def refuse(code: int, body: str = "", read: bool = True) -> Any:
    def answer(request: BaseHTTPRequestHandler) -> None:
        if read:
            request.rfile.read(int(request.headers["Content-Length"]))
        request.close_connection = True
        reply(request, code, body)

    return answer


def hang_up(request: BaseHTTPRequestHandler) -> None:
    request.connection.shutdown(socket.SHUT_RDWR)
    request.close_connection = True
