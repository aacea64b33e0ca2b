"""Requirements: who installs them, for which Python, and what is said where they cannot be had."""

from __future__ import annotations

import base64
import glob
import io
import os
import subprocess
import sys
import sysconfig
import tarfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from builder_lab import MINOR, Lines, files_of, open_layer, python_base, wheel

from runwright.execute.builder import install
from runwright.execute.builder.complaints import explain
from runwright.execute.builder.failures import BaseImageError, ConfigError, DiskFull, RequirementError
from tests.servers.processes import free_port

Make = Callable[..., dict[str, Any]]
UV = Path(sysconfig.get_path("scripts"), "uv")


@pytest.fixture
def try_to(tmp_path: Path, make: Make) -> Callable[..., dict[str, Any]]:
    """Build a layout with requirements."""

    def try_to(*requirements: str, version: str = MINOR, **settings: Any) -> dict[str, Any]:
        base = python_base(version).write(tmp_path / f"base-{version}")
        return make(base=base, target=f"oci:{tmp_path}/out", requirements=list(requirements), **settings)

    return try_to


def packages(tmp_path: Path, built: dict[str, Any]) -> dict[str, bytes]:
    data = (tmp_path / "out/blobs/sha256" / built["layers"][0]["digest"][7:]).read_bytes()
    return {name.removeprefix("opt/runwright/packages/"): content for name, content in files_of(open_layer(data)).items()}


