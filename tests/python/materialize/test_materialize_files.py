"""Text, bytes, files and folders; and that a file is there whole or not at all."""

from __future__ import annotations

import errno
import os
import pathlib
import socket
import stat
import subprocess
import sys
import zipfile

import pytest

from runwright import materialize

SOURCES = pathlib.Path(materialize.__file__).parents[1]


def test_long_text(roundtrip):
    value = "zeile\r\n\ud800 " + "ä" * 40_000
    descriptor, back = roundtrip(value)
    assert (descriptor["kind"], descriptor["path"]) == ("text", "outputs/x/data.txt")
    assert back == value


@pytest.mark.parametrize("value", [b"", b"\x00\r\n" * 100_000, bytearray(b"abc")], ids=["empty", "long", "bytearray"])
def test_bytes(roundtrip, value):
    descriptor, back = roundtrip(value)
    assert (descriptor["kind"], descriptor["format"]) == ("file", "bin")
    assert back == value and type(back) is type(value)


def test_memoryview(roundtrip):
    assert roundtrip(memoryview(b"abc"))[1] == b"abc"


def test_a_file_is_copied_under_its_name(roundtrip, tmp_path):
    source = tmp_path / "Bericht März.PDF"
    source.write_bytes(b"%PDF")
    descriptor, back = roundtrip(source)
    assert (descriptor["kind"], descriptor["format"], descriptor["path"]) == ("file", "pdf", "outputs/x/Bericht März.PDF")
    source.write_bytes(b"changed")
    assert back.read_bytes() == b"%PDF" and not os.path.samefile(back, source)


@pytest.mark.parametrize("name", ["a.pickle", "a.csv", "a.npy", "a.png", "a.json", "a.bin", "noext", "a.parquet", "x" * 250 + ".bin"])
def test_a_file_reads_back_as_a_path_whatever_its_name(roundtrip, tmp_path, name):
    (tmp_path / name).write_bytes(b"no such format")
    _, back = roundtrip(tmp_path / name)
    assert isinstance(back, pathlib.Path) and back.name == name


