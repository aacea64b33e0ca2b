"""The package itself: what it needs, what its import does, that its names are there and documented."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib.metadata import metadata, requires

import pytest

import runwright as rw
from runwright import exceptions


def python(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.strip()


def test_nothing_is_required():
    assert [one for one in requires("runwright") or [] if "extra ==" not in one] == []
    assert metadata("runwright")["Requires-Python"] == ">=3.10"


def test_import_brings_nothing_that_others_wrote_and_starts_nothing():
    program = """
import sys, threading
before = set(sys.modules)
import runwright
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(new - set(sys.stdlib_module_names) - {"runwright"}), threading.active_count(), "runwright._core" in sys.modules)
"""
    assert python(program) == "[] 1 False"


def test_every_public_name_is_there_and_documented():
    for name in rw.__all__:
        value = getattr(rw, name)
        if name != "__version__":
            assert inspect.getdoc(value), f"rw.{name} has no docstring"


def public_methods():
    for kind in (rw.Function, rw.Run, rw.RunList, rw.Project, rw.Artifact, rw.Dataitem, rw.Model):
        for name, member in vars(kind).items():
            if not name.startswith("_") and callable(member):
                yield pytest.param(member, id=f"{kind.__name__}.{name}")


@pytest.mark.parametrize("method", list(public_methods()))
def test_every_public_method_is_documented(method):
    assert inspect.getdoc(method)


def test_every_cause_has_an_exception_and_every_exception_a_cause():
    of_causes = set(exceptions.BY_CAUSE.values())
    bases = {base for kind in of_causes for base in kind.__mro__[1:]}
    assert {
        kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, exceptions.RunError)
    } - bases == of_causes
    assert all(issubclass(kind, exceptions.RunError) and kind.__doc__ for kind in exceptions.BY_CAUSE.values())


def test_exceptions_survive_pickling():
    import pickle

    error = exceptions.UserError("it failed", key="k", traceback="tb", exit_code=1, attributes={"a": 1}, cure="mend it")
    again = pickle.loads(pickle.dumps(error))
    assert (again.key, again.traceback, again.exit_code, again.attributes, str(again)) == ("k", "tb", 1, {"a": 1}, str(error))