@pytest.fixture(params=["pip", "uv"])
def installer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both that can install; uv only where there is no pip."""
    if request.param == "uv":
        if not UV.exists():
            pytest.skip("there is no uv beside this Python")
        monkeypatch.setattr(install, "_pip", lambda *_: None)
        monkeypatch.setenv("PATH", f"{UV.parent}:{os.environ['PATH']}")
    return request.param


def source(folder: Path, name: str, setup: str) -> None:
    """A package that has to be built."""
    with tarfile.open(folder / f"{name}-1.0.tar.gz", "w:gz") as archive:
        for path, text in (("setup.py", setup), ("PKG-INFO", f"Metadata-Version: 1.0\nName: {name}\nVersion: 1.0\n")):
            entry = tarfile.TarInfo(f"{name}-1.0/{path}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))


def test_both_install_the_same(links: Path, try_to: Callable[..., Any], tmp_path: Path, installer: str, said: Lines) -> None:
    built = try_to("alpha")
    found = packages(tmp_path, built)
    assert f"with {installer}" in said.text
    assert {"alpha.py", "beta.py", "bin/alpha", "alpha-1.0.dist-info/METADATA"} <= set(found)
    assert found["bin/alpha"].startswith(b"#!/usr/local/bin/python3\n")
    digest = base64.urlsafe_b64encode(__import__("hashlib").sha256(found["bin/alpha"]).digest()).rstrip(b"=")
    assert b"bin/alpha,sha256=" + digest in found["alpha-1.0.dist-info/RECORD"]
    assert not [name for name in found if name.endswith((".lock", "direct_url.json")) or name == "bin/__pycache__"]


@pytest.mark.parametrize(
    ("requirements", "named", "words"),
    [
        (["beta", "nosuchthing"], "nosuchthing", "does not exist"),
        (["beta==7.7"], "beta", "version"),
        (["alpha", "beta<2"], "alpha", "contradict"),
        (["beta=1"], "beta=1", "not written as a requirement"),
        (["later"], "later", "another Python"),
    ],
)
def test_what_cannot_be_had_is_named(
    links: Path, try_to: Callable[..., Any], installer: str, requirements: list[str], named: str, words: str
) -> None:
    wheel(links, "later", python=">=3.99")
    wheel(links, "beta", "1.0")
    with pytest.raises(RequirementError) as failure:
        try_to(*requirements)
    assert failure.value.cause == "RequirementError"
    assert named in failure.value.message.splitlines()[0]
    assert words in failure.value.message
    assert named in (failure.value.requirement or "")
    assert failure.value.cure


def test_what_does_not_compile(links: Path, try_to: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    source(links, "broken", "raise SystemExit('the header zlib.h is missing')\n")
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")
    with pytest.raises(RequirementError, match="broken") as failure:
        try_to("beta", "broken")
    assert "compiler" in (failure.value.cure or "") or "header" in failure.value.message


def test_an_index_that_is_not_there(links: Path, try_to: Callable[..., Any], installer: str) -> None:
    place = f"http://ada:s3cr3t@127.0.0.1:{free_port()}/simple"
    settings = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": place, "PIP_RETRIES": "1", "UV_HTTP_RETRIES": "0", "UV_NO_INDEX": "0"}
    with pytest.raises(RequirementError, match="cannot be reached") as failure:
        try_to("nosuchthing", installer_env=settings)
    assert "s3cr3t" not in failure.value.message


@pytest.fixture
def index(links: Path, tmp_path: Path) -> Iterator[str]:
    """A package index over HTTP that wants a password; its URL with it."""
    simple = tmp_path / "index/simple"
    for path in links.iterdir():
        folder = simple / path.name.partition("-")[0]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "index.html").write_text(f'<a href="/{path.name}">{path.name}</a>')
        (tmp_path / "index" / path.name).write_bytes(path.read_bytes())
    expected = "Basic " + base64.b64encode(b"ada:s3cr3t").decode()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            if self.headers.get("Authorization") != expected:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="index"')
                self.end_headers()
                return
            super().do_GET()

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "index")))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://ada:s3cr3t@127.0.0.1:{server.server_address[1]}/simple"
    server.shutdown()
    server.server_close()


def test_the_password_of_an_index_goes_nowhere(index: str, try_to: Callable[..., Any], tmp_path: Path, installer: str, said: Lines) -> None:
    settings = {"PIP_NO_INDEX": "0", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": index, "UV_NO_INDEX": "0"}
    built = try_to("alpha", installer_env=settings)
    assert "alpha.py" in packages(tmp_path, built)
    as_option = try_to("alpha", f"--index-url {index}", installer_env={"PIP_NO_INDEX": "0", "PIP_FIND_LINKS": "", "UV_NO_INDEX": "0"})
    assert as_option["tag"] != built["tag"]
    with pytest.raises(RequirementError) as failure:
        try_to("nosuchthing", f"--index-url {index}", installer_env=settings)
    assert "s3cr3t" not in said.text + failure.value.message
    for path in (tmp_path / "out").rglob("*"):
        assert not path.is_file() or b"s3cr3t" not in path.read_bytes()


@pytest.mark.skipif(not UV.exists(), reason="there is no uv beside this Python")
def test_for_another_python_uv_chooses(links: Path, try_to: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{UV.parent}:/usr/bin:/bin")
    for tag in ("cp310-none-any", "cp399-none-any"):
        wheel(links, "native", files={"native.py": f"TAG = {tag!r}\n"}, tag=tag)
    other = "3.10" if MINOR != "3.10" else "3.12"
    wheel(links, "native", files={"native.py": "TAG = 'right'\n"}, tag=f"cp{other.replace('.', '')}-none-any")
    wheel(links, "marked", requires=(f"beta; python_version == '{other}'", "nosuchthing; python_version != '" + other + "'"))
    found = packages(tmp_path, try_to("native", "marked", version=other))
    assert found["native.py"] == b"TAG = 'right'\n"
    assert "beta.py" in found
    # Compiled files of this Python are of no use to that one.
    assert not [name for name in found if name.endswith(".pyc")]


def test_for_another_python_that_is_here(links: Path, try_to: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pythons = {
        path.split("/versions/")[1].rpartition(".")[0].split("/")[0]: path
        for path in glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python"))
    }
    others = sorted({".".join(version.split(".")[:2]): path for version, path in pythons.items()}.items())
    others = [(version, path) for version, path in others if version not in ("3.6", "3.7", "3.8", MINOR)]
    if not others:
        pytest.skip("there is one Python only")
    version, python = others[0]
    (tmp_path / "bin").mkdir()
    (tmp_path / f"bin/python{version}").symlink_to(python)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    assert "alpha.py" in packages(tmp_path, try_to("alpha", version=version))


def test_for_another_python_that_is_not_here(links: Path, try_to: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, said: Lines) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BaseImageError, match=r"has Python 3\.99") as failure:
        try_to("alpha", version="3.99")
    assert "cluster" in (failure.value.cure or "")


def test_neither_pip_nor_uv(links: Path, try_to: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "_pip", lambda *_: None)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BaseImageError, match="neither pip nor uv"):
        try_to("alpha")


def test_a_python_without_pip_has_the_one_of_ensurepip(tmp_path: Path, links: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    found = install._pip(str(tmp_path / "bare/bin/python"), dict(os.environ))
    assert found is not None
    command, name = found
    assert name.startswith("pip ")
    assert subprocess.run([*command, "--version"], capture_output=True, text=True).stdout.startswith(name)


def test_further_folders_of_a_package(links: Path, try_to: Callable[..., Any], tmp_path: Path, said: Lines) -> None:
    files = {"hidden/deep.py": "X = 1\n", "deep.pth": "hidden\n# no\nimport os; os.environ['SEEN'] = '1'\nno/such\n"}
    wheel(links, "deep", files=files)
    built = try_to("deep")
    import json

    manifest = json.loads((tmp_path / "out/blobs/sha256" / built["digest"][7:]).read_bytes())
    config = json.loads((tmp_path / "out/blobs/sha256" / manifest["config"]["digest"][7:]).read_bytes())
    assert "PYTHONPATH=/opt/runwright/packages:/opt/runwright/packages/hidden" in config["config"]["Env"]
    assert "deep.pth" in said.text


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk needs root")
@pytest.mark.parametrize("room", ["300k", "3m"])
def test_no_room(links: Path, try_to: Callable[..., Any], tmp_path: Path, room: str) -> None:
    noise = os.urandom(1_000_000).hex()
    wheel(links, "large", files={"large.py": f"X = '{noise}'\n"})
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room}", "runwright-test", str(small)], check=True)
    try:
        with pytest.raises(DiskFull) as failure:
            try_to("large", work=str(small))
        assert failure.value.cause == "DiskFull"
        assert "disk" in (failure.value.cure or "")
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=True)


@pytest.mark.parametrize(
    "line", ["-e .", "./here", "/abs/x.whl", "-r more.txt", "--requirement=x", "name @ file:///x.whl", "-c limits.txt", "../up"]
)
def test_files_are_no_requirements(try_to: Callable[..., Any], line: str) -> None:
    with pytest.raises(ConfigError, match="names files"):
        try_to(line)


def test_words_of_installers() -> None:
    lines = [
        "Collecting a",
        "Collecting b==1",
        "  error: subprocess-exited-with-error",
        "  x python setup.py egg_info did not run",
        "error: metadata-generation-failed",
    ]
    assert explain(lines, ["a", "b==1"]).requirement == "b==1"  # type: ignore[union-attr]
    assert isinstance(explain(["OSError: [Errno 28] No space left on device"], ["a"]), DiskFull)
    found = explain(["ERROR: Failed building wheel for thing", "ERROR: Could not build wheels"], ["x"])
    assert "thing could not be compiled" in found.message
    unknown = explain(["something else"], ["one", "two"])
    assert "one, two" in unknown.message
    assert "something else" in unknown.message
