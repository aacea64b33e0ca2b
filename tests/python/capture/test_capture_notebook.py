"""Functions of notebook cells, REPLs and scripts: what the names stand for now is what travels."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from capture_lab import Lab

import runwright

pytest.importorskip("IPython")

_DRIVER = """
import json, linecache, sys
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
from runwright.capture import capture_function
from runwright.exceptions import RunwrightError

cases = json.load(sys.stdin)
found = {}
for name, (cells, _) in cases.items():
    InteractiveShell.clear_instance()
    config = Config()
    config.HistoryManager.hist_file = ":memory:"
    shell = InteractiveShell.instance(config=config)
    linecache.cache.clear()
    for cell in cells:
        history = not cell.startswith("#nohistory")
        result = shell.run_cell(cell, store_history=history, silent=not history)
    try:
        found[name] = capture_function(shell.user_ns["f"])
    except RunwrightError as error:
        found[name] = {"error": str(error)}
print("\\n" + json.dumps(found))
"""

# name: (cells, what f() gives, as repr; or words of the error after '!')
CASES: dict[str, tuple[list[str], str]] = {
    "one_cell": (["def f():\n    return 1"], "1"),
    "across_cells": (["import json as j", "N = 3", "def g():\n    return j.dumps(N)", "def f():\n    return g()"], "'3'"),
    "redefined_helper": (["def g():\n    return 1", "def f():\n    return g()", "def g():\n    return 2"], "2"),
    "redefined_function": (["def f():\n    return 1", "def f():\n    return 2"], "2"),
    "changed_constant": (["N = 1", "def f():\n    return N", "N = 5"], "5"),
    "changed_in_place": (["L = [1]", "def f():\n    return L", "L.append(2)"], "[1, 2]"),
    "changed_config": (
        [
            """
from dataclasses import dataclass
@dataclass
class C:
    lr: float = 0.1""",
            "c = C()",
            "def f():\n    return c.lr",
            "c.lr = 9",
        ],
        "9",
    ),
    "rebound_import": (["import json as m", "def f():\n    return m.__name__", "import math as m"], "'math'"),
    "out_of_order": (
        ["def f():\n    return B().x", "class A:\n    pass", "class B(A):\n    x = 1", "class A:\n    y = 2\nclass B(A):\n    x = 3"],
        "3",
    ),
    "base_redefined_later": (
        [
            "class A:\n    x = 1",
            "class B(A):\n    pass",
            """
class A:
    x = 2
