"""A package index that pods reach, with wheels that are made on the spot and others that this machine's pip fetched."""

from __future__ import annotations

import html
import http.server
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import zipfile
from pathlib import Path

from tests.cluster.settings import NODE_IP


class WheelIndex:
    """`with WheelIndex() as wheels:` serves until the end; `wheels.url` is what pip calls the index URL (plain http)."""

    def __init__(self, address: str = NODE_IP) -> None:
        """`address` is where it listens: the cluster's bridge, which pods reach."""
        self.folder = Path(tempfile.mkdtemp(prefix="runwright-wheels-"))
        self.requests: list[str] = []
        self._server = http.server.ThreadingHTTPServer((address, 0), _handler(self.folder, self.requests))
        self.host = address
        self.url = f"http://{address}:{self._server.server_port}/simple/"

    def __enter__(self) -> WheelIndex:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def environment(self) -> dict[str, str]:
        """What tells pip in a pod to use this index, and no other."""
        return {"PIP_INDEX_URL": self.url, "PIP_TRUSTED_HOST": self.host, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    def make(self, name: str, version: str, code: str = "", requires: tuple[str, ...] = ()) -> Path:
        """Make a wheel of one module, named like the package with `_` for `-`; `requires` are requirements of its own."""
        module = name.replace("-", "_")
        target = self.folder / f"{module}-{version}-py3-none-any.whl"
        info = f"{module}-{version}.dist-info"
        metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *(f"Requires-Dist: {each}" for each in requires)]
        files = {
            f"{module}.py": code or f'version = "{version}"\n',
            f"{info}/METADATA": "\n".join(metadata) + "\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
        with zipfile.ZipFile(target, "w") as wheel:
            for file, content in files.items():
                wheel.writestr(file, content)
        return target

    def add(self, *requirements: str, python: str = "3.11") -> None:
        """Fetch wheels with all that they require, as a Python of that version on this machine's processor would get them."""
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--dest", str(self.folder)),
            *("--only-binary=:all:", f"--python-version={python}", *requirements),
        ]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise RuntimeError(f"{' '.join(command)} failed: {result.stderr.strip()}")

    def forget_requests(self) -> None:
        """Count anew."""
        self.requests.clear()


def _handler(folder: Path, requests: list[str]) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            requests.append(self.path)
            content, form = _answer(folder, urllib.parse.unquote(self.path.partition("?")[0]))
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Type", form)
            self.send_header("Content-Length", str(len(content or b"")))
            if self.path.startswith("/files/"):
                self.send_header("Cache-Control", "max-age=365000000, immutable, public")  # as PyPI has it
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler


def _answer(folder: Path, path: str) -> tuple[bytes | None, str]:
    """The index's pages, `/simple/` and `/simple/NAME/`, and below `/files/` the wheels."""
    wheels = sorted(folder.glob("*.whl"))
    if path.startswith("/files/"):
        file = next((wheel for wheel in wheels if wheel.name == path.removeprefix("/files/")), None)
        return (file.read_bytes() if file else None), "application/octet-stream"
    name = path.removeprefix("/simple/").rstrip("/")
    if name:
        files = [wheel.name for wheel in wheels if _normal(wheel.name.partition("-")[0]) == _normal(name)]
        links = [(f"/files/{urllib.parse.quote(file)}", file) for file in files]
    else:
        links = [(f"/simple/{each}/", each) for each in sorted({_normal(wheel.name.partition("-")[0]) for wheel in wheels})]
    if not links and name:
        return None, "text/plain"
    body = "".join(f'<a href="{html.escape(target)}">{html.escape(text)}</a>\n' for target, text in links)
    return f"<!DOCTYPE html><html><body>\n{body}</body></html>\n".encode(), "text/html"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
