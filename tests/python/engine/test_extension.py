"""Kinds of function that others bring."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import runwright as rw
from runwright import exceptions
from runwright._engine import engine
from runwright.extend import register_runtime
from runwright.testing import check_runtime

PLUGIN = Path(__file__).parents[3] / "examples" / "plugin"
pytestmark = pytest.mark.usefixtures("home")


def test_a_registered_class_is_a_kind():
    @register_runtime
    class Echo:
        kind = "echo"
        actions = ["job", "twice"]

        def check(self, spec):
            if "text" not in spec:
                raise exceptions.InvalidError("echo needs text", field="text", cure="give text=…")

        def translate(self, request):
            words = [request["function"]["spec"]["text"]] * (2 if request["action"] == "twice" else 1)
            return {"task": {"process": {"command": ["echo", *words]}}}

    project = rw.get_or_create_project("demo")
    with pytest.raises(exceptions.InvalidError, match="give text"):
        project.new_function(name="hi", kind="echo")
    fn = project.new_function(name="hi", kind="echo", text="hello")
    assert str(fn.run(wait=True).logs()) == "hello"
    assert str(fn.run(action="twice", wait=True).logs()) == "hello hello"
    with pytest.raises(exceptions.InvalidError, match="inline"):
        fn.run(inline=True)


def test_a_commands_exit_code_decides():
    @register_runtime
    class Fail:
        kind = "fail"
        actions = ["job"]

        def translate(self, request):
            return {"task": {"process": {"command": ["sh", "-c", "echo no >&2; exit 3"]}}}

    run = rw.get_or_create_project("demo").new_function(name="f", kind="fail").run(wait=True)
    with pytest.raises(exceptions.ExitCodeError) as caught:
        run.result()
    assert (caught.value.exit_code, caught.value.log) == (3, ["no"])


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"actions": ["job"], "translate": lambda self, request: {}}, "no kind"),
        ({"kind": "x", "translate": lambda self, request: {}}, "no actions"),
        ({"kind": "x", "actions": ["job"]}, "translate"),
    ],
)
def test_a_class_that_lacks_something_is_refused(members, words):
    with pytest.raises(exceptions.InvalidError, match=words):
        register_runtime(type("Bad", (), members))


def test_the_contract_finds_what_does_not_hold():
    class Impure:
        kind = "impure"
        actions = ["job"]
        count = 0

        def translate(self, request):
            Impure.count += 1
            return {"task": {"process": {"command": ["echo", str(Impure.count)]}}}

    with pytest.raises(AssertionError, match="pure"):
        check_runtime(Impure, spec={})

    class NoPlan(Impure):
        kind = "noplan"

        def translate(self, request):
            return {"tsk": {}}

    with pytest.raises(exceptions.InvalidError, match="no plan"):
        check_runtime(NoPlan, spec={})


def test_an_exception_of_a_runtime_comes_through_untouched():
    class Odd(Exception):
        pass

    @register_runtime
    class Raises:
        kind = "raises"
        actions = ["job"]

        def translate(self, request):
            raise Odd("mine")

    fn = rw.get_or_create_project("demo").new_function(name="f", kind="raises")
    with pytest.raises(Odd, match="mine"):
        fn.run()
    assert list(rw.runs(project="demo")) == []


def test_the_example_plugin_is_installed_and_tested(tmp_path, home):
    """As its users would: from a wheel, found by its entry point, its own contract test run."""
    target = tmp_path / "site"
    # Building writes beside the sources.
    copy = shutil.copytree(PLUGIN, tmp_path / "plugin")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(copy)]
    subprocess.run(pip, check=True, capture_output=True, text=True)
    env = {"PYTHONPATH": str(target), "RUNWRIGHT_HOME": str(home), "PATH": "/usr/bin:/bin"}
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(copy / "tests")]
    assert "1 passed" in subprocess.run(tests, env=env, check=True, capture_output=True, text=True).stdout
    program = """
import runwright as rw
fn = rw.get_or_create_project("demo").new_function(name="hello", kind="shell", script="echo hello $WHO")
print(fn.run(parameters={"WHO": "world"}, wait=True).logs())
"""
    assert subprocess.run([sys.executable, "-c", program], env=env, check=True, capture_output=True, text=True).stdout == "hello world\n"


def test_every_builtin_kind_is_documented_and_has_a_golden_case():
    root = Path(__file__).parents[3]
    for kind in engine().kinds():
        if kind in ("echo", "fail", "impure", "noplan", "raises"):
            continue
        assert list((root / "tests" / "golden" / kind).glob("*/spec.yaml")), f"no golden case for {kind}"
        assert (root / "docs" / "kinds" / f"{kind}.md").exists(), f"no documentation for {kind}"
