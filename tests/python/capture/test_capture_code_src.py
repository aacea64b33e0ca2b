"""Files, folders and archives of this machine, and the limits that hold for all."""

from __future__ import annotations

import base64
import io
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from capture_lab import Lab

from runwright.capture import fetch
from runwright.capture.ignore import Ignore
from runwright.exceptions import InvalidError, SourceError


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def test_a_file(tmp_path: Path, lab: Lab) -> None:
    write(tmp_path, {"src/my-train.py": "def train_model(x):\n    return x + 1\n"})
    source = fetch(str(tmp_path / "src/my-train.py"), "train_model")
    assert source["origin"] == "file"
    assert source["handler"] == "my_train:train_model"
    assert list(source["files"]) == ["my_train.py"]
    assert lab.run(source, 1) == "2"
    assert fetch(f"file://{tmp_path}/src/my-train.py", "train_model")["files"] == source["files"]
    assert fetch(tmp_path / "src/my-train.py", "my_train:train_model")["handler"] == "my_train:train_model"  # type: ignore[arg-type]


def test_a_file_relative_and_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"a.py": "def f(): ..."})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert fetch("a.py", "f")["uri"] == "a.py"
    assert fetch("~/a.py", "f")["handler"] == "a:f"


def test_a_file_brings_the_modules_beside_it(tmp_path: Path, lab: Lab) -> None:
    write(
        tmp_path,
        {
            "a.py": "import json\nfrom helpers import g\nfrom parts.one import X\ndef f():\n    return g() + X\n",
            "helpers.py": "def g():\n    return 1\n",
            "parts/one.py": "X = 2\n",
            "parts/two.py": "",
            "json.txt": "",
        },
    )
    source = fetch(str(tmp_path / "a.py"), "f")
    assert list(source["files"]) == ["a.py", "helpers.py", "parts/one.py"]
    assert lab.run(source) == "3"


def test_a_file_with_relative_imports_stays_in_its_package(tmp_path: Path, lab: Lab) -> None:
    write(
        tmp_path,
        {"pkg/__init__.py": "", "pkg/a.py": "from .b import g\ndef f():\n    return g()\n", "pkg/b.py": "def g():\n    return 1\n"},
    )
    source = fetch(str(tmp_path / "pkg/a.py"), "f")
    assert source["handler"] == "pkg.a:f"
    assert lab.run(source) == "1"
    assert fetch(str(tmp_path / "pkg/a.py"), "a:f")["handler"] == "pkg.a:f"


def test_a_file_without_handler_is_any_file(tmp_path: Path) -> None:
    write(tmp_path, {"query.sql": "select 1", "blob.bin": b"\xff\x00"})
    assert fetch(str(tmp_path / "query.sql"))["files"] == {"query.sql": "select 1"}
    assert fetch(str(tmp_path / "blob.bin"))["binary"] == {"blob.bin": base64.b64encode(b"\xff\x00").decode()}
    with pytest.raises(InvalidError, match="no Python module"):
        fetch(str(tmp_path / "query.sql"), "f")


def test_a_folder(tmp_path: Path, lab: Lab) -> None:
    write(
        tmp_path,
        {
            "functions.py": """
from pkg.deep import go
import pathlib
def f():
    return go() + len(pathlib.Path(__file__).with_name('data.bin').read_bytes())
""",
            "pkg/__init__.py": "",
            "pkg/deep.py": "def go():\n    return 1\n",
            "data.bin": b"\xff\xfe",
            "data.csv": "a,b\n",
            "__pycache__/functions.cpython-311.pyc": b"x",
            ".git/config": "[core]",
            ".venv/pyvenv.cfg": "",
            "envs/one/pyvenv.cfg": "",
            "envs/one/lib/x.py": "",
            ".ipynb_checkpoints/a.py": "",
            "pkg/__pycache__/x.pyc": b"",
            ".env": "TOKEN=secret",
            "x.egg-info/PKG-INFO": "",
        },
    )
    source = fetch(str(tmp_path), "functions:f")
    assert list(source["files"]) == ["data.csv", "functions.py", "pkg/__init__.py", "pkg/deep.py"]
    assert list(source["binary"]) == ["data.bin"]
    assert "secret" not in str(source)
    assert lab.run(source) == "3"
    assert fetch(str(tmp_path) + "/", "pkg.deep:go")["handler"] == "pkg.deep:go"
    assert fetch(str(tmp_path), "f")["handler"] == "functions:f"
    assert fetch(str(tmp_path))["handler"] is None


