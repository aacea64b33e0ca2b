"""The same inputs, built twice, are the same bytes."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import tarfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builder_lab import RealRegistry, files_of, open_layer, python_base, wheel

from runwright.execute.builder.failures import ConfigError
from runwright.execute.builder.pack import content_digest, pack

Make = Callable[..., dict[str, Any]]
SKIP = frozenset({"__pycache__"})


def copy(folder: Path, target: Path) -> Path:
    """The same content with other dates, modes and order."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file():
            other = target / path.relative_to(folder)
            other.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            other.write_bytes(path.read_bytes())
            other.chmod(0o777 if os.access(path, os.X_OK) and path.stat().st_mode & 0o100 else 0o606)
            os.utime(other, (1, 1))
    return target


def build_elsewhere(settings: dict[str, Any], umask: int) -> dict[str, Any]:
    """In a process of its own, with another umask and another seed for hashes."""
    program = """
        import json, os, sys
        os.umask(int(sys.argv[1]))
        from runwright.execute.builder import build
        print(json.dumps(build(json.loads(sys.argv[2]), lambda line: None)))
    """
    environment = {**os.environ, "PYTHONHASHSEED": str(umask), "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", textwrap.dedent(program), str(umask), json.dumps(settings)]
    return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def test_two_builds_are_the_same(registry: RealRegistry, repository: str, links: Path, code: Path, make: Make, tmp_path: Path) -> None:
    source = "X = {'a', 'b', None, 3}\n\n\ndef f(x):\n    return x in {'one', 'two', 'three', None, 1.5}\n" + "\n".join(
        f"N{n} = 'x{n}'" for n in range(99)
    )
    wheel(links, "gamma", files={"gamma/__init__.py": source, "gamma/data.txt": "1", "gamma/broken.py": "print 1\n"}, script="gamma:f")
    base = registry.push(f"{repository}-base:1", python_base())
    built = []
    for number, umask in enumerate((0o022, 0o077)):
        work = tmp_path / f"work-{number}"
        work.mkdir()
        settings = {
            "base": base, "target": f"{registry.host}/{repository}-{number}", "requirements": ["alpha", "gamma"], "work": str(work),
            "code": str(copy(code, tmp_path / f"copy-{number}/deeper")), "insecure": [registry.host],
        }  # fmt: skip
        built.append(build_elsewhere(settings, umask))
        assert list(work.iterdir()) == []
    assert built[0]["layers"] == built[1]["layers"]
    assert built[0]["digest"] == built[1]["digest"]
    assert built[0]["tag"].rpartition(":")[2] == built[1]["tag"].rpartition(":")[2]
    image = built[0]["image"].partition("/")[2]
    with registry.layer(image, 2) as archive:
        names = archive.getnames()
        assert all((entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime) == (0, 0, "", "", 0) for entry in archive)
        assert {oct(entry.mode) for entry in archive} == {"0o755", "0o644"}
    compiled = [name for name in names if name.endswith(".pyc")]
    # Compiled files are the same each time, or not there.
    assert bool(compiled) is (sys.version_info >= (3, 11))
    if compiled:
        found = files_of(registry.layer(image, 2))
        content = found[f"opt/runwright/packages/gamma/__pycache__/__init__.cpython-{sys.version_info[0]}{sys.version_info[1]}.pyc"]
        assert b"/opt/runwright/packages/gamma/__init__.py" in content
        assert int.from_bytes(content[4:8], "little") == 1  # by hash, unchecked
        assert str(tmp_path).encode() not in b"".join(found.values())


def test_without_compiled_files(registry: RealRegistry, repository: str, links: Path, make: Make) -> None:
    built = make(
        base=registry.push(f"{repository}:1", python_base()), target=f"{registry.host}/{repository}", requirements=["beta"], compiled=False
    )
    assert not [name for name in registry.layer(built["image"].partition("/")[2], 2).getnames() if "pyc" in name]


