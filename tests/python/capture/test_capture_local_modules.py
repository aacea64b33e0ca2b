"""Helpers in other modules of the user travel as files, what is installed does not."""

from __future__ import annotations

import sys

import pytest
from capture_lab import Lab

from runwright.capture import capture_function
from runwright.exceptions import CaptureError, SourceError


def test_modules_come_along_with_what_they_import(lab: Lab) -> None:
    lab.write("lab_pkg/__init__.py", "from . import deep\n")
    lab.write("lab_pkg/deep.py", "from .sub.leaf import LEAF\n")
    lab.write("lab_pkg/sub/__init__.py", "")
    lab.write("lab_pkg/sub/leaf.py", "import json\nLEAF = 3\n")
    lab.write("lab_pkg/unused.py", "")
    lab.write("lab_other.py", "def g():\n    import lab_late\n    return lab_late.X\n")
    lab.write("lab_late.py", "import importlib\nX = importlib.import_module('lab_dynamic').Y\n")
    lab.write("lab_dynamic.py", "Y = 4\n")
    module = lab.module("import lab_pkg.deep as d\nfrom lab_other import g\ndef f():\n    return d.LEAF + g()\n")
    source = capture_function(module.f)
    assert list(source["files"]) == [
        "functions.py",
        "lab_dynamic.py",
        "lab_late.py",
        "lab_other.py",
        "lab_pkg/__init__.py",
        "lab_pkg/deep.py",
        "lab_pkg/sub/__init__.py",
        "lab_pkg/sub/leaf.py",
    ]
    assert source["files"]["functions.py"].startswith("import lab_pkg.deep as d\nfrom lab_other import g\n")
    assert lab.run(source) == "7"


def test_a_function_inside_of_a_package(lab: Lab) -> None:
    lab.write("lab_project/__init__.py", "")
    lab.write("lab_project/settings.py", "RATE = 2\n")
    lab.write("lab_project/helpers.py", "from lab_project import settings\ndef g(x):\n    return x * settings.RATE\n")
    module = lab.module(
        "from .helpers import g as scale\nfrom . import settings\ndef f(x):\n    return scale(x) + settings.RATE\n", "lab_project.train"
    )
    source = capture_function(module.f)
    assert "from lab_project.helpers import g as scale" in source["files"]["functions.py"]
    assert "from lab_project import settings" in source["files"]["functions.py"]
    assert set(source["files"]) == {"functions.py", "lab_project/__init__.py", "lab_project/helpers.py", "lab_project/settings.py"}
    assert lab.run(source, 3) == "8"


def test_imports_inside_of_a_function(lab: Lab) -> None:
    lab.write("lab_inside/__init__.py", "")
    lab.write("lab_inside/a.py", "X = 1\n")
    lab.write("lab_inside/b.py", "Y = 2\n")
    module = lab.module(
        """
def f():
    from . import a; from .b import (
        Y,
    )
    import lab_inside.a as again
    return a.X + Y + again.X
""",
        "lab_inside.train",
    )
    source = capture_function(module.f)
    assert "    from lab_inside import a; from lab_inside.b import (\n" in source["files"]["functions.py"]
    assert set(source["files"]) == {"functions.py", "lab_inside/__init__.py", "lab_inside/a.py", "lab_inside/b.py"}
    assert lab.run(source) == "4"


def test_a_circle_of_modules(lab: Lab) -> None:
    lab.write("lab_a.py", "def g():\n    import lab_circle\n    return lab_circle.N\n")
    module = lab.module("import lab_a\nN = 5\ndef f():\n    return lab_a.g()\n", "lab_circle")
    source = capture_function(module.f)
    assert set(source["files"]) == {"functions.py", "lab_a.py", "lab_circle.py"}
    assert lab.run(source) == "5"


def test_a_namespace_package(lab: Lab) -> None:
    lab.write("lab_space/inner/mod.py", "X = 6\n")
    module = lab.module("from lab_space.inner.mod import X\nimport lab_space.inner.mod\ndef f():\n    return X + lab_space.inner.mod.X\n")
    source = capture_function(module.f)
    assert set(source["files"]) == {"functions.py", "lab_space/inner/mod.py"}
    assert lab.run(source) == "12"


