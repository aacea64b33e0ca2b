"""A live function becomes one readable module that does the same where nothing is installed."""

from __future__ import annotations

import importlib
import sys
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
    "one_of_an_import": (
        """
from json import (
    dumps,
    loads as read,
)
def f():
    return read('1')
""",
        (),
        ["from json import loads as read\n"],
        ["dumps"],
    ),
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
    "helpers_of_helpers": (
        """
def a():
    return b()
def b():
    return c
c = 3
def f():
    return a()
""",
        (),
        ["def a", "def b", "c = 3"],
        [],
    ),
    "recursion": ("def f(n):\n    return 1 if n < 2 else n * f(n - 1)\n", (5,), [], []),
    "mutual_recursion": ("def f(n):\n    return n and g(n - 1)\ndef g(n):\n    return n and f(n - 1)\n", (5,), [], []),
    "constant_formatting": ("D = {\n    'a': 1,  # one\n}\ndef f():\n    return D\n", (), ["D = {\n    'a': 1,  # one\n}"], []),
    "annotated_constant": (
        """
from typing import Final
N: Final[int] = 3
def f():
    return N
""",
        (),
        ["N: Final[int] = 3", "from typing import Final"],
        [],
    ),
    "two_constants_a_line": ("a = 1; b = 2\ndef f():\n    return a\n", (), ["a = 1\n"], ["b = 2"]),
    "unpacked_constants": ("a, (b, *c) = 1, (2, 3, 4)\ndef f():\n    return a, b, c\n", (), ["a = 1", "c = [3, 4]"], []),
    "computed_constant": ("N = sum(range(5))\ndef f():\n    return N\n", (), ["N = 10"], ["sum"]),
    "changed_constant": ("N = 1\nN += 4\ndef f():\n    return N\n", (), ["N = 5"], []),
    "changed_in_place": ("L = [1]\nL.append(2)\ndef f():\n    return L\n", (), ["L = [1, 2]"], []),
    "default": ("N = 7\ndef f(x=N, *, y=N + 1):\n    return x + y\n", (), ["N = 7"], []),
    "changed_default": ("N = 7\ndef f(x=N):\n    return x\nN = 8\n", (), ["f.__defaults__ = (7,)"], []),
    "changed_keyword_default": ("N = 7\ndef f(*, x=N):\n    return x, N\nN = 8\n", (), ["f.__kwdefaults__ = {'x': 7}", "N = 8"], []),
    "annotations": (
        """
from decimal import Decimal
from fractions import Fraction
def f(x: Decimal = None) -> Fraction:
    return x
""",
        (),
        ["Decimal", "Fraction"],
        [],
    ),
    "quoted_annotation": (
        """
from decimal import Decimal
def f(x: 'list[Decimal]' = None):
    return x
""",
        (),
        ["from decimal import Decimal"],
        [],
    ),
    "quoted_unknown": ("def f(x: 'NoSuchThing' = None):\n    return x\n", (), ["'NoSuchThing'"], []),
    "postponed": (
        "from __future__ import annotations\nimport json\ndef f(x: NoSuchThing = None):\n    return json.dumps(x)\n",
        (),
        ["from __future__ import annotations\n\nimport json"],
        [],
    ),
    "type_checking": (
        """
from __future__ import annotations
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from decimal import Decimal, Context
    import fractions
def f(x: Decimal | None = None):
    return x
""",
        (),
        ["if TYPE_CHECKING:\n    from decimal import Decimal\n", "from typing import TYPE_CHECKING"],
        ["fractions", "Context"],
    ),
    "comments_and_docstring": ('def f():\n    """Doc."""\n    # why\n    return 1  # done\n', (), ["# why", "# done", '"""Doc."""'], []),
    "nested_functions": (
        """
N = 2
def f(x):
    def inner():
        return [y * N for y in range(x)]
    return inner()
""",
        (3,),
        ["N = 2"],
        [],
    ),
    "comprehension_variable": ("x = object()\ndef f():\n    return [x for x in range(3)], {x: x for x in 'a'}\n", (), [], ["object"]),
    "f_string": ("N = 2\nW = 5\ndef f():\n    return f'{N!r:>{W}}'\n", (), ["N = 2", "W = 5"], []),
    "walrus": ("def f():\n    if (n := 3) > 2:\n        return n\n", (), [], []),
    "global_statement": ("count = 0\ndef f():\n    global count\n    count += 1\n    return count\n", (), ["count = 0"], []),
    "global_made_inside": ("def f():\n    global fresh\n    fresh = 2\n    return fresh\n", (), [], []),
    "exception_variable": (
        """
def f():
    try:
        1 / 0
    except ZeroDivisionError as error:
        return str(error)
""",
        (),
        [],
        [],
    ),
    "match": (
        """
class P:
    __match_args__ = ('x',)
    def __init__(self, x): self.x = x
def f():
    match P(3):
        case P(x):
            return x
""",
        (),
        ["class P"],
        [],
    ),
    "class": (
        """
class B:
    def go(self):
        return N
N = 4
class A(B):
    k = N
    def go(self):
        return super().go() + self.k
def f():
    return A().go()
""",
        (),
        ["class B", "class A(B)"],
        [],
    ),
    "class_of_nested_names": (
        """
import re
class A:
    re = re.compile('a')
    class Inner:
        y = 1
def f():
    return A.re.pattern, A.Inner.y
""",
        (),
        ["import re"],
        [],
    ),
    "changed_class": (
        """
class C:
    rate = 1
    name: str = 'a'
C.rate = 2
def f():
    return C.rate, C.name
""",
        (),
        ["C.rate = 2"],
        ["C.name ="],
    ),
    "metaclass": (
        """
class M(type):
    pass
class A(metaclass=M):
    pass
def f():
    return type(A).__name__
""",
        (),
        ["class M"],
        [],
    ),
    "dataclass": (
        """
from dataclasses import dataclass, field
@dataclass
class C:
    a: int
    b: list = field(default_factory=list)
c = C(1)
c.b.append(3)
def f():
    return c.a, c.b
""",
        (),
        ["c = C(a=1, b=[3])"],
        [],
    ),
    "post_init": (
        """
from dataclasses import dataclass
@dataclass
class C:
    a: int
    def __post_init__(self):
        self.a *= 2
c = C(1)
def f():
    return c.a
""",
        (),
        ["object.__new__(C)"],
        [],
    ),
    "plain_object": (
        """
class S:
    def __init__(self, k):
        self.k = k
s = S(3)
s.k = 4
def f():
    return s.k
""",
        (),
        ["vars(s).update({'k': 4})"],
        [],
    ),
    "enum": (
        """
import enum
class E(enum.Enum):
    A = 1
    B = 2
x = [E.A, E.B]
def f():
    return [one.value for one in x]
""",
        (),
        ["x = [E.A, E.B]"],
        [],
    ),
    "namedtuple": (
        """
from collections import namedtuple
from typing import NamedTuple
P = namedtuple('P', 'x y')
class Q(NamedTuple):
    z: int
p = (P(1, 2), Q(3))
def f():
    return p
""",
        (),
        ["P = namedtuple('P', 'x y')", "P(x=1, y=2)"],
        [],
    ),
    "typing_things": (
        """
from typing import Optional, TypeVar, NewType
T = TypeVar('T')
U = NewType('U', int)
V = Optional[dict[str, int]]
def f(a: T = None, b: V = None):
    return U(3)
""",
        (),
        ["T = TypeVar('T')", "V = Optional[dict[str, int]]"],
        [],
    ),
    "logger": (
        """
import logging
logger = logging.getLogger(__name__)
def f():
    logger.debug('x')
    return 1
""",
        (),
        ["logger = logging.getLogger(__name__)"],
        [],
    ),
    "pattern": (
        """
import re
P = re.compile(r'a+', re.I | re.M)
def f():
    return P.findall('AAb'), P.flags
""",
        (),
        ["P = re.compile(r'a+', re.I | re.M)"],
        [],
    ),
    "path": (
        """
from pathlib import Path
ROOT = Path('/data') / 'x'
def f():
    return str(ROOT)
""",
        (),
        ["ROOT = Path('/data') / 'x'"],
        [],
    ),
    "path_by_value": (
        """
from pathlib import Path
base = 'a'
ROOT = Path(base)
base = 'b'
def f():
    return str(ROOT)
""",
        (),
        ["Path('a')"],
        ["base"],
    ),
    "dates": (
        """
import datetime as dt
from datetime import datetime, timedelta, timezone
D = datetime(2024, 1, 2, tzinfo=timezone.utc)
L = [D, dt.date(2024, 1, 1), timedelta(1)]
def f():
    return L
""",
        (),
        [],
        ["from datetime"],
    ),
    "numbers": (
        """
from decimal import Decimal
from fractions import Fraction
A = [Decimal('1.1'), Fraction(1, 3), 1j, float('inf'), -0.0, 10**30, True, None, ...]
def f():
    return A
""",
        (),
        [],
        [],
    ),
    "nan": ("N = float('nan')\ndef f():\n    return N != N\n", (), ["float('nan')"], []),
    "collections": (
        """
from collections import Counter, OrderedDict, defaultdict, deque
A = [Counter('aab'), OrderedDict(a=1), defaultdict(list, {'a': [1]}), deque([1], 3)]
def f():
    return A
""",
        (),
        [],
        [],
    ),
    "sets": ("A = {'x', 'y', 'z'}\nB = frozenset({3, 1})\nC = set()\ndef f():\n    return sorted(A), sorted(B), C\n", (), [], []),
    "strings": ("A = 'é\\n\\x00\\ud800'\nB = b'\\xff'\ndef f():\n    return A.encode('utf-8', 'surrogatepass'), B\n", (), [], []),
    "module_name_taken": ("import re as _r\nre = 'mine'\nA = [_r.compile('x')]\ndef f():\n    return re, A[0].pattern\n", (), [], []),
    "lambda": ("sq = lambda x: x ** N\nN = 3\ndef f(x):\n    return sq(x)\n", (2,), ["sq = lambda x: x ** N"], []),
    "lambdas_in_a_dict": (
        """
def g(x):
    return x
D = {'a': lambda x: g(x), 'b': g}
def f(x):
    return D['a'](x), D['b'](x)
""",
        (2,),
        ["D = {'a': lambda x: g(x), 'b': g}"],
        [],
    ),
    "partial": (
        """
from functools import partial
def g(a, b):
    return a - b
h = partial(g, b=1)
def f(x):
    return h(x)
""",
        (2,),
        ["h = partial(g, b=1)"],
        [],
    ),
    "alias": ("def g():\n    return 1\nh = g\ndef f():\n    return h()\n", (), ["h = g"], []),
    "builtin_alias": (
        """
import math
sqrt = math.sqrt
show = print
def f():
    show('') if 0 else None
    return sqrt(4)
""",
        (),
        ["sqrt = math.sqrt"],
        [],
    ),
    "sentinel": ("MISSING = object()\ndef f(x=MISSING):\n    return x is MISSING\n", (), ["MISSING = object()"], []),
    "singledispatch": (
        """
from functools import singledispatch
@singledispatch
def g(x):
    return 'any'
@g.register
def _(x: int):
    return 'int'
@g.register(str)
def _(x):
    return 'str'
def f():
    return g(1), g('a'), g(None)
""",
        (),
        ["@g.register"],
        [],
    ),
    "lru_cache": (
        """
from functools import lru_cache
@lru_cache(maxsize=None)
def g(x):
    return x * 2
def f():
    return g(2), g.cache_info().currsize
""",
        (),
        ["@lru_cache(maxsize=None)"],
        [],
    ),
    "decorator": (
        """
import functools
def d(n):
    def outer(fn):
        @functools.wraps(fn)
        def inner(*a):
            return fn(*a) + n
        return inner
    return outer
@d(10)
def g(x):
    return x
def f():
    return g(1)
""",
        (),
        ["@d(10)"],
        [],
    ),
    "decorator_without_wraps": (
        """
def d(fn):
    def inner(*a):
        return fn(*a) + 1
    return inner
@d
def g(x):
    return x
def f():
    return g(1)
""",
        (),
        ["@d\ndef g"],
        [],
    ),
    "own_decorator": (
        """
import functools
def d(fn):
    @functools.wraps(fn)
    def inner(*a):
        return fn(*a) + 1
    return inner
@d
def f(x):
    return x
""",
        (1,),
        ["@d\ndef f"],
        [],
    ),
    "own_decorator_without_wraps": (
        """
def d(fn):
    def inner(*a):
        return fn(*a) + 1
    return inner
@d
def f(x):
    return x
""",
        (1,),
        ["@d\ndef f"],
        [],
    ),
    "contextmanager": (
        """
from contextlib import contextmanager
@contextmanager
def c():
    yield 3
def f():
    with c() as x:
        return x
""",
        (),
        ["@contextmanager"],
        [],
    ),
    "function_attribute": ("def f():\n    f.calls += 1\n    return f.calls\nf.calls = 4\n", (), ["f.calls = 4"], []),
    "closure": (
        """
def make(n, text):
    def f(x):
        '''keeps
        its shape'''
        return text * n + x + f.__doc__
    return f
f = make(2, 'a')
""",
        ("b",),
        ["n = 2", "text = 'a'"],
        [],
    ),
    "closure_over_a_function": (
        """
def make():
    def g(x):
        return x + 1
    def f(x):
        return g(x)
    return f
f = make()
""",
        (1,),
        ["def g(x)"],
        ["make"],
    ),
    "closure_over_a_module": (
        """
def make():
    import json as j
    def f(x):
        return j.dumps(x)
    return f
f = make()
""",
        (1,),
        ["import json as j"],
        [],
    ),
    "defined_in_if": (
        """
import sys
if sys.version_info > (3,):
    def f(x):
        return x
else:
    f = None
""",
        (1,),
        ["def f(x):\n    return x"],
        [],
    ),
    "chosen_in_if": ("import sys\nif sys.version_info > (3,):\n    N = 1\nelse:\n    N = 2\ndef f():\n    return N\n", (), ["N = 1"], []),
    "environment": (
        """
import os
HOME_X = os.environ.get('NO_SUCH_X', 'd')
Y = os.getenv('NO_SUCH_X')
def f():
    return HOME_X, Y
""",
        (),
        ["os.environ.get('NO_SUCH_X', 'd')", "os.getenv('NO_SUCH_X')"],
        [],
    ),
    "async": ("import asyncio\nasync def g():\n    return 3\ndef f():\n    return asyncio.run(g())\n", (), ["async def g"], []),
    "generator": ("def g():\n    yield from range(3)\ndef f():\n    return list(g())\n", (), [], []),
    "tabs": ("def f(x):\n\tif x:\n\t\treturn 1\n\treturn 2\n", (1,), ["\t\treturn 1"], []),
    "windows_lines": ("def f(x):\r\n    return x\r\n", (1,), ["    return x\n"], ["\r"]),
    "unicode_names": ("größe = 3\ndef f():\n    return größe  # ü\n", (), ["größe = 3"], []),
    "shadowed_builtin": ("def len(x):\n    return 42\ndef f():\n    return len([])\n", (), ["def len"], []),
    "dunder_names": ("def f():\n    return bool(__name__), __doc__\n", (), [], []),
    "property_and_static": (
        """
K = 2
class A:
    @property
    def p(self):
        return K
    @staticmethod
    def s():
        return K
    @classmethod
    def c(cls):
        return K
def f():
    return A().p + A.s() + A.c()
""",
        (),
        ["K = 2"],
        [],
    ),
    "abstract": (
        """
from abc import ABC, abstractmethod
class A(ABC):
    @abstractmethod
    def go(self): ...
class B(A):
    def go(self):
        return 1
def f():
    return B().go()
""",
        (),
        ["class A(ABC)"],
        [],
    ),
    "typed_dict": (
        """
from typing import TypedDict
class T(TypedDict):
    a: int
def f(x: T = None):
    return T(a=1)
""",
        (),
        ["class T(TypedDict)"],
        [],
    ),
    "exception_class": (
        """
class E(ValueError):
    pass
def f():
    try:
        raise E('x')
    except E as e:
        return repr(e)
""",
        (),
        ["class E"],
        [],
    ),
    "environment_in_a_helper_value": (
        """
import os
PW = os.environ.get('NO_SUCH_X', 'pw')
URL = f'db://u:{PW}@host'
def f():
    return URL
""",
        (),
        ["URL = f'db://u:{PW}@host'", "PW = os.environ.get"],
        ["u:pw@"],
    ),
    "functions_in_a_list": (
        """
def a(x):
    return x
def b(x):
    return -x
STEPS = [a, b, lambda x: x * 2]
def f(x):
    return [s(x) for s in STEPS]
""",
        (1,),
        ["STEPS = [a, b, lambda x: x * 2]"],
        [],
    ),
    "changed_list_of_a_class": (
        """
class C:
    items = {}
    other = []
C.items['a'] = 1
def f():
    return C.items, C.other
""",
        (),
        ["C.items = {'a': 1}"],
        ["C.other ="],
    ),
    "registry": (
        """
REGISTRY = {}
def register(fn):
    REGISTRY[fn.__name__] = fn
    return fn
@register
def a():
    return 1
@register
def b():
    return 2
del REGISTRY['b']
def f():
    return REGISTRY['a'](), list(REGISTRY)
""",
        (),
        ["REGISTRY = {}\n", "REGISTRY.clear()\nREGISTRY.update({'a': a})"],
        ["def b"],
    ),
    "list_of_steps": (
        """
import json
STEPS = []
def a(x):
    return json.dumps(x)
STEPS.append(a)
STEPS.append(str)
STEPS.append(json.loads)
ERRORS = (ValueError,)
ERRORS += (json.JSONDecodeError,)
def f():
    return [s('1') for s in STEPS], len(ERRORS)
""",
        (),
        ["STEPS[:] = [a, str, json.loads]"],
        [],
    ),
    "library_enum_in_a_container": (
        """
import http as h
from http.client import HTTPException as http
CODES = {"a": h.HTTPStatus.OK}
CODES["b"] = h.HTTPStatus.CONTINUE
KINDS = [http]
KINDS.append(http)
def f():
    return CODES["b"].value, len(KINDS)
""",
        (),
        ["HTTPStatus.CONTINUE"],
        [],
    ),
    "conditional_name": (
        """
import sys
if sys.platform == 'no-such':
    import winreg
def f():
    return winreg if sys.platform == 'no-such' else 1
""",
        (),
        [],
        ["winreg\n"],
    ),
    "class_body_reads_the_module": (
        """
limit = 3
class A:
    limit = limit
    name = 'x'
    def go(self):
        return self.limit
name = object()
def f():
    return A().go(), A.name
""",
        (),
        ["limit = 3"],
        ["object"],
    ),
    "strange_line_ends": ("X = 'a\u2028b\x85c\x0cd'\n# \u2028 \x0b\ndef f():\n    return X\n", (), ["a\u2028b\x85c"], []),
    "alias_of_an_old_function": (
        """
def g():
    return 1
h = g
def f():
    return h()
""",
        (),
        ["h = g"],
        [],
    ),
}


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
    "table": (
        """
import pandas as pd
df = pd.DataFrame({'a': [1]})
def f():
    return df.a.sum()
""",
        "df",
        "pass it as a parameter: f(…, df=df)",
    ),
    "table_in_helper": (
        """
import pandas as pd
df = pd.DataFrame({'a': [1]})
def g():
    return df
def f():
    return g()
""",
        "df",
        "DataFrame",
    ),
    "stateful_object": (
        """
class M:
    def __init__(self):
        self.file = open('/dev/null')
m = M()
def f():
    return m
""",
        "m",
        "pass it as a parameter",
    ),
    "random_state": (
        """
import random
rng = random.Random(1)
rng.random()
def f():
    return rng.random()
""",
        "rng",
        "inside of the function",
    ),
    "generator": ("g = (x for x in range(3))\ndef f():\n    return list(g)\n", "g", "generator"),
    "module_without_name": ("import types\nm = types.ModuleType('zzz_none')\ndef f():\n    return m\n", "m", "module"),
    "secret": (
        """
import base64
API_TOKEN = base64.b64decode(b'c2VjcmV0').decode()
def f():
    return API_TOKEN
""",
        "API_TOKEN",
        "secret",
    ),
    "environment": ("import os\nX = os.environ['PATH'] + input.__name__.upper()\ndef f():\n    return X\n", "X", "os.environ"),
    "registry_of_a_class": (
        """
class R:
    items = []
R.items.append(print)
def f():
    return R.items
""",
        "R.items",
        "live list",
    ),
    "asked_for": ("import getpass\nX = 'v' if 1 else getpass.getpass()\nY = X * 2\ndef f():\n    return Y\n", "X", "secret"),
    "large": ("big = list(range(100_000))\ndef f():\n    return len(big)\n", "big", "pass it as a parameter"),
}


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
    module = lab.module(
        "import os\nTOKEN = os.environ['LAB_TOKEN']\nOTHER = os.getenv('LAB_TOKEN', '') + 'x'\ndef f():\n    return TOKEN, OTHER\n"
    )
    source = capture_function(module.f)
    assert "s3cr3t-value" not in str(source)
    assert "os.environ['LAB_TOKEN']" in source["files"]["functions.py"]


