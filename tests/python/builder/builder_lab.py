"""Bases, wheels and a real registry, all made on the spot and small."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import platform
import shutil
import signal
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

from tests.cluster.binaries import binary
from tests.servers.processes import ProcessRef, answers, free_port, private_folder, start, wait_ready

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker.distribution"
MINOR = "{}.{}".format(*sys.version_info[:2])
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Lines(list[str]):
    """What a build said."""

    @property
    def text(self) -> str:
        return "\n".join(self)


class RealRegistry:
    """The OCI distribution registry in a process of its own, with its content in a folder."""

    def __init__(self) -> None:
        self.folder = private_folder("runwright-registry-")
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        settings = {
            "version": 0.1,
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "content")}, "delete": {"enabled": True}},
            "http": {"addr": self.host, "secret": "x"},
        }
        (self.folder / "settings.json").write_text(json.dumps(settings))
        log = self.folder / "log"
        environment = {"PATH": "/usr/bin:/bin", "OTEL_TRACES_EXPORTER": "none"}
        command = [binary("registry"), "serve", self.folder / "settings.json"]
        self.process: ProcessRef = start(command, log, env=environment, die_with_parent=signal.SIGTERM)
        wait_ready("the registry", self.process, lambda: answers(self.port), log)

    def stop(self) -> None:
        self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def get(self, path: str, accept: str = "*/*") -> bytes:
        return ask("GET", f"http://{self.host}{path}", accept)

    def manifest(self, image: str) -> dict[str, Any]:
        """By `repository:tag` or `repository@digest`, without the host."""
        name, _, version = image.partition("@") if "@" in image else image.rpartition(":")
        accept = f"{OCI}.manifest.v1+json, {DOCKER}.manifest.v2+json"
        return json.loads(self.get(f"/v2/{name}/manifests/{version}", accept))

    def config(self, image: str) -> dict[str, Any]:
        name = image.partition("@")[0] if "@" in image else image.rpartition(":")[0]
        return json.loads(self.get(f"/v2/{name}/blobs/{self.manifest(image)['config']['digest']}"))

    def layer(self, image: str, number: int) -> tarfile.TarFile:
        name = image.partition("@")[0] if "@" in image else image.rpartition(":")[0]
        return open_layer(self.get(f"/v2/{name}/blobs/{self.manifest(image)['layers'][number]['digest']}"))

    def tags(self, repository: str) -> list[str]:
        try:
            return sorted(json.loads(self.get(f"/v2/{repository}/tags/list"))["tags"] or [])
        except urllib.error.HTTPError:
            return []

    def push(self, image: str, base: Base, docker: bool = False) -> str:
        """Put a base there; the name to build on."""
        name, _, tag = image.partition(":")
        for blob in (*base.layers, base.config):
            request = urllib.request.Request(f"http://{self.host}/v2/{name}/blobs/uploads/", method="POST")
            with _DIRECT.open(request) as answer:
                place = answer.headers["Location"]
            put = f"{place}&digest={sha256(blob)}"
            ask("PUT", put, body=blob, content="application/octet-stream")
        manifest = base.manifest(docker)
        ask("PUT", f"http://{self.host}/v2/{name}/manifests/{tag}", body=json.dumps(manifest).encode(), content=manifest["mediaType"])
        return f"{self.host}/{image}"

    def push_index(self, image: str, entries: list[dict[str, Any]], docker: bool = False) -> str:
        name, _, tag = image.partition(":")
        kind = f"{DOCKER}.manifest.list.v2+json" if docker else f"{OCI}.index.v1+json"
        content = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode()
        ask("PUT", f"http://{self.host}/v2/{name}/manifests/{tag}", body=content, content=kind)
        return f"{self.host}/{image}"


def ask(method: str, url: str, accept: str = "*/*", body: bytes | None = None, content: str = "") -> bytes:
    headers = {"Accept": accept, **({"Content-Type": content} if content else {})}
    with _DIRECT.open(urllib.request.Request(url, data=body, method=method, headers=headers)) as answer:
        return answer.read()


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def open_layer(data: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(data), mode="r:gz")


class Base:
    """An image that could be a base: layers as dicts of path → content, and links as path → ("link", target)."""

    def __init__(
        self,
        *layers: dict[str, Any],
        env: dict[str, str] | None = None,
        architecture: str = ARCHITECTURE,
        compressed: bool = True,
        **config: Any,
    ) -> None:
        plain = [_tar(layer) for layer in layers]
        self.compressed = compressed
        self.layers = [gzip.compress(layer, mtime=0) if compressed else layer for layer in plain]
        settled = {
            "architecture": architecture,
            "os": "linux",
            "created": "2024-02-03T04:05:06Z",
            "config": {"Env": [f"{name}={value}" for name, value in (env or {}).items()], "Cmd": ["python3"], "User": "1234", **config},
            "rootfs": {"type": "layers", "diff_ids": [sha256(layer) for layer in plain]},
            "history": [{"created_by": "made by hand"} for _ in plain],
        }
        self.config = json.dumps(settled).encode()

    def manifest(self, docker: bool = False) -> dict[str, Any]:
        if docker:
            kind, config, layer = (
                f"{DOCKER}.manifest.v2+json",
                "application/vnd.docker.container.image.v1+json",
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
            )
        else:
            kind, config, layer = (
                f"{OCI}.manifest.v1+json",
                f"{OCI}.config.v1+json",
                f"{OCI}.layer.v1.tar" + ("+gzip" if self.compressed else ""),
            )
        return {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": {"mediaType": config, "digest": sha256(self.config), "size": len(self.config)},
            "layers": [{"mediaType": layer, "digest": sha256(data), "size": len(data)} for data in self.layers],
        }

    def write(self, folder: Path, tag: str = "base") -> str:
        """As an OCI layout; the name to build on."""
        blobs = folder / "blobs/sha256"
        blobs.mkdir(parents=True, exist_ok=True)
        raw = json.dumps(self.manifest()).encode()
        for data in (*self.layers, self.config, raw):
            (blobs / sha256(data)[7:]).write_bytes(data)
        entry = {"mediaType": f"{OCI}.manifest.v1+json", "digest": sha256(raw), "size": len(raw)}
        entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
        index = folder / "index.json"
        known = json.loads(index.read_text())["manifests"] if index.exists() else []
        index.write_text(json.dumps({"schemaVersion": 2, "manifests": [*known, entry]}))
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        return f"oci:{folder}:{tag}"


def python_base(version: str = MINOR, **more: Any) -> Base:
    """What looks like an image with Python: a file system's names are all that a build outside of it looks at."""
    first = {"usr/bin/sh": b"#", "bin": ("link", "usr/bin"), "etc/os-release": b"ID=test\n"}
    second = {f"usr/local/bin/python{version}": b"\x7fELF", "usr/local/bin/python3": ("link", f"python{version}")}
    return Base(first, second, **{"env": {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}, **more})


