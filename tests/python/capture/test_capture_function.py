"""A live function becomes one readable module that does the same where nothing is installed."""

from __future__ import annotations

from typing import Any

import pytest
from capture_lab import Lab

from runwright.capture import capture_function
from runwright.exceptions import CaptureError

# name: (module, arguments, what must be in the captured text, what must not)
CASES: dict[str, tuple[str, tuple[Any, ...], list[str], list[str]]] = {
    "nothing": ("def f(x):\n    return x + 1\n\ndef other(): ...\n", (1,), ["def f(x):"], ["other"]),
    "imports_by_name": (
        "import os, sys\nfrom json import dumps, loads\ndef f():\n    return loads(dumps([sys.maxsize]))\n",
        (),
        ["import sys\n", "from json import dumps, loads"],
        ["os"],
    ),
    "one_of_an_import": ("from json import (\n    dumps,\n    loads as read,\n)\ndef f():\n    return read('1')\n", (), ["from json import loads as read\n"], ["dumps"]),
    "dotted_import": ("import os.path\nimport xml.dom\ndef f():\n    return os.path.join('a', 'b')\n", (), ["import os.path"], ["xml"]),
    "submodules": ("import xml.dom\nimport xml.sax\ndef f():\n    return xml.sax.__name__\n", (), ["import xml.sax"], []),
    "aliased_submodule": ("import os.path as p\ndef f():\n    return p.join('a')\n", (), ["import os.path as p"], []),
    "star_import": ("from math import *\ndef f():\n    return floor(pi)\n", (), ["from math import floor, pi"], ["*"]),
    "try_import": (
        "try:\n    import no_such_module as json\nexcept ImportError:\n    import json\ndef f():\n    return json.dumps(1)\n",
        (),
        ["try:\n    import no_such_module as json\nexcept ImportError:\n    import json"],
        [],
    ),
    "import_of_an_attribute": ("from math import pi\ndef f():\n    return pi\n", (), ["from math import pi"], ["3.14"]),
    "helpers_of_helpers": ("def a():\n    return b()\ndef b():\n    return c\nc = 3\ndef f():\n    return a()\n", (), ["def a", "def b", "c = 3"], []),
    "recursion": ("def f(n):\n    return 1 if n < 2 else n * f(n - 1)\n", (5,), [], []),
    "mutual_recursion": ("def f(n):\n    return n and g(n - 1)\ndef g(n):\n    return n and f(n - 1)\n", (5,), [], []),
    "constant_formatting": ("D = {\n    'a': 1,  # one\n}\ndef f():\n    return D\n", (), ["D = {\n    'a': 1,  # one\n}"], []),
    "annotated_constant": ("from typing import Final\nN: Final[int] = 3\ndef f():\n    return N\n", (), ["N: Final[int] = 3", "from typing import Final"], []),
    "two_constants_a_line": ("a = 1; b = 2\ndef f():\n    return a\n", (), ["a = 1\n"], ["b = 2"]),
    "unpacked_constants": ("a, (b, *c) = 1, (2, 3, 4)\ndef f():\n    return a, b, c\n", (), ["a = 1", "c = [3, 4]"], []),
    "computed_constant": ("N = sum(range(5))\ndef f():\n    return N\n", (), ["N = 10"], ["sum"]),
    "changed_constant": ("N = 1\nN += 4\ndef f():\n    return N\n", (), ["N = 5"], []),
    "changed_in_place": ("L = [1]\nL.append(2)\ndef f():\n    return L\n", (), ["L = [1, 2]"], []),
    "default": ("N = 7\ndef f(x=N, *, y=N + 1):\n    return x + y\n", (), ["N = 7"], []),
    "changed_default": ("N = 7\ndef f(x=N):\n    return x\nN = 8\n", (), ["f.__defaults__ = (7,)"], []),
    "changed_keyword_default": ("N = 7\ndef f(*, x=N):\n    return x, N\nN = 8\n", (), ["f.__kwdefaults__ = {'x': 7}", "N = 8"], []),
    "annotations": ("from decimal import Decimal\nfrom fractions import Fraction\ndef f(x: Decimal = None) -> Fraction:\n    return x\n", (), ["Decimal", "Fraction"], []),
    "quoted_annotation": ("from decimal import Decimal\ndef f(x: 'list[Decimal]' = None):\n    return x\n", (), ["from decimal import Decimal"], []),
    "quoted_unknown": ("def f(x: 'NoSuchThing' = None):\n    return x\n", (), ["'NoSuchThing'"], []),
    "postponed": (
        "from __future__ import annotations\nimport json\ndef f(x: NoSuchThing = None):\n    return json.dumps(x)\n",
        (),
        ["from __future__ import annotations\n\nimport json"],
        [],
    ),
    "type_checking": (
        "from __future__ import annotations\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from decimal import Decimal, Context\n    import fractions\n"
        "def f(x: Decimal | None = None):\n    return x\n",
        (),
        ["if TYPE_CHECKING:\n    from decimal import Decimal\n", "from typing import TYPE_CHECKING"],
        ["fractions", "Context"],
    ),
    "comments_and_docstring": ('def f():\n    """Doc."""\n    # why\n    return 1  # done\n', (), ["# why", "# done", '"""Doc."""'], []),
    "nested_functions": ("N = 2\ndef f(x):\n    def inner():\n        return [y * N for y in range(x)]\n    return inner()\n", (3,), ["N = 2"], []),
    "comprehension_variable": ("x = object()\ndef f():\n    return [x for x in range(3)], {x: x for x in 'a'}\n", (), [], ["object"]),
    "f_string": ("N = 2\nW = 5\ndef f():\n    return f'{N!r:>{W}}'\n", (), ["N = 2", "W = 5"], []),
    "walrus": ("def f():\n    if (n := 3) > 2:\n        return n\n", (), [], []),
    "global_statement": ("count = 0\ndef f():\n    global count\n    count += 1\n    return count\n", (), ["count = 0"], []),
    "global_made_inside": ("def f():\n    global fresh\n    fresh = 2\n    return fresh\n", (), [], []),
    "exception_variable": ("def f():\n    try:\n        1 / 0\n    except ZeroDivisionError as error:\n        return str(error)\n", (), [], []),
    "match": ("class P:\n    __match_args__ = ('x',)\n    def __init__(self, x): self.x = x\ndef f():\n    match P(3):\n        case P(x):\n            return x\n", (), ["class P"], []),
    "class": ("class B:\n    def go(self):\n        return N\nN = 4\nclass A(B):\n    k = N\n    def go(self):\n        return super().go() + self.k\ndef f():\n    return A().go()\n", (), ["class B", "class A(B)"], []),
    "class_of_nested_names": ("import re\nclass A:\n    re = re.compile('a')\n    class Inner:\n        y = 1\ndef f():\n    return A.re.pattern, A.Inner.y\n", (), ["import re"], []),
    "changed_class": ("class C:\n    rate = 1\n    name: str = 'a'\nC.rate = 2\ndef f():\n    return C.rate, C.name\n", (), ["C.rate = 2"], ["C.name ="]),
    "metaclass": ("class M(type):\n    pass\nclass A(metaclass=M):\n    pass\ndef f():\n    return type(A).__name__\n", (), ["class M"], []),
    "dataclass": ("from dataclasses import dataclass, field\n@dataclass\nclass C:\n    a: int\n    b: list = field(default_factory=list)\nc = C(1)\nc.b.append(3)\ndef f():\n    return c.a, c.b\n", (), ["c = C(a=1, b=[3])"], []),
    "post_init": ("from dataclasses import dataclass\n@dataclass\nclass C:\n    a: int\n    def __post_init__(self):\n        self.a *= 2\nc = C(1)\ndef f():\n    return c.a\n", (), ["object.__new__(C)"], []),
    "plain_object": ("class S:\n    def __init__(self, k):\n        self.k = k\ns = S(3)\ns.k = 4\ndef f():\n    return s.k\n", (), ["vars(s).update({'k': 4})"], []),
    "enum": ("import enum\nclass E(enum.Enum):\n    A = 1\n    B = 2\nx = [E.A, E.B]\ndef f():\n    return [one.value for one in x]\n", (), ["x = [E.A, E.B]"], []),
    "namedtuple": ("from collections import namedtuple\nfrom typing import NamedTuple\nP = namedtuple('P', 'x y')\nclass Q(NamedTuple):\n    z: int\np = (P(1, 2), Q(3))\ndef f():\n    return p\n", (), ["P = namedtuple('P', 'x y')", "P(x=1, y=2)"], []),
    "typing_things": ("from typing import Optional, TypeVar, NewType\nT = TypeVar('T')\nU = NewType('U', int)\nV = Optional[dict[str, int]]\ndef f(a: T = None, b: V = None):\n    return U(3)\n", (), ["T = TypeVar('T')", "V = Optional[dict[str, int]]"], []),
    "logger": ("import logging\nlogger = logging.getLogger(__name__)\ndef f():\n    logger.debug('x')\n    return 1\n", (), ["logger = logging.getLogger(__name__)"], []),
    "pattern": ("import re\nP = re.compile(r'a+', re.I | re.M)\ndef f():\n    return P.findall('AAb'), P.flags\n", (), ["P = re.compile(r'a+', re.I | re.M)"], []),
    "path": ("from pathlib import Path\nROOT = Path('/data') / 'x'\ndef f():\n    return str(ROOT)\n", (), ["ROOT = Path('/data') / 'x'"], []),
    "path_by_value": ("from pathlib import Path\nbase = 'a'\nROOT = Path(base)\nbase = 'b'\ndef f():\n    return str(ROOT)\n", (), ["Path('a')"], ["base"]),
    "dates": ("import datetime as dt\nfrom datetime import datetime, timedelta, timezone\nD = datetime(2024, 1, 2, tzinfo=timezone.utc)\nL = [D, dt.date(2024, 1, 1), timedelta(1)]\ndef f():\n    return L\n", (), [], ["from datetime"]),
    "numbers": ("from decimal import Decimal\nfrom fractions import Fraction\nA = [Decimal('1.1'), Fraction(1, 3), 1j, float('inf'), -0.0, 10**30, True, None, ...]\ndef f():\n    return A\n", (), [], []),
    "nan": ("N = float('nan')\ndef f():\n    return N != N\n", (), ["float('nan')"], []),
    "collections": ("from collections import Counter, OrderedDict, defaultdict, deque\nA = [Counter('aab'), OrderedDict(a=1), defaultdict(list, {'a': [1]}), deque([1], 3)]\ndef f():\n    return A\n", (), [], []),
    "sets": ("A = {'x', 'y', 'z'}\nB = frozenset({3, 1})\nC = set()\ndef f():\n    return sorted(A), sorted(B), C\n", (), [], []),
    "strings": ("A = 'é\\n\\x00\\ud800'\nB = b'\\xff'\ndef f():\n    return A.encode('utf-8', 'surrogatepass'), B\n", (), [], []),
    "module_name_taken": ("import re as _r\nre = 'mine'\nA = [_r.compile('x')]\ndef f():\n    return re, A[0].pattern\n", (), [], []),
    "lambda": ("sq = lambda x: x ** N\nN = 3\ndef f(x):\n    return sq(x)\n", (2,), ["sq = lambda x: x ** N"], []),
    "lambdas_in_a_dict": ("def g(x):\n    return x\nD = {'a': lambda x: g(x), 'b': g}\ndef f(x):\n    return D['a'](x), D['b'](x)\n", (2,), ["D = {'a': lambda x: g(x), 'b': g}"], []),
    "partial": ("from functools import partial\ndef g(a, b):\n    return a - b\nh = partial(g, b=1)\ndef f(x):\n    return h(x)\n", (2,), ["h = partial(g, b=1)"], []),
    "alias": ("def g():\n    return 1\nh = g\ndef f():\n    return h()\n", (), ["h = g"], []),
    "builtin_alias": ("import math\nsqrt = math.sqrt\nshow = print\ndef f():\n    show('') if 0 else None\n    return sqrt(4)\n", (), ["sqrt = math.sqrt"], []),
    "sentinel": ("MISSING = object()\ndef f(x=MISSING):\n    return x is MISSING\n", (), ["MISSING = object()"], []),
    "singledispatch": ("from functools import singledispatch\n@singledispatch\ndef g(x):\n    return 'any'\n@g.register\ndef _(x: int):\n    return 'int'\n@g.register(str)\ndef _(x):\n    return 'str'\ndef f():\n    return g(1), g('a'), g(None)\n", (), ["@g.register"], []),
    "lru_cache": ("from functools import lru_cache\n@lru_cache(maxsize=None)\ndef g(x):\n    return x * 2\ndef f():\n    return g(2), g.cache_info().currsize\n", (), ["@lru_cache(maxsize=None)"], []),
    "decorator": ("import functools\ndef d(n):\n    def outer(fn):\n        @functools.wraps(fn)\n        def inner(*a):\n            return fn(*a) + n\n        return inner\n    return outer\n@d(10)\ndef g(x):\n    return x\ndef f():\n    return g(1)\n", (), ["@d(10)"], []),
    "decorator_without_wraps": ("def d(fn):\n    def inner(*a):\n        return fn(*a) + 1\n    return inner\n@d\ndef g(x):\n    return x\ndef f():\n    return g(1)\n", (), ["@d\ndef g"], []),
    "own_decorator": ("import functools\ndef d(fn):\n    @functools.wraps(fn)\n    def inner(*a):\n        return fn(*a) + 1\n    return inner\n@d\ndef f(x):\n    return x\n", (1,), ["@d\ndef f"], []),
    "own_decorator_without_wraps": ("def d(fn):\n    def inner(*a):\n        return fn(*a) + 1\n    return inner\n@d\ndef f(x):\n    return x\n", (1,), ["@d\ndef f"], []),
    "contextmanager": ("from contextlib import contextmanager\n@contextmanager\ndef c():\n    yield 3\ndef f():\n    with c() as x:\n        return x\n", (), ["@contextmanager"], []),
    "function_attribute": ("def f():\n    f.calls += 1\n    return f.calls\nf.calls = 4\n", (), ["f.calls = 4"], []),
    "closure": ("def make(n, text):\n    def f(x):\n        '''keeps\n        its shape'''\n        return text * n + x + f.__doc__\n    return f\nf = make(2, 'a')\n", ("b",), ["n = 2", "text = 'a'"], []),
    "closure_over_a_function": ("def make():\n    def g(x):\n        return x + 1\n    def f(x):\n        return g(x)\n    return f\nf = make()\n", (1,), ["def g(x)"], ["make"]),
    "closure_over_a_module": ("def make():\n    import json as j\n    def f(x):\n        return j.dumps(x)\n    return f\nf = make()\n", (1,), ["import json as j"], []),
    "defined_in_if": ("import sys\nif sys.version_info > (3,):\n    def f(x):\n        return x\nelse:\n    f = None\n", (1,), ["def f(x):\n    return x"], []),
    "chosen_in_if": ("import sys\nif sys.version_info > (3,):\n    N = 1\nelse:\n    N = 2\ndef f():\n    return N\n", (), ["N = 1"], []),
    "environment": ("import os\nHOME_X = os.environ.get('NO_SUCH_X', 'd')\nY = os.getenv('NO_SUCH_X')\ndef f():\n    return HOME_X, Y\n", (), ["os.environ.get('NO_SUCH_X', 'd')", "os.getenv('NO_SUCH_X')"], []),
    "async": ("import asyncio\nasync def g():\n    return 3\ndef f():\n    return asyncio.run(g())\n", (), ["async def g"], []),
    "generator": ("def g():\n    yield from range(3)\ndef f():\n    return list(g())\n", (), [], []),
    "tabs": ("def f(x):\n\tif x:\n\t\treturn 1\n\treturn 2\n", (1,), ["\t\treturn 1"], []),
    "windows_lines": ("def f(x):\r\n    return x\r\n", (1,), ["    return x\n"], ["\r"]),
    "unicode_names": ("größe = 3\ndef f():\n    return größe  # ü\n", (), ["größe = 3"], []),
    "shadowed_builtin": ("def len(x):\n    return 42\ndef f():\n    return len([])\n", (), ["def len"], []),
    "dunder_names": ("def f():\n    return bool(__name__), __doc__\n", (), [], []),
    "property_and_static": ("K = 2\nclass A:\n    @property\n    def p(self):\n        return K\n    @staticmethod\n    def s():\n        return K\n    @classmethod\n    def c(cls):\n        return K\ndef f():\n    return A().p + A.s() + A.c()\n", (), ["K = 2"], []),
    "abstract": ("from abc import ABC, abstractmethod\nclass A(ABC):\n    @abstractmethod\n    def go(self): ...\nclass B(A):\n    def go(self):\n        return 1\ndef f():\n    return B().go()\n", (), ["class A(ABC)"], []),
    "typed_dict": ("from typing import TypedDict\nclass T(TypedDict):\n    a: int\ndef f(x: T = None):\n    return T(a=1)\n", (), ["class T(TypedDict)"], []),
    "exception_class": ("class E(ValueError):\n    pass\ndef f():\n    try:\n        raise E('x')\n    except E as e:\n        return repr(e)\n", (), ["class E"], []),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_it_does_the_same_elsewhere(lab: Lab, name: str) -> None:
    text, args, there, gone = CASES[name]
    module = lab.module(text)
    source = capture_function(module.f)
    captured = source["files"]["functions.py"]
    assert source["origin"] == "function"
    assert source["handler"] == "functions:f"
    for one in there:
        assert one in captured, captured
    for one in gone:
        assert one not in captured, captured
    expected = repr(module.f(*args)) if name not in ("function_attribute", "global_statement", "lru_cache") else None
    got = lab.run(source, *args)
    if expected is not None:
        assert got == expected


@pytest.mark.parametrize("name", CASES)
def test_the_same_source_gives_the_same_bytes(lab: Lab, name: str) -> None:
    text, *_ = CASES[name]
    first = capture_function(lab.module(text).f)
    second = capture_function(lab.module(text).f)
    assert first == second


def test_the_text_is_what_a_person_would_write(lab: Lab) -> None:
    module = lab.module(
        '''"""A module."""
import json
import os
from pathlib import Path

RATE = 0.1  # of learning
UNUSED = 5


class Model:
    """Fits."""

    def fit(self, x):
        # the mean
        return sum(x) / len(x) * RATE


def unused(): ...


def load(path: Path):
    return json.loads(path.read_text())


def f(path, rate=RATE):
    """Train."""
    data = load(Path(path))
    return Model().fit(data)
'''
    )
    assert (
        capture_function(module.f)["files"]["functions.py"]
        == '''import json
from pathlib import Path

RATE = 0.1  # of learning


class Model:
    """Fits."""

    def fit(self, x):
        # the mean
        return sum(x) / len(x) * RATE


def load(path: Path):
    return json.loads(path.read_text())


def f(path, rate=RATE):
    """Train."""
    data = load(Path(path))
    return Model().fit(data)
'''
    )


# name: (module, the variable that the error names, words in it)
REFUSED: dict[str, tuple[str, str, str]] = {
    "missing": ("def f():\n    return no_such_name\n", "no_such_name", "does not exist"),
    "misspelt": ("threshold = 1\ndef f():\n    return treshold\n", "treshold", "did you mean 'threshold'"),
    "missing_in_helper": ("def g():\n    return nothing_here\ndef f():\n    return g()\n", "nothing_here", "does not exist"),
    "lock": ("import threading\nlock = threading.Lock()\ndef f():\n    with lock:\n        return 1\n", "lock", "pass it as a parameter"),
    "file": ("import tempfile\nfile = tempfile.TemporaryFile()\ndef f():\n    return file.read()\n", "file", "pass it as a parameter"),
    "connection": ("import sqlite3\ndb = sqlite3.connect(':memory:')\ndef f():\n    return db.total_changes\n", "db", "sqlite3.Connection"),
    "table": ("import pandas as pd\ndf = pd.DataFrame({'a': [1]})\ndef f():\n    return df.a.sum()\n", "df", "pass it as a parameter: f(…, df=df)"),
    "table_in_helper": ("import pandas as pd\ndf = pd.DataFrame({'a': [1]})\ndef g():\n    return df\ndef f():\n    return g()\n", "df", "DataFrame"),
    "stateful_object": ("class M:\n    def __init__(self):\n        self.file = open('/dev/null')\nm = M()\ndef f():\n    return m\n", "m", "pass it as a parameter"),
    "random_state": ("import random\nrng = random.Random(1)\nrng.random()\ndef f():\n    return rng.random()\n", "rng", "inside of the function"),
    "generator": ("g = (x for x in range(3))\ndef f():\n    return list(g)\n", "g", "generator"),
    "module_without_name": ("import types\nm = types.ModuleType('zzz_none')\ndef f():\n    return m\n", "m", "module"),
    "secret": ("import base64\nAPI_TOKEN = base64.b64decode(b'c2VjcmV0').decode()\ndef f():\n    return API_TOKEN\n", "API_TOKEN", "secret"),
    "environment": ("import os\nX = os.environ['PATH'] + input.__name__.upper()\ndef f():\n    return X\n", "X", "os.environ"),
    "large": ("big = list(range(100_000))\ndef f():\n    return len(big)\n", "big", "pass it as a parameter"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_travel_is_named(lab: Lab, name: str) -> None:
    text, field, words = REFUSED[name]
    if "pandas" in text:
        pytest.importorskip("pandas")
    module = lab.module(text)
    with pytest.raises(CaptureError) as caught:
        capture_function(module.f)
    assert caught.value.field == field
    assert words in str(caught.value)
    assert caught.value.cure
    assert "c2Vj" not in str(caught.value)


def test_not_callable() -> None:
    with pytest.raises(CaptureError, match="not callable"):
        capture_function(3)


def test_secrets_of_the_environment_are_not_in_the_version(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_TOKEN", "s3cr3t-value")
    module = lab.module("import os\nTOKEN = os.environ['LAB_TOKEN']\nOTHER = os.getenv('LAB_TOKEN', '') + 'x'\ndef f():\n    return TOKEN, OTHER\n")
    source = capture_function(module.f)
    assert "s3cr3t-value" not in str(source)
    assert "os.environ['LAB_TOKEN']" in source["files"]["functions.py"]


def test_installed_functions_and_classes_are_imported(lab: Lab) -> None:
    import json
    from collections import Counter

    assert lab.run(capture_function(json.dumps), [1]) == "'[1]'"
    assert lab.run(capture_function(len), [1]) == "1"
    assert lab.run(capture_function(Counter), "aa") == "Counter({'a': 2})"


def test_a_class_is_captured_like_a_function(lab: Lab) -> None:
    module = lab.module("N = 2\nclass A:\n    def __init__(self, x):\n        self.x = x * N\n    def __repr__(self):\n        return f'A{self.x}'\n")
    assert lab.run(capture_function(module.A), 3) == "A6"


def test_numpy_constants(lab: Lab) -> None:
    pytest.importorskip("numpy")
    module = lab.module("import numpy as np\nW = np.array([[1, 2.5]])\nW[0, 0] = 3\nS = np.float32(0.5)\ndef f():\n    return (W * S).tolist()\n")
    source = capture_function(module.f)
    assert "W = np.array([[3.0, 2.5]], dtype='<f8')" in source["files"]["functions.py"]
    assert lab.run(source, site=True) == "[[1.5, 1.25]]"


class Ours:
    """Stands for Runwright's Function."""

    __runwright_function__ = True

    def __init__(self, fn: Any) -> None:
        self.fn = fn
        self.__wrapped__ = fn

    def __call__(self, *args: Any) -> Any:
        return self.fn(*args)


OURS = """
import runwright as rw
from runwright import function, handler as h

def plain(fn):
    return fn

@rw.function(
    requirements=["x"],  # one
)
@plain
def g(x):
    return x + 1

@function(resources={"cpu": "2"})
@h(outputs=["a"])
def f(x):
    return g(x)
"""


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> None:
    import runwright

    def function(fn: Any = None, **_: Any) -> Any:
        return Ours(fn) if fn is not None else Ours

    def handler(**_: Any) -> Any:
        import functools

        def around(fn: Any) -> Any:
            @functools.wraps(fn)
            def wrapper(*args: Any) -> Any:
                return fn(*args)

            return wrapper

        return around

    for one in (function, handler, Ours):
        one.__module__ = "runwright.decorators"
    monkeypatch.setattr(runwright, "function", function, raising=False)
    monkeypatch.setattr(runwright, "handler", handler, raising=False)


@pytest.mark.usefixtures("ours")
def test_our_decorators_stay_behind(lab: Lab) -> None:
    module = lab.module(OURS)
    source = capture_function(module.f)
    text = source["files"]["functions.py"]
    assert "runwright" not in text
    assert "handler" not in text
    assert "# one" not in text
    assert "@plain\ndef g(x):" in text
    assert lab.run(source, 1) == "2"
    assert capture_function(module.f.fn) == source


@pytest.mark.usefixtures("ours")
def test_our_decorator_on_a_recursive_function(lab: Lab) -> None:
    module = lab.module("import runwright as rw\n@rw.function\ndef f(n):\n    return n and f(n - 1)\n")
    assert lab.run(capture_function(module.f), 2) == "0"
    assert "rw" not in capture_function(module.f)["files"]["functions.py"]


@pytest.mark.usefixtures("ours")
def test_runwright_stays_imported_where_the_body_uses_it(lab: Lab) -> None:
    module = lab.module("import runwright as rw\n@rw.function\ndef f(n):\n    rw.log_metric('a', n)\n")
    assert capture_function(module.f)["files"]["functions.py"].startswith("import runwright as rw\n\n\ndef f(n)")