def test_a_folder_leaves_out_what_it_is_told_to(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a.py": "",
            "data/x.csv": "",
            "data/keep.csv": "",
            "sub/b.log": "",
            "sub/big/y.py": "",
            ".runwrightignore": "# c\n/data/*\n!keep.csv\n*.log\nbig/\n",
        },
    )
    assert list(fetch(str(tmp_path))["files"]) == [".runwrightignore", "a.py", "data/keep.csv"]


@pytest.mark.parametrize(
    ("pattern", "path", "out"),
    [
        ("*.log", "a/b.log", True),
        ("/x.py", "x.py", True),
        ("/x.py", "a/x.py", False),
        ("a/*.py", "a/x.py", True),
        ("a/*.py", "a/b/x.py", False),
        ("a/**/x.py", "a/x.py", True),
        ("a/**/x.py", "a/b/c/x.py", True),
        ("**/x.py", "a/x.py", True),
        ("data/", "data/x/y.csv", True),
        ("data/", "data", False),
        ("[ab].py", "a.py", True),
        ("[!ab].py", "a.py", False),
        ("?.py", "a.py", True),
        ("\\#x", "#x", True),
        ("(", "(", True),
        ("*.py\n!a.py", "a.py", False),
        ("[", "x", False),
    ],
)
def test_ignore(pattern: str, path: str, out: bool) -> None:
    assert Ignore(pattern).leaves_out_any(path) is out


def test_links(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", {"secret.txt": "s"})
    inside = write(tmp_path / "inside", {"a.py": "x = 1", "sub/b.py": "y = 1"})
    os.symlink("a.py", inside / "same.py")
    os.symlink("sub", inside / "linked")
    os.symlink("nowhere", inside / "broken")
    os.symlink(".", inside / "loop")
    assert list(fetch(str(inside))["files"]) == ["a.py", "same.py", "sub/b.py"]
    os.symlink(outside / "secret.txt", inside / "out.txt")
    with pytest.raises(SourceError, match=r"'out\.txt' leads out"):
        fetch(str(inside))
    (inside / "out.txt").unlink()
    os.symlink(outside, inside / "outfolder")
    with pytest.raises(SourceError, match="leads out"):
        fetch(str(inside))


def test_a_pipe_in_a_folder_does_not_hang(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": ""})
    os.mkfifo(tmp_path / "pipe")
    assert list(fetch(str(tmp_path))["files"]) == ["a.py"]
    with pytest.raises(SourceError, match="neither a file nor a folder"):
        fetch(str(tmp_path / "pipe"))


def test_limits_of_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "big", {"a.bin": b"x" * (5 << 20), "b.bin": b"x" * (4 << 20)})
    with pytest.raises(SourceError, match="8 MiB") as caught:
        fetch(str(tmp_path / "big"))
    assert ".runwrightignore" in str(caught.value.cure)
    write(tmp_path / "many", {f"{n}.txt": "" for n in range(2001)})
    with pytest.raises(SourceError, match="2,000 files"):
        fetch(str(tmp_path / "many"))
    with pytest.raises(SourceError, match="8 MiB"):
        fetch(str(write(tmp_path, {"one.py": "#" * (9 << 20)}) / "one.py"), "f")


def test_what_is_not_there(tmp_path: Path) -> None:
    write(tmp_path, {"train.py": ""})
    with pytest.raises(SourceError, match=r"did you mean 'train\.py'") as caught:
        fetch(str(tmp_path / "trian.py"), "f")
    assert caught.value.field == "code_src"
    for bad in ("", " ", "a\nb", "a\0b"):
        with pytest.raises(InvalidError) as wrong:
            fetch(bad)
        assert wrong.value.field == "code_src"
    with pytest.raises(InvalidError, match="another machine"):
        fetch("file://host/path")
    with pytest.raises(InvalidError, match="ftp:// is not known"):
        fetch("ftp://user:pass@host/x.py")
    with pytest.raises(SourceError, match="neither encrypted"):
        fetch("git://host/x")


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("root reads all")
    file = write(tmp_path, {"a.py": ""}) / "a.py"
    file.chmod(0)
    with pytest.raises(SourceError, match="ermission"):
        fetch(str(file))


def packed(entries: dict[str, bytes | str], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name) if name.endswith("/") else name, content)
    return out.getvalue()


def zipped(tmp_path: Path, data: bytes) -> str:
    (tmp_path / "a.zip").write_bytes(data)
    return str(tmp_path / "a.zip")