def _tar(files: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            if isinstance(content, tuple):
                entry.type, entry.linkname = tarfile.SYMTYPE, content[1]
                archive.addfile(entry)
            else:
                entry.size, entry.mode = len(content), 0o755
                archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    files: dict[str, str] | None = None,
    requires: tuple[str, ...] = (),
    script: str = "",
    tag: str = "py3-none-any",
    python: str = "",
) -> Path:
    """A wheel with a module of the same name; `script` (`module:function`) makes a command of it."""
    content = {f"{name}.py": f"VERSION = {version!r}\n\n\ndef main():\n    print({name!r}, VERSION)\n"} if files is None else dict(files)
    info = f"{name}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    metadata += [f"Requires-Dist: {line}" for line in requires] + ([f"Requires-Python: {python}"] if python else [])
    content[f"{info}/METADATA"] = "\n".join(metadata) + "\n"
    content[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n"
    if script:
        content[f"{info}/entry_points.txt"] = f"[console_scripts]\n{name} = {script}\n"
    record = []
    for path, text in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record.append(f"{path},sha256={digest},{len(text.encode())}\n")
    content[f"{info}/RECORD"] = "".join([*record, f"{info}/RECORD,,\n"])
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, text in content.items():
            archive.writestr(path, text)
    return target


def files_of(archive: tarfile.TarFile) -> dict[str, bytes]:
    found = {}
    for entry in archive:
        reader = archive.extractfile(entry) if entry.isreg() else None
        found[entry.name] = reader.read() if reader else b""
    return found
