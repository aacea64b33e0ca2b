"""What has no source travels as a pickle, or is refused with what to do."""

from __future__ import annotations

import builtins
import subprocess
import sys
from typing import Any

import pytest
from capture_lab import Lab

from runwright.capture import capture_function
from runwright.exceptions import CaptureError

cloudpickle = pytest.importorskip("cloudpickle")

# name: (module that binds f, arguments)
CASES: dict[str, tuple[str, tuple[Any, ...]]] = {
    "executed_text": ("exec('def f(x):\\n    return x + 1')\n", (1,)),
    "closure_over_an_object": (
        """
from fractions import Fraction
class A:
    __slots__ = ('x',)
def make():
    a = A()
    a.x = 2
    def f(y):
        return a.x * y
    return f
f = make()
""",
        (3,),
    ),
    "two_closures_of_a_kind": (
        """
def make(n):
    def add(x):
        return x + n
    return add
a = make(1)
b = make(2)
def f(x):
    return a(x), b(x)
""",
        (1,),
    ),
    "name_means_two_things": (
        """
n = 1
def g():
    return n
def make(n):
    def f():
        return n, g()
    return f
f = make(5)
""",
        (),
    ),
    "default_of_an_enclosing_variable": ("n = 5\ndef make(n):\n    def f(x=n):\n        return x\n    return f\nf = make(7)\n", ()),
    "nonlocal": (
        """
def make():
    n = 0
    def f():
        nonlocal n
        n += 1
        return n
    return f
f = make()
""",
        (),
    ),
    "lambda_in_a_list": ("fs = [lambda x: x + 1, lambda x: x + 2]\nf = fs[1]\n", (1,)),
    "two_lambdas_on_a_line": ("f, g = lambda x: x + 1, lambda x: x + 2\n", (1,)),
    "partial": ("import functools\ndef g(a, b):\n    return a - b\nf = functools.partial(g, 10)\n", (3,)),
    "method": (
        """
class A:
    def __init__(self, k):
        self.k = k
    def go(self, x):
        return self.k + x
f = A(2).go
""",
        (3,),
    ),
    "callable_object": ("class A:\n    def __call__(self, x):\n        return x * 2\nf = A()\n", (3,)),
    "local_class": (
        """
def make():
    base = ValueError
    class E(base):
        pass
    def f():
        return E.__name__
    return f
f = make()
""",
        (),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_pickled(lab: Lab, name: str) -> None:
    text, args = CASES[name]
    module = lab.module(text)
    source = capture_function(module.f)
    assert source["origin"] == "pickle"
    assert source["handler"] == "pickle:function.pkl"
    assert source["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert "function.pkl" in source["binary"]
    assert not [path for path in source["files"] if path == f"{module.__name__}.py"], "by value"
    expected = capture_function(module.f)
    assert expected["origin"] == "pickle"
    assert lab.run(source, *args) == repr(module.f(*args))


@pytest.mark.parametrize("name", CASES)
def test_without_cloudpickle_the_error_says_what_to_do(lab: Lab, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = lab.module(CASES[name][0])
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("cloudpickle"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CaptureError) as caught:
        capture_function(module.f)
    if name == "executed_text":  # as what is typed at a prompt, piped in or given by -c
        assert "put it into a file" in str(caught.value)
    else:
        assert "top level" in str(caught.value)
        assert "parameter" in str(caught.value)
    assert "pip install 'runwright[pickle]'" in str(caught.value)
    assert caught.value.field


def test_the_error_names_the_variable_and_its_type(lab: Lab) -> None:
    module = lab.module(
        "import threading\ndef make():\n    lock = threading.Lock()\n    def f():\n        return lock\n    return f\nf = make()\n"
    )
    with pytest.raises(CaptureError, match=r"uses 'lock', a live .*lock") as caught:
        capture_function(module.f)
    assert caught.value.field == "lock"


def test_local_modules_come_along_with_a_pickle(lab: Lab) -> None:
    lab.write("lab_helper.py", "import lab_helper_two\ndef g(x):\n    return x + lab_helper_two.N\n")
    lab.write("lab_helper_two.py", "N = 3\n")
    module = lab.module("import functools, lab_helper\ndef h(x):\n    return lab_helper.g(x)\nf = functools.partial(h)\n")
    source = capture_function(module.f)
    assert {path for path in source["files"] if not path.startswith("cloudpickle/")} == {"lab_helper.py", "lab_helper_two.py"}
    assert lab.run(source, 1) == "4"


def test_our_functions_in_a_pickle_become_plain(lab: Lab) -> None:
    module = lab.module(
        """
class Ours:
    __runwright_function__ = True
    def __init__(self, fn):
        self.fn = fn
        self.client = open('/dev/null')
    def __call__(self, *a):
        return self.fn(*a)
def make():
    class T:
        pass
    @Ours
    def g(x):
        return x + 1, T.__name__
    def f(x):
        return g(x)
    return f
f = make()
"""
    )
    source = capture_function(module.f)
    assert source["origin"] == "pickle"
    assert lab.run(source, 1) == "(2, 'T')"


def test_the_registry_of_cloudpickle_is_left_as_it_was(lab: Lab) -> None:
    module = lab.module(CASES["executed_text"][0])
    before = set(cloudpickle.list_registry_pickle_by_value())
    capture_function(module.f)
    assert set(cloudpickle.list_registry_pickle_by_value()) == before


def test_too_large_a_pickle_is_refused(lab: Lab) -> None:
    module = lab.module("import functools\ndef g(a):\n    return 1\nf = functools.partial(g, b'x' * 9_000_000)\n")
    with pytest.raises(CaptureError, match="8 MiB"):
        capture_function(module.f)


def test_a_partial_of_a_live_object_names_it(lab: Lab) -> None:
    module = lab.module("import functools, threading\ndef g(a):\n    return 1\nf = functools.partial(g, threading.Lock())\n")
    with pytest.raises(CaptureError, match=r"args\[0\]"):
        capture_function(module.f)


def test_importing_the_package_is_cheap() -> None:
    code = "import sys; before = set(sys.modules); import runwright.capture; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)})
    assert eval(done.stdout) == ["runwright", "runwright.capture"] or "ast" not in eval(done.stdout)
    assert not {"ast", "inspect", "zipfile", "urllib.request", "cloudpickle"} & set(eval(done.stdout))