def test_an_archive(tmp_path: Path, lab: Lab) -> None:
    data = packed(
        {
            "src/": "",
            "src/functions.py": "def f():\n    return 1\n",
            "x.bin": b"\xff",
            "__pycache__/x.pyc": b"",
            "e/pyvenv.cfg": "",
            "e/x.py": "",
        }
    )
    source = fetch(zipped(tmp_path, data), "src.functions:f")
    assert source["origin"] == "zip"
    assert list(source["files"]) == ["src/functions.py"]
    assert list(source["binary"]) == ["x.bin"]
    assert lab.run(source) == "1"


def test_the_one_folder_of_an_archive_is_taken_off(tmp_path: Path) -> None:
    data = packed({"repo-main/functions.py": "def f(): ...", "repo-main/pkg/__init__.py": ""})
    assert list(fetch(zipped(tmp_path, data), "functions:f")["files"]) == ["functions.py", "pkg/__init__.py"]
    assert fetch(zipped(tmp_path, data), "f")["handler"] == "functions:f"
    data = packed({"src/functions.py": "def f(): ..."})
    assert fetch(zipped(tmp_path, data), "src.functions:f")["handler"] == "src.functions:f"
    data = packed({"pkg/__init__.py": "", "pkg/m.py": "def f(): ..."})
    assert fetch(zipped(tmp_path, data), "pkg.m:f")["handler"] == "pkg.m:f"


def link(name: str, target: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, target)
    return out.getvalue()


def encrypted() -> bytes:
    data = bytearray(packed({"a.py": "x"}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(mark) + offset
        data[at : at + 2] = struct.pack("<H", struct.unpack("<H", data[at : at + 2])[0] | 1)
    return bytes(data)


def twice() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, pytest.warns(UserWarning):
        archive.writestr("a.py", "x = 1")
        archive.writestr("a.py", "x = 2")
    return out.getvalue()


def renamed(raw: bytes) -> bytes:
    """An archive whose one name is these bytes, without the mark that says UTF-8."""
    return packed({"n" * len(raw): "x"}).replace(b"n" * len(raw), raw)


def lying() -> bytes:
    """Says that it unpacks to one byte."""
    data = bytearray(packed({"a.bin": b"\0" * (9 << 20)}))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(mark) + offset
        data[at : at + 4] = struct.pack("<I", 1)
    return bytes(data)


EVIL = {
    "parent": (packed({"../evil.py": "x"}), "climbs out"),
    "inner_parent": (packed({"a/../../evil.py": "x"}), "climbs out"),
    "absolute": (packed({"/etc/evil.py": "x"}), "absolute"),
    "drive": (packed({"C:/evil.py": "x"}), "absolute"),
    "backslash": (renamed(b"..\\evil.py"), "backslash"),
    "dot": (packed({"./a.py": "x"}), "climbs out"),
    "double_slash": (packed({"a//b.py": "x"}), "climbs out"),
    "newline": (packed({"a\n.py": "x"}), "character"),
    "long": (packed({"a" * 300: "x"}), "too long"),
    "in_a_cache": (packed({"__pycache__/../../x.pyc": "x"}), "climbs out"),
    "link": (link("passwd", "/etc/passwd"), "link"),
    "encrypted": (encrypted(), "encrypted"),
    "twice": (twice, "twice"),
    "file_and_folder": (packed({"a": "x", "a/b.py": "x"}), "twice"),
    "not_utf8": (renamed(b"n\xe9\xe8n.py"), "not UTF-8"),
    "zero_byte": (renamed(b"ab\0cd.py"), "zero byte"),
    "bomb_ratio": (packed({"a.bin": b"\0" * (4 << 20)}), "explodes"),
    "bomb_total": (packed({f"{n}.bin": os.urandom(1 << 20) for n in range(9)}, zipfile.ZIP_STORED), "8 MiB"),
    "bomb_lie": (lying(), "no zip|8 MiB"),
    "many": (packed({f"{n}": "" for n in range(2001)}), "2,000 files"),
    "very_many": (packed({f"{n}": "" for n in range(20_001)}, zipfile.ZIP_STORED), "entries"),
    "no_zip": (b"<html>", "no zip"),
    "empty": (b"", "no zip"),
    "cut": (packed({"a.py": "x" * 1000})[:-30], "no zip"),
    "damaged": (packed({"a.py": os.urandom(1000)}, zipfile.ZIP_STORED).replace(b"a.py", b"b.py", 1), "no zip"),
}


@pytest.mark.parametrize("name", EVIL)
def test_evil_archives(tmp_path: Path, name: str) -> None:
    data, words = EVIL[name]
    before = set(tmp_path.rglob("*"))
    with pytest.raises(SourceError, match=words) as caught:
        fetch(zipped(tmp_path, data() if callable(data) else data))
    assert caught.value.field == "code_src"
    assert {path.name for path in set(tmp_path.rglob("*")) - before} == {"a.zip"}
