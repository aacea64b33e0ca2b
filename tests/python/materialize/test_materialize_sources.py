"""Values of classes that the user defined: whoever reads them has the class, whatever process that is."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import nbclient
import nbformat

import runwright as rw
from runwright import materialize

DEFINITIONS = """
import dataclasses
import runwright as rw

OFFSET = 5

@dataclasses.dataclass
class Base:
    k: int
    def value(self): return self.k + OFFSET

class Model(Base):
    pass

def double(x): return 2 * x

@rw.function
def make(k: int): return {"models": [Model(k)], "rule": double}

@rw.function
def first(made): return made["models"][0]

@rw.function
def value(of): return of.value()

@rw.function
def same(of): return isinstance(of, Model)
"""


def python(home: Path, program: str, name: str = "program.py") -> list[str]:
    """The lines that a script prints."""
    (home / name).write_text(program)
    environment = {**os.environ, "RUNWRIGHT_HOME": str(home / "home")}
    done = subprocess.run([sys.executable, home / name], env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_class_of_a_script_is_known_to_every_run_and_back(tmp_path: Path) -> None:
    printed = python(
        tmp_path,
        DEFINITIONS
        + textwrap.dedent("""
        made = make.run(3)
        print(type(made.result()["models"][0]) is Model, made.result()["rule"](4))
        one = first.run(made)  # its code has no Model; what it gives is pickled again
        print(value.run(one).result(), type(one.result()) is Model)
        print(value.run(Model(7)).result(), same.run(Model(7)).result(), same.run(one).result())
        print(value.run(make.run(1, inline=True).result()["models"][0], inline=True).result())
        print(one.key)
        """),
    )
    assert printed[:-1] == ["True 8", "8 True", "12 True True", "6"]
    elsewhere = python(
        tmp_path,
        f"""
import pickle
import runwright as rw
model = rw.attach({printed[-1]!r}).result()
print(model, model.value(), pickle.loads(pickle.dumps(model)) == model)
again = rw.attach({printed[-1]!r}).result()
print(type(again) is type(model))
@rw.function
def twice(model): return 2 * model.value()
print(twice.run(model).result())
""",
        "elsewhere.py",
    )
    assert elsewhere == ["Model(k=3) 8 True", "True", "16"]


def test_a_transformer_of_a_notebook_goes_from_training_to_evaluation(tmp_path: Path) -> None:
    cells = [
        """
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
import runwright as rw

class Shift(TransformerMixin, BaseEstimator):
    def __init__(self, by=1.0): self.by = by
    def fit(self, x, y=None): return self
    def transform(self, x): return [[cell + self.by for cell in row] for row in x]

@rw.function
def train():
    return make_pipeline(Shift(2.0), LinearRegression()).fit([[0.0], [1.0]], [1.0, 3.0])

@rw.function
def evaluate(model) -> float:
    return float(model.predict([[2.0]])[0])
""",
        "trained = train.run()\nround(evaluate.run(trained).result(), 6), type(trained.result()[0]) is Shift",
        "round(evaluate.run(trained.result()).result(), 6), trained.output('model').kind if 'model' in trained.record['outputs'] else [*trained.record['outputs']]",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    os.environ["RUNWRIGHT_HOME"], before = str(tmp_path / "home"), os.environ.get("RUNWRIGHT_HOME")
    try:
        nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    finally:
        os.environ.pop("RUNWRIGHT_HOME") if before is None else os.environ.update(RUNWRIGHT_HOME=before)
    shown = [cell.outputs[-1]["data"]["text/plain"] for cell in notebook.cells[1:]]
    assert shown[0] == "(5.0, True)"
    assert shown[1].startswith("(5.0, ")


def test_what_a_source_cannot_give_is_said(tmp_path: Path) -> None:
    printed = python(
        tmp_path,
        """
import runwright as rw

class Big:
    text = "%s"

@rw.function
def make(): return Big()

@rw.function
def use(big): return len(big.text)

print(use.run(make.run()).wait().error.message)
"""
        % ("x" * 40_000),
    )
    assert "cannot be unpickled here" in printed[0] and "Big" in printed[0]


def test_a_value_of_installed_classes_has_no_source(tmp_path: Path) -> None:
    import collections

    assert "code" not in materialize.write(collections.OrderedDict(a=object), str(tmp_path), "x", name="x", role="result")
    assert rw.__version__