B.__bases__ = (A,)""",
            "def f():\n    return B().x",
        ],
        "2",
    ),
    "decorator_in_a_later_cell": (
        ["def d(fn):\n    return fn", "@d\ndef f():\n    return 7", "def helper():\n    return 1\ndef d(fn):\n    helper()\n    return fn"],
        "7",
    ),
    "magics": (["%matplotlib_none inline" if 0 else "%pwd", "!true", "%config", "def f():\n    return 4"], "4"),
    "magic_in_the_cell": (["%pwd\nN = 2\ndef f():\n    return N"], "2"),
    "timed_cell": (["%%time\nimport json\nN = 3\ndef f():\n    return json.dumps(N)"], "'3'"),
    "captured_cell": (["%%capture\ndef f():\n    return 6"], "6"),
    "broken_cells": (["def f(:", "1 / 0", "def f():\n    return 8"], "8"),
    "cell_run_twice": (["def g():\n    return 1", "def g():\n    return 2", "def g():\n    return 1", "def f():\n    return g()"], "1"),
    "without_history": (["#nohistory\nN = 2\ndef g():\n    return N", "#nohistory\ndef f():\n    return g()"], "2"),
    "alias_of_an_old_function": (["def g():\n    return 1", "h = g", "def g():\n    return 2", "def f():\n    return h()"], "1"),
    "deleted_helper": (["def g():\n    return 1", "def f():\n    return g()", "del g"], "!'g', which does not exist"),
    "dataframe": (["import threading\nlock = threading.Lock()", "def f():\n    return lock"], "!pass it as a parameter"),
    "last_output": (["1 + 1", "def f():\n    return _"], "2"),
    "shell_itself": (["def f():\n    return get_ipython()"], "!get_ipython"),
    "lambda": (["f = lambda x=3: x * N", "N = 2"], "6"),
    "class_without_methods": (["class A:\n    x = 1", "def f():\n    return A.x", "class A:\n    x = 2"], "2"),
    "future": (["from __future__ import annotations", "def f(x: NotThere = 1):\n    return x"], "1"),
    "same_line_numbers": (["def g():\n    return 1", "def h():\n    return 2", "def f():\n    return g() + h()"], "3"),
    "top_level_await": (["import asyncio\nawait asyncio.sleep(0)\nN = 3", "def f():\n    return N"], "3"),
    "expression_at_the_end": (["def f():\n    return 3\nf()"], "3"),
}


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = Path(runwright.__file__).parents[1]
    home = str(tmp_path_factory.mktemp("home"))
    done = subprocess.run(
        [sys.executable, "-c", _DRIVER],
        input=json.dumps(CASES),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "HOME": home, "IPYTHONDIR": home},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_notebook(lab: Lab, name: str, captured: dict[str, Any]) -> None:
    source = captured[name]
    expected = CASES[name][1]
    if expected.startswith("!"):
        assert expected[1:] in source.get("error", ""), source
        return
    assert source.get("origin") == "function", source
    assert lab.run(source) == expected


def test_ipykernel_cells(lab: Lab) -> None:
    """ipykernel names cells by a file that does not exist; their text is in linecache only."""
    text = """
import json, linecache
from runwright.capture import capture_function
def cell(name, text):
    file = f"/tmp/ipykernel_77/{name}.py"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    exec(compile(text, file, "exec"), space)
space = {"__name__": "__main__"}
cell("1", "import json\\nN = 2\\n")
cell("2", "def f():\\n    return json.dumps(N)\\n")
print(json.dumps(capture_function(space["f"])))
"""
    source = lab.script(text)
    assert source["origin"] == "function"
    assert source["files"]["functions.py"] == "import json\n\nN = 2\n\n\ndef f():\n    return json.dumps(N)\n"


SCRIPT = """
import json
import lab_side
from runwright.capture import capture_function
LIMIT = 4

class Part:
    def go(self):
        return lab_side.K + LIMIT

def f(x):
    return Part().go() + x

if __name__ == "__main__":
    print(json.dumps(capture_function(f)))
"""


def test_a_script(lab: Lab) -> None:
    lab.write("lab_side.py", "K = 10\n")
    source = lab.script(SCRIPT)
    assert set(source["files"]) == {"functions.py", "lab_side.py"}
    assert "runwright" not in source["files"]["functions.py"]
    assert lab.run(source, 1) == "15"


@pytest.mark.parametrize("version", ["3.10.13", "3.12.1", "3.13.0"])
def test_a_script_on_another_python(lab: Lab, version: str) -> None:
    python = Path.home() / f".pyenv/versions/{version}/bin/python"
    if not python.exists():
        pytest.skip(f"no Python {version}")
    lab.write("lab_side.py", "K = 10\n")
    assert lab.script(SCRIPT, python=str(python)) == lab.script(SCRIPT)


def test_a_text_without_source_is_told(lab: Lab) -> None:
    source = lab.script(
        """
import json, sys
sys.modules['cloudpickle'] = None
from runwright.capture import capture_function
space = {'__name__': '__main__'}
exec('def f(): return 1', space)
try:
    capture_function(space['f'])
except Exception as error:
    print(json.dumps({'error': str(error), 'type': type(error).__name__}))
"""
    )
    assert source["type"] == "CaptureError"
    assert "no source" in source["error"]
