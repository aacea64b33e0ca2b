"""Materializers of users: by call, by entry point, and from the runner's own copy of the package."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from custom_estimators import Plain

from runwright import extend, materialize
from runwright.materialize import registry

SOURCES = Path(materialize.__file__).parents[1]
pytestmark = pytest.mark.usefixtures("no_user_materializers")


class Plains(extend.Materializer):
    kind, format, type = "plain", "pln", "dataitem"

    def handles(self, value):
        return isinstance(value, Plain)

    def write(self, value, path):
        Path(path).write_text(json.dumps(value.value))
        return {"length": 1, "path": "ignored", "sha256": "ignored"}

    def read(self, path, descriptor):
        return Plain(json.loads(Path(path).read_text()))


def test_by_call(roundtrip):
    assert extend.register_materializer(Plains) is Plains
    descriptor, back = roundtrip(Plain([1]))
    assert (descriptor["type"], descriptor["kind"], descriptor["format"], descriptor["path"]) == (
        "dataitem",
        "plain",
        "pln",
        "outputs/x/data.pln",
    )
    assert descriptor["length"] == 1 and descriptor["materializer"].endswith(":Plains")
    assert back == Plain([1])


def test_by_call_comes_before_the_builtins_and_the_newest_first(roundtrip):
    class Numbers(Plains):
        def handles(self, value):
            return type(value) is int

        def write(self, value, path):
            Path(path).write_text(str(value))

        def read(self, path, descriptor):
            return int(Path(path).read_text())

    class Later(Numbers):
        kind = "later"

    materialize.register(Numbers())
    assert roundtrip(5)[0]["kind"] == "plain"
    materialize.register(Later)
    descriptor, back = roundtrip(5, "outputs/y")
    assert descriptor["kind"] == "later" and back == 5
    assert roundtrip("text", "outputs/z")[0]["type"] == "value"


def test_reading_where_it_was_not_registered(tmp_path):
    materialize.register(Plains)
    descriptor = materialize.write(Plain(1), str(tmp_path), "o")
    registry.registered().clear()
    assert materialize.read(descriptor, str(tmp_path)) == Plain(1)  # its module is importable
    with pytest.raises(materialize.MaterializeFailed, match="'gone:Plains', which cannot be loaded here") as caught:
        materialize.read({**descriptor, "materializer": "gone:Plains"}, str(tmp_path))
    assert "register" in caught.value.cure
    materialize.register(Plains)
    assert materialize.read({**descriptor, "materializer": "gone:Plains"}, str(tmp_path)) == Plain(1)  # by kind and format


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"write": lambda self, value, path: {}}, "did not write a file"),
        ({"write": lambda self, value, path: Path(path).mkdir()}, "did not write a file"),
        ({"write": lambda self, value, path: (Path(path).write_text("x"), {"a": object()})[1]}, "dict of JSON values"),
        ({"write": lambda self, value, path: (Path(path).write_text("x"), {"a": float("nan")})[1]}, "dict of JSON values"),
        ({"write": lambda self, value, path: (Path(path).write_text("x"), "text")[1]}, "dict of JSON values"),
        ({"write": lambda self, value, path: 1 / 0}, "ZeroDivisionError"),
        ({"handles": lambda self, value: 1 / 0}, "`handles` of the materializer"),
    ],
)
def test_a_bad_materializer(tmp_path, change, says):
    materialize.register(type("Bad", (Plains,), change))
    with pytest.raises(materialize.MaterializeFailed) as caught:
        materialize.write(Plain(1), str(tmp_path), "outputs/x", name="clean")
    assert says in caught.value.message and "'clean'" in caught.value.message
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    "bad", [object(), type("X", (Plains,), {"type": "thing"}), type("X", (Plains,), {"kind": None}), type("X", (Plains,), {"read": None})]
)
def test_what_is_no_materializer_is_refused(bad):
    with pytest.raises(TypeError):
        materialize.register(bad)
    assert registry.registered() == []


def test_by_entry_point_only_where_no_builtin_matches(tmp_path, monkeypatch, roundtrip):
    (tmp_path / "site" / "epmat-1.0.dist-info").mkdir(parents=True)
    (tmp_path / "site" / "epmat-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: epmat\nVersion: 1.0\n")
    (tmp_path / "site" / "epmat-1.0.dist-info" / "entry_points.txt").write_text(
        "[runwright.materializers]\nplains = epmat:Points\nbroken = epmat:nothing\n"
    )
    (tmp_path / "site" / "epmat.py").write_text(
        textwrap.dedent(
            """
            from runwright.extend import MaterializeFailed, Materializer
            class Points(Materializer):
                kind, format = "point", "pt2"
                asked = []
                def handles(self, value):
                    self.asked.append(type(value).__name__)
                    return type(value).__name__ == "Plain"
                def write(self, value, path):
                    if value.value == "bad":
                        raise MaterializeFailed("is bad", "be good")
                    open(path, "w").write(str(value.value)); return {}
                def read(self, path, descriptor):
                    return open(path).read()
            """
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    roundtrip(5)
    roundtrip(b"bytes", "outputs/b")
    assert registry._from_entry_points is None
    with pytest.warns(RuntimeWarning, match="epmat:nothing"):
        descriptor, back = roundtrip(Plain(7), "outputs/p")
    assert (descriptor["kind"], descriptor["materializer"], back) == ("point", "epmat:Points", "7")
    assert sys.modules["epmat"].Points.asked == ["Plain"]
    with pytest.raises(materialize.MaterializeFailed, match=r"'result' of type custom_estimators\.Plain: is bad") as caught:
        materialize.write(Plain("bad"), str(tmp_path), "o")
    assert caught.value.cure == "be good"


def test_the_runners_copy_sees_what_user_code_registers(tmp_path):
    spec = importlib.util.spec_from_file_location(
        "_rwcopy", SOURCES / "materialize" / "__init__.py", submodule_search_locations=[str(SOURCES / "materialize")]
    )
    copy = importlib.util.module_from_spec(spec)
    sys.modules["_rwcopy"] = copy
    try:
        spec.loader.exec_module(copy)

        class Refuses(Plains):
            def write(self, value, path):
                raise extend.MaterializeFailed("is refused", "return something else")

        extend.register_materializer(Refuses)
        assert copy.MaterializeFailed is not materialize.MaterializeFailed
        with pytest.raises(copy.MaterializeFailed) as caught:
            copy.write(Plain(1), str(tmp_path), "o")
        assert "is refused" in caught.value.message and caught.value.cure == "return something else"
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "_rwcopy"]:
            del sys.modules[name]


def test_a_format_that_nobody_reads(tmp_path):
    (tmp_path / "a.pln").write_text("1")
    with pytest.raises(materialize.MaterializeFailed, match="nothing here reads the format 'pln'"):
        materialize.read({"path": "a.pln", "of": "x.Y", "kind": "plain"}, str(tmp_path))


def test_extend_names():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys, types; p = types.ModuleType('runwright'); p.__path__ = [{str(SOURCES)!r}]; sys.modules['runwright'] = p\n"
            "from runwright.extend import *; print(Materializer, register_materializer, MaterializeFailed)",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