def test_relative_paths_and_other_path_classes(roundtrip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("x")

    class Elsewhere:
        def __fspath__(self):
            return "a.txt"

    assert roundtrip(pathlib.Path("a.txt"))[1].read_text() == "x"
    assert roundtrip(Elsewhere(), "outputs/y")[1].read_text() == "x"


def test_a_missing_file(fails, tmp_path):
    error = fails(tmp_path / "nothing.csv")
    assert "nothing.csv" in error.message and "No such file" in error.message


def test_what_is_no_file(fails, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "neither a file nor a folder" in fails(tmp_path / "pipe").message


def folder(path):
    (path / "sub" / "empty").mkdir(parents=True)
    (path / "b.txt").write_text("b")
    (path / "sub" / "ä.txt").write_text("a")
    (path / "run.sh").write_text("#!/bin/sh")
    (path / "run.sh").chmod(0o755)
    (path / "link").symlink_to("b.txt")
    return path


def test_a_folder_comes_back(roundtrip, tmp_path):
    descriptor, back = roundtrip(folder(tmp_path / "modell"))
    assert (descriptor["kind"], descriptor["format"], descriptor["path"]) == ("folder", "zip", "outputs/x/modell.zip")
    assert descriptor["files"] == 4
    assert sorted(str(p.relative_to(back)) for p in back.rglob("*")) == ["b.txt", "link", "run.sh", "sub", "sub/empty", "sub/ä.txt"]
    assert (back / "link").read_text() == "b" and not (back / "link").is_symlink()
    assert (back / "run.sh").stat().st_mode & stat.S_IXUSR and not (back / "b.txt").stat().st_mode & stat.S_IXUSR
    assert materialize.read(descriptor, str(tmp_path)) == back  # unpacked once


def test_a_folder_is_the_same_bytes_for_the_same_content(tmp_path):
    one, two = folder(tmp_path / "1" / "m"), folder(tmp_path / "2" / "m")
    os.utime(two / "b.txt", (1, 1))
    assert len({materialize.write(path, str(tmp_path), f"o{i}")["sha256"] for i, path in enumerate((one, two))}) == 1


def test_a_folder_beside_which_nothing_can_be_written(tmp_path, monkeypatch):
    import tempfile

    descriptor = materialize.write(folder(tmp_path / "m"), str(tmp_path), "o")
    real = tempfile.mkdtemp
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **options: real(**options) if not options.get("dir") else denied())

    def denied():
        raise PermissionError(errno.EACCES, "Permission denied")

    back = materialize.read(descriptor, str(tmp_path))
    assert tmp_path not in back.parents and (back / "b.txt").read_text() == "b"


@pytest.mark.parametrize("bad", ["dangling", "loop", "socket"])
def test_a_folder_with_what_cannot_be_kept(fails, tmp_path, bad, monkeypatch):
    path = tmp_path / "m"
    path.mkdir()
    if bad == "socket":
        monkeypatch.chdir(path)
        socket.socket(socket.AF_UNIX).bind("s")
    else:
        (path / "link").symlink_to("nothing" if bad == "dangling" else ".")
    fails(path)


def test_a_folder_that_holds_its_own_output(fails, tmp_path):
    fails(tmp_path)


def test_a_zip_that_leads_out_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../evil.txt", "x")
    with pytest.raises(materialize.MaterializeFailed, match="leads out"):
        materialize.read({"kind": "folder", "format": "zip", "path": "evil.zip"}, str(tmp_path))
    assert not (tmp_path.parent / "evil.txt").exists() and os.listdir(tmp_path) == ["evil.zip"]


def test_a_failed_write_leaves_what_was_there(tmp_path):
    first = materialize.write(b"abc", str(tmp_path), "o")
    with pytest.raises(materialize.MaterializeFailed):
        materialize.write((i for i in ()), str(tmp_path), "o")
    assert os.listdir(tmp_path / "o") == ["data.bin"]
    assert materialize.read(first, str(tmp_path)) == b"abc"


def test_a_retry_replaces_the_file(tmp_path):
    materialize.write(b"abc", str(tmp_path), "o")
    assert materialize.read(materialize.write(b"d", str(tmp_path), "o"), str(tmp_path)) == b"d"


def test_interrupted_while_writing(tmp_path, no_user_materializers):
    class Slow(materialize.Materializer):
        def handles(self, value):
            return value == "slow"

        def write(self, value, path):
            pathlib.Path(path).write_text("half")
            raise KeyboardInterrupt

    materialize.register(Slow)
    with pytest.raises(KeyboardInterrupt):
        materialize.write("slow", str(tmp_path), "a/b")
    assert os.listdir(tmp_path) == []


FULL = """
import errno, os, resource, signal, sys
sys.path.insert(0, {sources!r})
import materialize
{make}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
try:
    materialize.write(value, {base!r}, "o")
except OSError as error:
    assert error.errno == errno.EFBIG, error
    assert not os.path.exists({base!r} + "/o"), os.listdir({base!r} + "/o")
    os._exit(0)
os._exit(1)
"""


@pytest.mark.parametrize(
    "make",
    [
        "value = b'x' * 100_000",
        "value = list(range(50_000))",
        "value = {'a': [object() for _ in range(5)], 'b': os.urandom(100_000)}",
        "import numpy; value = numpy.zeros(50_000)",
        "import pandas, numpy; value = pandas.DataFrame({'a': numpy.random.random(50_000)})",
        "import polars, numpy; value = polars.DataFrame({'a': numpy.random.random(50_000)})",
        "import polars, numpy; value = polars.LazyFrame({'a': numpy.random.random(50_000)})",
        "import numpy, sklearn.neighbors as n; value = n.KNeighborsClassifier().fit(numpy.random.random((9000, 2)), [0, 1] * 4500)",
        "import PIL.Image; value = PIL.Image.frombytes('L', (300, 300), os.urandom(90_000))",
        "import scipy.sparse; value = scipy.sparse.random(1000, 1000, 0.02, format='csr')",
    ],
    ids=["bytes", "json", "pickle", "array", "pandas", "polars", "lazy", "sklearn", "image", "sparse"],
)
def test_a_full_disk_is_an_oserror(tmp_path, make):
    code = FULL.format(sources=str(SOURCES), base=str(tmp_path), make=make)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "o").write_text("a file")
    with pytest.raises(OSError) as caught:
        materialize.write(b"abc", str(tmp_path), "o")
    assert caught.value.errno in (errno.EEXIST, errno.ENOTDIR)


def test_read_tells_a_file_that_is_gone_or_changed(tmp_path):
    descriptor = materialize.write(b"abc", str(tmp_path), "o")
    (tmp_path / "o" / "data.bin").write_bytes(b"ab")
    with pytest.raises(materialize.MaterializeFailed, match="2 bytes, but 3"):
        materialize.read(descriptor, str(tmp_path))
    (tmp_path / "o" / "data.bin").unlink()
    with pytest.raises(materialize.MaterializeFailed, match=r"o/data\.bin: there is no file"):
        materialize.read(descriptor, str(tmp_path))
    with pytest.raises(materialize.MaterializeFailed, match="neither"):
        materialize.read({"type": "artifact"}, str(tmp_path))


def test_files_from_elsewhere(tmp_path):
    (tmp_path / "a.weird").write_text("x")
    (tmp_path / "a.json").write_text('{"a": 1}')
    (tmp_path / "a.txt").write_text("text")
    assert materialize.read({"path": "a.weird"}, str(tmp_path)) == tmp_path / "a.weird"
    assert materialize.read({"path": str(tmp_path / "a.json"), "as": "value"}, "/") == {"a": 1}
    assert materialize.read({"path": "a.txt", "format": "txt"}, str(tmp_path)) == "text"


def test_a_damaged_file_names_itself(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"no array")
    with pytest.raises(materialize.MaterializeFailed, match=r"a\.npy: cannot be read as npy"):
        materialize.read({"path": "a.npy"}, str(tmp_path))
