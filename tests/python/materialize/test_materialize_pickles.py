"""Anything else is pickled, and what cannot be is refused with a cure."""

from __future__ import annotations

import asyncio
import fractions
import functools
import io
import os
import pickle
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from custom_estimators import Locked, Plain

from runwright import materialize
from runwright.materialize import pickled, sources

SOURCES = Path(materialize.__file__).parents[1]
HERE = ".".join(map(str, sys.version_info[:2]))


@pytest.mark.parametrize(
    "value", [Plain(1), fractions.Fraction(1, 3), {"a": Plain([1])}, len, Plain, functools.partial(int, base=2), io.BytesIO], ids=repr
)
def test_anything_else(roundtrip, value):
    descriptor, back = roundtrip(value)
    assert (descriptor["type"], descriptor["kind"], descriptor["format"], descriptor["python"]) == ("artifact", "pickle", "pickle", HERE)
    assert descriptor["note"].startswith("pickled: ")
    assert back == value or isinstance(value, functools.partial)


def test_why_is_said(roundtrip):
    assert roundtrip(Plain(1))[0]["note"] == "pickled: no better format is known for it"
    assert "holds a custom_estimators.Plain" in roundtrip([Plain(1)], "outputs/y")[0]["note"]
    assert roundtrip(Plain(1), "outputs/z")[0]["of"] == "custom_estimators.Plain"


def test_lambdas_and_local_classes_by_cloudpickle(roundtrip):
    pytest.importorskip("cloudpickle")
    descriptor, back = roundtrip(lambda x: x + 1)
    assert descriptor["by"] == "cloudpickle" and back(1) == 2

    class Local:
        def answer(self):
            return 42

    assert roundtrip([Local()], "outputs/y")[1][0].answer() == 42


def test_classes_of_main_travel_by_value(tmp_path):
    pytest.importorskip("cloudpickle")
    program = f"""
import json, sys
sys.path.insert(0, {str(SOURCES)!r})
import materialize
class Net:
    def answer(self): return 42
print(json.dumps(materialize.write(Net(), {str(tmp_path)!r}, "o")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    import json

    descriptor = json.loads(done.stdout)
    assert descriptor["by"] == "cloudpickle"
    assert materialize.read(descriptor, str(tmp_path)).answer() == 42


def test_another_python_is_refused_before_a_byte_is_loaded(tmp_path):
    descriptor = materialize.write(Plain(1), str(tmp_path), "o")
    (tmp_path / descriptor["path"]).write_bytes(pickle.dumps(Bomb()))
    descriptor = {**descriptor, "python": "2.7", "size": None}
    with pytest.raises(materialize.MaterializeFailed) as caught:
        materialize.read(descriptor, str(tmp_path))
    assert "2.7" in caught.value.message and HERE in caught.value.message and "Python 2.7" in caught.value.cure


class Bomb:
    def __reduce__(self):
        return os._exit, (99,)


def test_a_class_that_is_not_here(tmp_path, monkeypatch):
    descriptor = materialize.write(Plain(1), str(tmp_path), "o")
    monkeypatch.delattr("custom_estimators.Plain")
    with pytest.raises(materialize.MaterializeFailed, match=r"o/data\.pkl: it cannot be unpickled here .*Plain") as caught:
        materialize.read(descriptor, str(tmp_path))
    assert "importable" in caught.value.cure


def generator():
    yield 1


async def coroutine():
    pass


async def stream():
    yield 1


@pytest.mark.parametrize(
    ("make", "says", "cure"),
    [
        (generator, "generator", "make it a list"),
        (lambda: map(str, [1]), "map", "make it a list"),
        (lambda: zip([1], [2], strict=False), "zip", "make it a list"),
        (lambda: filter(None, [1]), "filter", "make it a list"),
        (stream, "async_generator", "make it a list"),
        (coroutine, "coroutine", "await"),
        (lambda: open(os.devnull), "open file", "path"),
        (lambda: open(os.devnull, "rb"), "open file", "path"),
        (threading.Lock, "lock", "locks"),
        (lambda: [1, threading.Lock()], "lock", "locks"),
        (Locked, "lock", "__getstate__` of custom_estimators.Locked"),
        (lambda: [generator()], "generator", "plain data"),
        (socket.socket, "socket", "connections"),
        (sys._getframe, "frame", "plain data"),
        (asyncio.new_event_loop, "cannot pickle", "plain data"),
    ],
    ids=lambda item: getattr(item, "__name__", item),
)
def test_what_cannot_be_kept(fails, make, says, cure):
    value = make()
    try:
        error = fails(value)
    finally:
        if hasattr(value, "close"):
            value.close()
    assert says in error.message and cure in error.cure
    assert type(value).__name__ in error.message


def test_without_cloudpickle_a_lambda_names_the_extra(fails, monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    error = fails(lambda: 1)
    assert "cloudpickle" in error.message and "runwright[pickle]" in error.cure
    assert "cloudpickle" not in fails(threading.Lock()).cure


def test_without_cloudpickle_main_is_noted(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    monkeypatch.setattr(Plain, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "Plain", Plain, raising=False)
    monkeypatch.setattr(sources, "_LONGEST", 0)
    descriptor = materialize.write(Plain(1), str(tmp_path), "o")
    assert descriptor["note"].startswith("pickled: no better") and "__main__" in descriptor["note"]


def test_errors_of_the_value_itself(fails):
    assert "RuntimeError: secret state" in fails(Broken()).message


class Broken:
    def __reduce__(self):
        raise RuntimeError("secret state")


def test_too_deep(fails):
    value = Plain(None)
    for _ in range(100_000):
        value = Plain(value)
    error = fails(value)
    assert "nested too deep" in error.cure
    while value.value is not None:  # freed level by level: the destructor recurses too
        value = value.value


def test_memory_errors_are_not_hidden(tmp_path):
    class Huge:
        def __reduce__(self):
            raise MemoryError

    with pytest.raises(MemoryError):
        materialize.write(Huge(), str(tmp_path), "o")


def test_error_survives_pickling_and_shows_the_cure():
    error = pickle.loads(pickle.dumps(materialize.MaterializeFailed("what", "cure")))
    assert (error.message, error.cure, str(error)) == ("what", "cure", "what\n  → cure")
    assert str(materialize.MaterializeFailed("what")) == "what"


def test_versions(tmp_path):
    assert pickled.python_version() == HERE
