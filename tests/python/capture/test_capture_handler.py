"""`module:function` is parsed and found without importing anything."""

from __future__ import annotations

import pytest

from runwright.capture import check_handler, parse_handler, text
from runwright.exceptions import InvalidError, SourceError

GOOD = {
    "train": (None, "train"),
    "functions:train": ("functions", "train"),
    "src.functions:train": ("src.functions", "train"),
    "größe:f": ("größe", "f"),
}


@pytest.mark.parametrize("handler", GOOD)
def test_good(handler: str) -> None:
    assert parse_handler(handler) == GOOD[handler]


# handler: what the cure says
BAD = {
    "": "functions:train",
    " ": "functions:train",
    "src/functions.py:train": "'src.functions:train'",
    "src/functions:train": "'src.functions:train'",
    "./functions.py:train": "'functions:train'",
    "functions.py:train": "'functions:train'",
    "src\\functions:train": "'src.functions:train'",
    "../x:f": "functions:train",
    "..x:f": "functions:train",
    "/etc/passwd": "functions:train",
    "functions.train": "'functions:train'",
    "a.b.train": "'a.b:train'",
    "a:b:c": "functions:train",
    ":f": "functions:train",
    "m:": "functions:train",
    "class:f": "functions:train",
    "m:import": "functions:train",
    "m:f()": "functions:train",
    "m: f": "functions:train",
    "1m:f": "functions:train",
    "pickle:function.pkl": "functions:train",
    "__import__('os').system('x'):f": "functions:train",
    "m\n:f": "functions:train",
}


@pytest.mark.parametrize("handler", BAD)
def test_bad(handler: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_handler(handler)
    assert caught.value.field == "handler"
    assert caught.value.value == handler
    assert BAD[handler] in str(caught.value.cure)


def test_not_text() -> None:
    with pytest.raises(InvalidError):
        parse_handler(None)  # type: ignore[arg-type]


FILES = {
    "functions.py": """
import json
from os import path
def train(): ...
class Model: ...
x = lambda: 1
a, (b, *c) = 1, (2, 3)
if a:
    def inner(): ...
try:
    import t1
except E:
    t2 = 1
with a as w, b:
    pass
for i in a:
    j = 1
async def co(): ...
y: int = 3
(z := 4)
def outer():
    def hidden(): ...
""",
    "pkg/__init__.py": "from .deep import go\n",
    "pkg/deep.py": "def go(): ...\n",
    "stars.py": "from functions import *\n",
    "broken.py": "x = 1\ndef (\n",
    "data.json": "{}",
    "not-a-module.py": "def train(): ...",
}


@pytest.mark.parametrize("name", ["train", "Model", "x", "a", "b", "c", "inner", "t1", "t2", "w", "i", "j", "co", "y", "z", "json", "path"])
def test_what_a_module_binds(name: str) -> None:
    assert check_handler(f"functions:{name}", FILES) == f"functions:{name}"


def test_modules() -> None:
    assert check_handler("pkg:go", FILES) == "pkg:go"
    assert check_handler("pkg.deep:go", FILES) == "pkg.deep:go"
    assert check_handler("stars:anything", FILES) == "stars:anything"


@pytest.mark.parametrize(
    ("handler", "cure"),
    [
        ("functions:trian", "did you mean 'train'"),
        ("functions:hidden", "it defines train, Model"),
        ("function:train", "did you mean 'functions'"),
        ("zzz:train", "its modules are"),
        ("pkg.dep:go", "did you mean 'pkg.deep'"),
    ],
)
def test_misspelt(handler: str, cure: str) -> None:
    with pytest.raises(InvalidError) as caught:
        check_handler(handler, FILES)
    assert cure in str(caught.value.cure)


def test_what_only_a_script_defines_is_not_there() -> None:
    files = {"m.py": "def a(): ...\nif __name__ == '__main__':\n    def b(): ...\n"}
    with pytest.raises(InvalidError):
        check_handler("m:b", files)


def test_syntax_error_has_file_and_line() -> None:
    with pytest.raises(SourceError, match=r"broken\.py:2"):
        check_handler("broken:f", FILES)
    with pytest.raises(SourceError, match=r"m\.py"):
        check_handler("m:f", {"m.py": "x = '\0'"})
    with pytest.raises(SourceError):
        check_handler("m:f", {"m.py": "(" * 5000})


def test_short_form() -> None:
    assert check_handler("train", {"functions.py": "def train(): ..."}) == "functions:train"
    assert check_handler("go", FILES) == "pkg.deep:go"
    assert check_handler("f", {"a.py": "def f(): ...", "b.py": "from a import f"}) == "a:f"
    with pytest.raises(InvalidError, match="2 modules") as caught:
        check_handler("f", {"a.py": "def f(): ...", "b.py": "def f(): ..."})
    assert "'a:f' or 'b:f'" in str(caught.value.cure)
    with pytest.raises(InvalidError) as caught:
        check_handler("trian", FILES)
    assert "did you mean 'train'" in str(caught.value.cure)
    with pytest.raises(InvalidError):
        check_handler("f", {"data.json": "{}"})


def test_text() -> None:
    source = text("def f(): ...\n", "f")
    assert source == {
        "origin": "text",
        "uri": None,
        "commit": None,
        "handler": "functions:f",
        "files": {"functions.py": "def f(): ...\n"},
        "binary": {},
    }
    assert text("select 1")["handler"] is None
    assert text("def f(): ...", "functions:f")["handler"] == "functions:f"
    for bad in ("", "  \n", None, 3):
        with pytest.raises(InvalidError) as caught:
            text(bad, "f")  # type: ignore[arg-type]
        assert caught.value.field == "code"
    with pytest.raises(InvalidError, match="UTF-8"):
        text("x = '\ud800'")
    with pytest.raises(SourceError, match=r"functions\.py:1"):
        text("def (", "f")
    with pytest.raises(SourceError, match="8 MiB"):
        text("#" * (8 * 1024 * 1024 + 1))
