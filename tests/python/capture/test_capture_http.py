"""Code from servers and object stores."""

from __future__ import annotations

import io
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from capture_lab import Lab

from runwright.capture import fetch
from runwright.capture import http as http_module
from runwright.exceptions import InvalidError, SourceError, StoreError

CODE = b"def f():\n    return 1\n"


def archive(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)
    return out.getvalue()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    seen: list[tuple[str, str | None]]
    other: str


class Answers(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: Any) -> None: ...

    def send(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        headers.setdefault("Content_Length", str(len(body)))
        for key, value in headers.items():
            if value:
                self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        count = sum(one[0] == self.path for one in self.server.seen)
        if path in ("/functions.py", "/größe.py", "/gr%C3%B6%C3%9Fe.py", "/with%20space.py"):
            self.send(200, CODE)
        elif path == "/code.zip":
            self.send(200, archive({"repo-main/functions.py": CODE.decode()}))
        elif path == "/flaky.py":
            self.send(*((503,) if count < 3 else (200, CODE)))
        elif path == "/cut.py":
            if count < 2:
                self.send(200, CODE[:5], Content_Length="500")
                self.close_connection = True
            else:
                self.send(200, CODE)
        elif path == "/page.py":
            self.send(200, b"<!DOCTYPE html><html>")
        elif path == "/large.py":
            self.send(200, b"", Content_Length=str(9 << 20))
        elif path == "/endless.py":
            self.send(200, b"", Content_Length="")
            try:
                while True:
                    self.wfile.write(b"#" * 65536)
            except OSError:
                pass
        elif path == "/slow.py":
            self.send(200, b"", Content_Length="")
            try:
                for _ in range(200):
                    self.wfile.write(b"#")
                    time.sleep(0.05)
            except OSError:
                pass
        elif path == "/private.py":
            self.send(200, CODE) if self.headers.get("Authorization") else self.send(401)
        elif path == "/elsewhere.py":
            self.send(302, Location=f"{self.server.other}/functions.py")
        elif path == "/to_file.py":
            self.send(302, Location="file:///etc/passwd")
        elif path == "/to_plain.py":
            self.send(302, Location="http://example.org/x.py")
        elif path == "/loop.py":
            self.send(302, Location="/loop.py")
        else:
            self.send(404)


@pytest.fixture(scope="module")
def servers() -> Iterator[list[Server]]:
    made = [Server(("127.0.0.1", 0), Answers) for _ in range(2)]
    for at, one in enumerate(made):
        one.seen = []
        one.other = f"http://localhost:{made[1 - at].server_port}"
        threading.Thread(target=one.serve_forever, daemon=True).start()
    yield made
    for one in made:
        one.shutdown()
        one.server_close()


@pytest.fixture
def url(servers: list[Server], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(http_module, "DELAYS", (0.01, 0.01))
    for key in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(key, raising=False)
    for one in servers:
        one.seen.clear()
    return f"http://127.0.0.1:{servers[0].server_port}"


def test_a_file(url: str, lab: Lab) -> None:
    source = fetch(f"{url}/functions.py?raw=true", "f")
    assert source["origin"] == "https"
    assert source["uri"] == f"{url}/functions.py?raw=true"
    assert source["handler"] == "functions:f"
    assert lab.run(source) == "1"
    assert fetch(f"{url}/größe.py", "f")["handler"] == "größe:f"
    assert fetch(f"{url}/with space.py", "f")["handler"] == "with_space:f"
    assert fetch(f"{url}/functions.py")["handler"] is None


def test_an_archive(url: str, lab: Lab) -> None:
    source = fetch(f"zip+{url}/code.zip", "functions:f")
    assert source["origin"] == "zip"
    assert source["uri"] == f"zip+{url}/code.zip"
    assert lab.run(source) == "1"
    with pytest.raises(InvalidError, match="archive") as caught:
        fetch(f"{url}/code.zip", "f")
    assert "zip+http" in str(caught.value.cure)


@pytest.mark.parametrize("path", ["flaky.py", "cut.py"])
def test_failures_of_the_network_are_tried_again(url: str, path: str) -> None:
    assert fetch(f"{url}/{path}", "f")["files"][path] == CODE.decode()


def test_a_server_that_says_no_is_not_asked_again(url: str, servers: list[Server]) -> None:
    with pytest.raises(SourceError, match="404"):
        fetch(f"{url}/nothing.py", "f")
    assert len(servers[0].seen) == 1


def test_no_server() -> None:
    with pytest.raises(SourceError, match="cannot be reached"):
        fetch("http://127.0.0.1:9/x.py", "f")


def test_credentials(url: str, servers: list[Server]) -> None:
    with pytest.raises(SourceError, match="401") as caught:
        fetch(f"{url}/private.py", "f")
    assert "HTTP_TOKEN" in str(caught.value.cure)
    assert fetch(f"{url}/private.py", "f", secrets={"HTTP_TOKEN": "t0k3n"}.get)["uri"] == f"{url}/private.py"
    source = fetch(url.replace("//", "//user:s3cr3t@") + "/private.py", "f")
    assert source["uri"] == f"{url}/private.py"
    assert [auth for _, auth in servers[0].seen] == [None, "Bearer t0k3n", "Basic dXNlcjpzM2NyM3Q="]
    with pytest.raises(SourceError) as caught:
        fetch(url.replace("//", "//user:s3cr3t@") + "/nothing.py?token=abc", "f")
    assert "s3cr3t" not in f"{caught.value}{caught.value!r}{vars(caught.value)}"
    assert "abc" not in f"{caught.value}{vars(caught.value)}"


def test_another_host_is_not_told_the_credential(url: str, servers: list[Server]) -> None:
    fetch(f"{url}/elsewhere.py", "f", secrets={"HTTP_TOKEN": "t0k3n"}.get)
    assert servers[0].seen[0][1] == "Bearer t0k3n"
    assert servers[1].seen == [("/functions.py", None)]


@pytest.mark.parametrize("path", ["to_file.py", "to_plain.py", "loop.py"])
def test_bad_redirects(url: str, path: str) -> None:
    with pytest.raises((SourceError, InvalidError)):
        fetch(f"{url}/{path}", "f")


def test_limits(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("large.py", "endless.py"):
        with pytest.raises(SourceError, match="larger than 8 MiB"):
            fetch(f"{url}/{path}", "f")
    monkeypatch.setattr(http_module, "SECONDS", 0.3)
    with pytest.raises(SourceError, match="took longer"):
        fetch(f"{url}/slow.py", "f")


def test_a_web_page(url: str) -> None:
    with pytest.raises(SourceError, match="web page"):
        fetch(f"{url}/page.py", "f")


@pytest.mark.parametrize("bad", ["http://example.org/x.py", "zip+http://example.org/x.zip", "http://localhost.example.org/x.py"])
def test_only_encrypted(bad: str) -> None:
    with pytest.raises(SourceError, match="not encrypted"):
        fetch(bad, "f")


@pytest.mark.parametrize(
    "bad",
    [
        "https://",
        "https:///x.py",
        "https://host",
        "https://host/",
        "https://host:x/a.py",
        "zip+ftp://h/x.zip",
        "zip+file:///x.zip",
        "https://[x/a.py",
    ],
)
def test_bad_urls(bad: str) -> None:
    with pytest.raises(InvalidError) as caught:
        fetch(bad, "f")
    assert caught.value.field == "code_src"


def test_object_stores(lab: Lab) -> None:
    asked: list[str] = []

    def read_url(url: str) -> bytes:
        asked.append(url)
        return archive({"functions.py": CODE.decode()}) if url.endswith(".zip") else CODE

    source = fetch("zip+s3://bucket/code.zip", "functions:f", read_url=read_url)
    assert (source["origin"], source["uri"]) == ("zip", "zip+s3://bucket/code.zip")
    assert lab.run(source) == "1"
    assert fetch("s3://bucket/functions.py", "f", read_url=read_url)["handler"] == "functions:f"
    assert asked == ["s3://bucket/code.zip", "s3://bucket/functions.py"]
    with pytest.raises(SourceError, match="no artifact store"):
        fetch("zip+s3://bucket/code.zip", "f")

    def broken(url: str) -> bytes:
        raise OSError("https://signed.example/?X-Amz-Signature=s3cr3t")

    with pytest.raises(SourceError) as caught:
        fetch("zip+s3://bucket/code.zip", "f", read_url=broken)
    assert "s3cr3t" not in str(caught.value)

    def refused(url: str) -> bytes:
        raise StoreError("no")

    with pytest.raises(StoreError):
        fetch("zip+s3://bucket/code.zip", "f", read_url=refused)
    with pytest.raises(SourceError, match="8 MiB"):
        fetch("s3://bucket/x.py", "f", read_url=lambda _: b"#" * (9 << 20))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@host/x?raw=1#f", "https://host/x?raw=1#f"),
        ("https://host/x?X-Amz-Signature=abc&a=1", "https://host/x"),
        ("https://host/x?access_token=abc", "https://host/x"),
        ("https://host/x?sv=1&sig=abc", "https://host/x"),
        ("git+https://t@host/x", "git+https://host/x"),
        ("https://u:p@[bad/x", "https://[bad/x"),
        ("git+file:///a/b#c", "git+file:///a/b#c"),
        ("no url", "no url"),
    ],
)
def test_redact(url: str, shown: str) -> None:
    assert http_module.redact(url) == shown
