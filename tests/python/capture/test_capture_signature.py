"""The live reading and the reading of the source say the same."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from capture_lab import Lab

from runwright.capture import outputs_from_source, signature_from_source, signature_of
from runwright.exceptions import InvalidError, SourceError

HEAD = """
import datetime
import decimal as dec
import typing as t
import collections.abc
from collections import OrderedDict, deque
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Union
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, FrozenSet, List, Literal, NewType, Optional, Sequence, Set, Tuple, TypedDict, TypeVar
from typing import ClassVar, Final
import runwright as rw
from runwright import Dataitem, Model as RwModel
LIMIT = 5
T = TypeVar("T")
UserId = NewType("UserId", int)
Rows = List[Dict[str, int]]
class Color(Enum):
    RED = 1
class Own:
    pass
class Model:
    pass
class Keys(TypedDict):
    a: int
"""
INT, STR, FLOAT, NONE, ANY = ({"type": one} for one in ("int", "str", "float", "none", "any"))


def listed(of: Any, kind: str = "list") -> dict[str, Any]:
    return {"type": kind, "items": of}


def union(*of: Any) -> dict[str, Any]:
    return {"type": "union", "of": list(of)}


def entity(of: str) -> dict[str, Any]:
    return {"type": "entity", "entity": of}


def thing(name: str) -> dict[str, Any]:
    return {"type": "object", "name": name}


TYPES: dict[str, Any] = {
    "int": INT,
    "float": FLOAT,
    "str": STR,
    "bool": {"type": "bool"},
    "bytes": {"type": "bytes"},
    "None": NONE,
    "object": ANY,
    "Any": ANY,
    "t.Any": ANY,
    "T": ANY,
    "Callable": thing("collections.abc.Callable"),
    "Callable[[int], str]": thing("collections.abc.Callable"),
    "list": listed(ANY),
    "list[int]": listed(INT),
    "List": listed(ANY),
    "List[int]": listed(INT),
    "t.List[t.List[str]]": listed(listed(STR)),
    "set[int]": listed(INT, "set"),
    "Set[int]": listed(INT, "set"),
    "frozenset[int]": listed(INT, "set"),
    "FrozenSet[int]": listed(INT, "set"),
    "tuple": listed(ANY, "tuple"),
    "tuple[int, ...]": listed(INT, "tuple"),
    "tuple[int, str]": listed(union(INT, STR), "tuple"),
    "tuple[()]": listed(ANY, "tuple"),
    "Tuple[int, int]": listed(INT, "tuple"),
    "dict": {"type": "dict", "values": ANY},
    "dict[str, int]": {"type": "dict", "values": INT},
    "Dict[str, list[float]]": {"type": "dict", "values": listed(FLOAT)},
    "Keys": {"type": "dict", "values": ANY},
    "Rows": listed({"type": "dict", "values": INT}),
    "UserId": INT,
    "Optional[int]": union(INT, NONE),
    "int | None": union(INT, NONE),
    "Union[int, str]": union(INT, STR),
    "Union[int, Union[str, int]]": union(INT, STR),
    "int | str | None": union(INT, STR, NONE),
    "Optional[list[int]]": union(listed(INT), NONE),
    "Optional[Any]": ANY,
    "Optional[int] | str": union(INT, NONE, STR),
    "Literal['a', 'b']": {"type": "literal", "values": ["a", "b"]},
    "Literal[1, True, None]": {"type": "literal", "values": [1, True, None]},
    "Literal[b'x']": ANY,
    "Literal[Color.RED]": ANY,
    "Annotated[int, 'meters']": INT,
    "Annotated[Optional[int], 3]": union(INT, NONE),
    "rw.Dataitem": entity("dataitem"),
    "Dataitem": entity("dataitem"),
    "rw.Artifact": entity("artifact"),
    "RwModel": entity("model"),
    "Optional[rw.Model]": union(entity("model"), NONE),
    "list[rw.Dataitem]": listed(entity("dataitem")),
    "Model": thing("Model"),
    "Own": thing("Own"),
    "Color": thing("Color"),
    "list[Own]": listed(thing("Own")),
    "Path": thing("pathlib.Path"),
    "Decimal": thing("decimal.Decimal"),
    "dec.Decimal": thing("decimal.Decimal"),
    "datetime.datetime": thing("datetime.datetime"),
    "OrderedDict": thing("collections.OrderedDict"),
    "deque[int]": thing("collections.deque"),
    "Sequence[int]": thing("collections.abc.Sequence"),
    "collections.abc.Mapping": thing("collections.abc.Mapping"),
    "complex": thing("complex"),
    "'int'": INT,
    "'Optional[int]'": union(INT, NONE),
    "Optional['Own']": union(thing("Own"), NONE),
    "'rw.Dataitem'": entity("dataitem"),
    "'DataItem'": entity("dataitem"),
    "'Artifact'": entity("artifact"),
    "'NoSuchThing'": thing("NoSuchThing"),
    "'not python ['": ANY,
    "3": ANY,
}


@pytest.fixture(autouse=True)
def entities(monkeypatch: pytest.MonkeyPatch) -> None:
    import runwright

    for name in ("Dataitem", "Artifact", "Model"):
        made = type(name, (), {"__runwright_entity__": name.lower(), "__module__": "runwright.entities"})
        monkeypatch.setattr(runwright, name, made, raising=False)


@pytest.mark.parametrize("postponed", [False, True])
@pytest.mark.parametrize("annotation", TYPES)
def test_both_readings_of_a_type(lab: Lab, annotation: str, postponed: bool) -> None:
    text = ("from __future__ import annotations\n" if postponed else "") + HEAD + f"def f(x: {annotation}): ...\n"
    live = signature_of(lab.module(text).f)
    source = signature_from_source(text, "f")
    assert source[0]["type"] == TYPES[annotation]
    assert live == source


DEFAULTS: dict[str, Any] = {
    "1": 1,
    "-1.5": -1.5,
    "'a'": "a",
    "None": None,
    "True": True,
    "[1, {'a': [None]}]": [1, {"a": [None]}],
    "LIMIT": 5,
    "(1, 2)": None,
    "{1, 2}": None,
    "{1: 2}": None,
    "float('inf')": None,
    "Path('x')": None,
    "b'x'": None,
    "10 ** 3 if True else 0": "differs",
}


@pytest.mark.parametrize("default", DEFAULTS)
def test_both_readings_of_a_default(lab: Lab, default: str) -> None:
    text = HEAD + f"def f(x={default}, *, y: int = {default}): ...\n"
    live, source = signature_of(lab.module(text).f), signature_from_source(text, "f")
    assert all(one["has_default"] and not one["required"] for one in live + source)
    if DEFAULTS[default] == "differs":  # what is computed only the live function knows
        assert (live[0]["default"], source[0]["default"]) == (1000, None)
        return
    assert source[0]["default"] == DEFAULTS[default]
    assert live == source


def test_kinds_and_requirement(lab: Lab) -> None:
    text = "def f(a, /, b, c=1, *args: int, d, e=2, **kwargs): ...\n"
    live, source = signature_of(lab.module(text).f), signature_from_source(text, "f")
    assert live == source
    assert [(one["name"], one["kind"], one["required"], one["has_default"]) for one in live] == [
        ("a", "positional_only", True, False),
        ("b", "positional_or_keyword", True, False),
        ("c", "positional_or_keyword", False, True),
        ("args", "var_positional", False, False),
        ("d", "keyword_only", True, False),
        ("e", "keyword_only", False, True),
        ("kwargs", "var_keyword", False, False),
    ]


def test_what_the_runner_supplies(lab: Lab) -> None:
    text = (
        HEAD
        + """
