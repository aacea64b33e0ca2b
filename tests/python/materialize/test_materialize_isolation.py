"""The package runs alone: any Python from 3.9, no site, nothing but the standard library, and next to no time to import."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from runwright import materialize

PYENV = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
SOURCES = Path(materialize.__file__).parents[1]


def pythons():
    """The running interpreter and one of every other minor version that is installed here."""
    found = {".".join(map(str, sys.version_info[:2])): sys.executable}
    for minor in range(9, 15):
        name = f"3.{minor}"
        places = [shutil.which(f"python{name}"), *sorted(glob.glob(os.path.join(PYENV, "versions", f"{name}.*", "bin", "python")))]
        for path in filter(None, places):  # a shim of pyenv may be of a version that is not installed
            if name not in found and subprocess.run([path, "-I", "-S", "-c", ""], capture_output=True, check=False).returncode == 0:
                found[name] = path
    return found


PYTHONS = pythons()


def run(python, program, *arguments):
    program = f"import sys; sys.path.insert(0, {str(SOURCES)!r})\n" + textwrap.dedent(program)
    done = subprocess.run([python, "-I", "-S", "-c", program, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("version", sorted(PYTHONS))
def test_alone_in_every_python(version, tmp_path):
    run(
        PYTHONS[version],
        """
        import datetime, decimal, fractions, os, pathlib, uuid
        import materialize
        from materialize import base, registry
        for builtin in registry.BUILTINS:
            assert isinstance(registry.load(builtin), base.Materializer)
        work = sys.argv[1]
        folder = pathlib.Path(work, "m"); folder.mkdir(); (folder / "a.txt").write_text("a")
        values = [
            None, 1, 2.5, float("inf"), "text", "x" * 70000, b"bytes", (1, [2, {3: {4}}]), {"a": {"b": 1}}, list(range(30000)),
            datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=-3))), datetime.date(2024, 1, 1),
            datetime.time(1, 2, 3, 4), datetime.timedelta(1), decimal.Decimal("1.50"), uuid.UUID(int=1), 1 << 70, fractions.Fraction(1, 3),
        ]
        for number, value in enumerate(values):
            descriptor = materialize.write(value, work, "outputs/%d" % number)
            assert materialize.read(descriptor, work) == value, value
        assert (materialize.read(materialize.write(folder, work, "outputs/folder"), work) / "a.txt").read_text() == "a"
        assert materialize.read(materialize.write(folder / "a.txt", work, "outputs/file"), work).read_text() == "a"
        for bad in (iter_ for iter_ in ((i for i in ()), lambda: 1)):
            try:
                materialize.write(bad, work, "outputs/bad")
            except materialize.MaterializeFailed as error:
                assert error.cure
            else:
                raise SystemExit("no error")
        assert not os.path.exists(os.path.join(work, "outputs", "bad"))
        try:
            materialize.as_df({"path": "m/a.txt", "format": "csv"}, work)
        except materialize.MaterializeFailed as error:
            assert "not installed" in error.message
        try:
            materialize.nothing
        except AttributeError:
            pass
        """,
        tmp_path,
    )


def test_a_pickle_of_another_python(tmp_path):
    others = [version for version in PYTHONS if PYTHONS[version] != sys.executable]
    if not others:
        pytest.skip("one Python only")
    import json

    descriptor = json.loads(
        run(
            PYTHONS[others[0]],
            "import fractions, json, materialize\nprint(json.dumps(materialize.write(fractions.Fraction(1, 3), sys.argv[1], 'o')))",
            tmp_path,
        )
    )
    with pytest.raises(materialize.MaterializeFailed, match=rf"Python {others[0]} and cannot be read by Python"):
        materialize.read(descriptor, str(tmp_path))


def test_importing_is_next_to_nothing():
    imported = run(
        sys.executable,
        """
        before = set(sys.modules)
        import materialize
        print(sorted(set(sys.modules) - before))
        """,
    )
    assert eval(imported) == ["__future__", "materialize"]


def test_a_small_value_imports_little():
    imported = run(
        sys.executable,
        """
        import os, importlib
        before = set(sys.modules)
        import materialize
        materialize.write(0.5, "/nowhere", "o")
        print(sorted(name for name in set(sys.modules) - before if not name.startswith("materialize")))
        """,
    )
    assert not set(eval(imported)) & {
        "typing",
        "pathlib",
        "hashlib",
        "json",
        "re",
        "pickle",
        "shutil",
        "inspect",
        "datetime",
        "collections",
    }


def test_no_third_party_module_is_imported(tmp_path):
    """With everything installed, writing and reading of plain things imports nothing that is not of the standard library."""
    program = f"import sys; sys.path.insert(0, {str(SOURCES)!r})\n" + textwrap.dedent(
        """
        import pathlib
        import materialize
        before = set(sys.modules)
        class Thing:
            pass
        sys.modules["things"] = type(sys)("things"); sys.modules["things"].Thing = Thing; Thing.__module__ = "things"
        for value in (1, [1, (2,)], "x" * 70000, b"x", list(range(30000)), pathlib.Path("."), Thing(), {"a": Thing()}):
            if value == pathlib.Path("."):
                value = pathlib.Path(sys.argv[1], "f"); value.write_text("x")
            materialize.read(materialize.write(value, sys.argv[1], "o"), sys.argv[1])
        own = {"things", "materialize", "_runwright_materializers"}
        print({name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names) - own)
        """
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "set()"


def test_reading_a_type_by_its_name_imports_nothing():
    class Metadata(type):
        pass

    class DataFrame(metaclass=Metadata):
        __module__ = "pandas.core.frame"

    from runwright.materialize.base import is_a, is_exactly, type_name

    class Mine(DataFrame):
        __module__ = "mine"

    assert is_a(DataFrame(), "pandas", "DataFrame") is False  # a local class has another qualified name
    DataFrame.__qualname__ = "DataFrame"
    assert is_exactly(DataFrame(), "pandas", "DataFrame") and is_a(Mine(), "pandas", "DataFrame")
    assert not is_exactly(Mine(), "pandas", "DataFrame") and not is_a(1, "pandas", "DataFrame")
    DataFrame.__module__ = None
    assert is_a(DataFrame(), "pandas", "DataFrame") is False
    assert type_name({}) == "dict"