def test_a_date_of_ones_own(registry: RealRegistry, repository: str, code: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    base = registry.push(f"{repository}:1", python_base())
    plain = make(base=base, target=f"{registry.host}/{repository}", code=str(code))
    assert registry.config(plain["image"].partition("/")[2])["created"] == "2024-02-03T04:05:06Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    dated = make(base=base, target=f"{registry.host}/{repository}", code=str(code))
    assert dated["tag"] != plain["tag"]
    image = dated["image"].partition("/")[2]
    assert {entry.mtime for entry in registry.layer(image, 2)} == {1700000000}
    assert registry.config(image)["created"] == "2023-11-14T22:13:20Z"


def test_names_of_all_kinds(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    names = [
        "ä/ö.txt",
        "very/" + "long/" * 40 + "x" * 120,
        "with space",
        "-dash",
        b"caf\xe9.txt".decode("utf-8", "surrogateescape"),
        "a.b",
        "a/b",
    ]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    (folder / "a/link").symlink_to("../a.b")
    (folder / "a/__pycache__").mkdir()
    (folder / "a/__pycache__/b.pyc").write_text("x")
    (folder / "empty").mkdir()
    packed = pack(folder, "/opt/x", tmp_path / "layer", epoch=0, what="code", skip=SKIP)
    data = (tmp_path / "layer").read_bytes()
    assert data[4:8] == b"\0\0\0\0"
    found = {entry.name.encode("utf-8", "surrogateescape"): entry for entry in open_layer(data)}
    for name in [*names, "a/link", "empty"]:
        assert f"opt/x/{name}".encode("utf-8", "surrogateescape") in found
    assert not [name for name in found if b"__pycache__" in name]
    assert b"opt" not in found
    assert found[b"opt/x/a/link"].linkname == "../a.b"
    assert packed.files == len(names)
    with tarfile.open(fileobj=gzip.open(tmp_path / "layer")) as again:
        assert len(again.getmembers()) == len(found)


@pytest.mark.parametrize("link", ["/etc/passwd", "../outside", "a/../../outside"])
def test_links_that_lead_out_are_refused(tmp_path: Path, link: str) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/evil").symlink_to(link)
    with pytest.raises(ConfigError, match=r"evil is a link that leads out"):
        pack(tmp_path / "tree", "/opt/x", tmp_path / "layer", epoch=0, what="code")


def test_pipes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    os.mkfifo(tmp_path / "tree/pipe")
    with pytest.raises(ConfigError, match="neither a file"):
        content_digest(tmp_path / "tree", SKIP)


def test_what_changes_the_digest_of_code(tmp_path: Path, code: Path) -> None:
    known = {content_digest(code, SKIP)}
    assert content_digest(copy(code, tmp_path / "copy"), SKIP) in known
    (code / "__pycache__").mkdir()
    (code / "__pycache__/x.pyc").write_text("")
    assert content_digest(code, SKIP) in known

    def changes(change: Callable[[], Any]) -> None:
        change()
        digest = content_digest(code, SKIP)
        assert digest not in known
        known.add(digest)

    changes(lambda: (code / "functions.py").write_text("pass"))
    changes(lambda: (code / "functions.py").chmod(0o755))
    changes(lambda: (code / "functions.py").rename(code / "other.py"))
    changes(lambda: (code / "link").symlink_to("other.py"))
    changes((code / "empty").mkdir)
    changes(lambda: shutil.rmtree(code / "package"))


def test_a_layer_is_the_same_with_each_python(tmp_path: Path, code: Path) -> None:
    """Where the zlib is one: its output is not promised to be the same in another release."""
    import glob

    digests = set()
    package = Path(sys.modules["runwright.execute.builder"].__file__ or "").parents[3]
    found = sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python")))
    pythons = [path for path in found if int(path.split("/versions/3.")[1].split(".")[0]) >= 9]
    program = """
        import sys
        execute = type(sys)("_runwright"); execute.__path__ = [sys.argv[1] + "/runwright"]; sys.modules["_runwright"] = execute
        from pathlib import Path
        from _runwright.execute.builder.pack import pack
        packed = pack(Path(sys.argv[2]), "/opt/x", Path(sys.argv[3]), epoch=0, what="code")
        print(packed.layer.digest)
    """
    for number, python in enumerate(pythons or [sys.executable]):
        command = [python, "-I", "-c", textwrap.dedent(program), str(package), str(code), str(tmp_path / f"layer-{number}")]
        digests.add(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert len(digests) == 1