def test_a_file_that_was_edited_after_its_import(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    module = lab.module("def f():\n    return 'old'\n", "lab_edited")
    assert "old" in capture_function(module.f)["files"]["functions.py"]
    lab.write("lab_edited.py", "def f():\n    return 'new, and longer'\n")
    with pytest.raises(CaptureError, match="changed since"):
        capture_function(module.f)
    importlib.reload(module)
    assert "new" in capture_function(module.f)["files"]["functions.py"]


def test_the_real_decorators(lab: Lab) -> None:
    pytest.importorskip("runwright.decorators")
    module = lab.module(
        """
import runwright as rw
from runwright import function, handler
@handler(outputs=["a"])
def g(x):
    return x + 1
@rw.function(resources={"cpu": "1"})
@handler(outputs=["b"])
def f(x: int):
    return g(h(x))
@function
def h(x):
    return x * 2
"""
    )
    source = capture_function(module.f)
    assert "runwright" not in source["files"]["functions.py"]
    assert lab.run(source, 2) == "5"


def test_a_secret_that_came_another_way(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_API_KEY", "s3cr3t-value")
    module = lab.module("import os\nCONFIG = {}\nCONFIG['key'] = os.environ['LAB_API_KEY']\ndef f():\n    return CONFIG\n")
    with pytest.raises(CaptureError, match=r"\$LAB_API_KEY") as caught:
        capture_function(module.f)
    assert "s3cr3t-value" not in f"{caught.value}{vars(caught.value)}"


def test_installed_functions_and_classes_are_imported(lab: Lab) -> None:
    import json
    from collections import Counter

    assert lab.run(capture_function(json.dumps), [1]) == "'[1]'"
    assert lab.run(capture_function(len), [1]) == "1"
    assert lab.run(capture_function(Counter), "aa") == "Counter({'a': 2})"


def test_a_class_is_captured_like_a_function(lab: Lab) -> None:
    module = lab.module(
        "N = 2\nclass A:\n    def __init__(self, x):\n        self.x = x * N\n    def __repr__(self):\n        return f'A{self.x}'\n"
    )
    assert lab.run(capture_function(module.A), 3) == "A6"


def test_numpy_constants(lab: Lab) -> None:
    pytest.importorskip("numpy")
    module = lab.module(
        "import numpy as np\nW = np.array([[1, 2.5]])\nW[0, 0] = 3\nS = np.float32(0.5)\ndef f():\n    return (W * S).tolist()\n"
    )
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


RUNS = """
import runwright as rw

OPTIONS = {"timeout": 5}

@rw.function
def leaf(x):
    return x

@rw.function(**OPTIONS)  # kept
def step(x):
    return leaf(x) + 1

again = rw.function(leaf.fn, name="again")

@rw.function
def other(x):
    return x

@rw.function(retries=1)
def f(n):
    if n == 0:
        return 0
    return [step.run(n), again.map([n]), other(n), f.run(n - 1)]

@rw.function
def g(n):
    return step(n)
"""


def test_what_the_code_runs_keeps_its_decorators(lab: Lab) -> None:
    module = lab.module(RUNS)
    text = capture_function(module.f)["files"]["functions.py"]
    assert "@rw.function(**OPTIONS)  # kept\ndef step(x):" in text
    assert 'again = rw.function(leaf.fn, name="again")\n' in text
    assert "@rw.function\ndef leaf(x):" in text  # `leaf.fn`
    assert "@rw.function(retries=1)\ndef f(n):" in text
    assert "\n\n\ndef other(x):" in text
    assert capture_function(module.f) == capture_function(module.f.fn)
    plain = capture_function(module.g)
    assert "rw" not in plain["files"]["functions.py"]
    assert lab.run(plain, 1) == "2"