def f(project, run, context: Any, event: 'rw.Event', *, di): ...
def g(project='x', run: str = None, context: int = 0): ...
def h(run: str, *event): ...
"""
    )
    module = lab.module(text)
    for name, expected in (("f", [True, True, True, True, False]), ("g", [False] * 3), ("h", [False] * 2)):
        live, source = signature_of(getattr(module, name)), signature_from_source(text, name)
        assert live == source
        assert [one["inject"] for one in live] == expected
    assert [one["required"] for one in signature_of(module.f)] == [False, False, False, False, True]


SHAPES: dict[str, list[str]] = {
    "async def f(a): ...": ["a"],
    "f = lambda a, b=1: a": ["a", "b"],
    "class f:\n    def __init__(self, a): ...": ["a"],
    "class f:\n    pass": [],
    "if True:\n    def f(a): ...\nelse:\n    def f(b): ...": ["a"],
    "def f(old): ...\ndef f(new): ...": ["new"],
    "import functools\ndef d(fn):\n    @functools.wraps(fn)\n    def w(*a, **k): ...\n    return w\n@d\ndef f(a): ...": ["a"],
}


@pytest.mark.parametrize("text", SHAPES)
def test_shapes(lab: Lab, text: str) -> None:
    assert [one["name"] for one in signature_of(lab.module(text).f)] == SHAPES[text]
    if "else" not in text:
        assert [one["name"] for one in signature_from_source(text, "f")] == SHAPES[text]


def test_open_shapes() -> None:
    for text in ("from x import f", "import functools\nf = functools.partial(print)", "class f(Base): ..."):
        assert [one["kind"] for one in signature_from_source(text, "f")] == ["var_positional", "var_keyword"]


def test_our_function(lab: Lab) -> None:
    class Ours:
        __runwright_function__ = True

        def __init__(self, fn: Any) -> None:
            self.fn = fn

    def g(a: int) -> None: ...

    assert signature_of(Ours(g)) == signature_of(g)


def test_a_local_name_in_a_postponed_annotation(lab: Lab) -> None:
    module = lab.module(
        "from __future__ import annotations\ndef make():\n    class A: ...\n    def f(x: A): return A\n    return f\nf = make()\n"
    )
    assert signature_of(module.f)[0]["type"] == thing("A")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type statements")
def test_type_parameters(lab: Lab) -> None:
    text = "type Rows = list[int]\ndef f[T](x: T, y: list[T], z: Rows): ...\n"
    assert signature_of(lab.module(text).f) == signature_from_source(text, "f")
    assert [one["type"] for one in signature_from_source(text, "f")] == [ANY, listed(ANY), listed(INT)]


def test_pandas_is_named_as_people_do(lab: Lab) -> None:
    pytest.importorskip("pandas")
    text = "import pandas as pd\nimport numpy as np\ndef f(x: pd.DataFrame, y: np.ndarray): ...\n"
    assert signature_of(lab.module(text).f) == signature_from_source(text, "f")
    assert [one["type"]["name"] for one in signature_from_source(text, "f")] == ["pandas.DataFrame", "numpy.ndarray"]


OUTPUTS: dict[str, list[str] | None] = {
    "from runwright import handler\n@handler(outputs=['a', 'b'])\ndef f(): ...": ["a", "b"],
    "import runwright as rw\n@rw.handler(outputs=('a',))\ndef f(): ...": ["a"],
    "import runwright as rw\n@rw.function(requirements=[], outputs=['m'])\ndef f(): ...": ["m"],
    "from runwright import handler as h\nNAMES = ['a']\n@h(outputs=NAMES)\ndef f(): ...": ["a"],
    "from digitalhub_runtime_python import handler\n@handler(outputs=['a'])\ndef f(): ...": ["a"],
    "from runwright import handler\n@handler(['a'])\ndef f(): ...": ["a"],
    "from runwright import handler\n@handler()\ndef f(): ...": None,
    "from runwright import handler\n@handler\ndef f(): ...": None,
    "from elsewhere import handler\n@handler(outputs=['a'])\ndef f(): ...": None,
    "from runwright import handler\n@handler(outputs=[x for x in 'ab'])\ndef f(): ...": None,
    "def f(): ...": None,
    "f = lambda: 1": None,
}


@pytest.mark.parametrize("text", OUTPUTS)
def test_declared_outputs(text: str) -> None:
    assert outputs_from_source(text, "f") == OUTPUTS[text]


def test_errors() -> None:
    with pytest.raises(InvalidError, match="did you mean 'train'"):
        signature_from_source("def train(): ...", "trian")
    with pytest.raises(SourceError, match="code:2"):
        signature_from_source("x = 1\ndef (", "f")
    with pytest.raises(InvalidError):
        outputs_from_source("", "f")
    assert [one["kind"] for one in signature_of(min)] == ["var_positional", "var_keyword"]