def test_a_local_module_called_functions_keeps_its_name(lab: Lab) -> None:
    lab.write("functions.py", "def g():\n    return 1\n")
    module = lab.module("import functions\ndef f():\n    return functions.g()\n")
    source = capture_function(module.f)
    assert source["handler"] == "captured:f"
    assert lab.run(source) == "1"


def test_a_changed_value_of_a_module_is_written(lab: Lab) -> None:
    lab.write("lab_settings.py", "RATE = 1\n")
    module = lab.module("from lab_settings import RATE\nRATE = 5\ndef f():\n    return RATE\n")
    source = capture_function(module.f)
    assert set(source["files"]) == {"functions.py"}
    assert lab.run(source) == "5"


def test_classes_functions_and_enums_of_local_modules_in_constants(lab: Lab) -> None:
    lab.write("lab_kinds.py", "import enum\nclass K(enum.Enum):\n    A = 'a'\ndef g(x):\n    return x\n")
    module = lab.module("import lab_kinds\nfrom lab_kinds import K\nx = {K.A: 1}\nh = lab_kinds.g\ndef f():\n    return h(x[K.A])\n")
    assert lab.run(capture_function(module.f)) == "1"


def test_another_encoding_travels_as_it_is(lab: Lab) -> None:
    (lab.folder / "lab_latin.py").write_bytes("# -*- coding: latin-1 -*-\nX = 'é'\n".encode("latin-1"))
    module = lab.module("import lab_latin\ndef f():\n    return lab_latin.X\n")
    source = capture_function(module.f)
    assert set(source["binary"]) == {"lab_latin.py"}
    assert lab.run(source) == "'é'"


def test_installed_packages_do_not_travel(lab: Lab) -> None:
    site = lab.folder / "site-packages"
    (site / "lab_installed").mkdir(parents=True)
    (site / "lab_installed/__init__.py").write_text("def g():\n    return 1\n")
    sys.path.insert(0, str(site))
    try:
        module = lab.module("from lab_installed import g\ndef f():\n    return g()\n")
        source = capture_function(module.f)
    finally:
        sys.path.remove(str(site))
    assert set(source["files"]) == {"functions.py"}


def test_a_target_folder_with_distributions_is_installed(lab: Lab) -> None:
    target = lab.folder / "libs"
    (target / "lab_dist-1.0.dist-info").mkdir(parents=True)
    (target / "lab_dist-1.0.dist-info/METADATA").write_text("Name: lab_dist\nVersion: 1.0\n")
    (target / "lab_dist-1.0.dist-info/RECORD").write_text("lab_dist.py,,\n")
    (target / "lab_dist.py").write_text("def g():\n    return 1\n")
    (target / "lab_loose.py").write_text("def g():\n    return 2\n")
    sys.path.insert(0, str(target))
    try:
        module = lab.module("import lab_dist, lab_loose\ndef f():\n    return lab_dist.g() + lab_loose.g()\n")
        assert set(capture_function(module.f)["files"]) == {"functions.py", "lab_loose.py"}
    finally:
        sys.path.remove(str(target))


def test_a_function_of_a_local_module_that_is_used_as_an_input(lab: Lab) -> None:
    lab.write("lab_steps.py", "K = 3\ndef step(x):\n    return x + K\n")
    module = lab.module("import lab_steps\n")
    source = capture_function(module.lab_steps.step)
    assert source["files"]["functions.py"] == "K = 3\n\n\ndef step(x):\n    return x + K\n"


def test_a_syntax_error_in_a_local_module_names_the_line(lab: Lab) -> None:
    lab.write("lab_broken.py", "x = 1\n\ndef (:\n")
    module = lab.module("def f():\n    import lab_broken\n")
    # Imported when the function runs: found by reading.
    lab.write("lab_uses.py", "def g():\n    import lab_broken\n")
    other = lab.module("import lab_uses\ndef f():\n    return lab_uses.g()\n")
    with pytest.raises(SourceError, match=r"lab_broken\.py:3"):
        capture_function(other.f)
    with pytest.raises(SourceError, match=r"lab_broken\.py:3"):
        capture_function(module.f)


def test_too_much_is_refused(lab: Lab) -> None:
    lab.write("lab_big.py", "X = 1\n#" + "x" * 9 * 1024 * 1024)
    module = lab.module("import lab_big\ndef f():\n    return lab_big.X\n")
    with pytest.raises(CaptureError, match="8 MiB"):
        capture_function(module.f)
