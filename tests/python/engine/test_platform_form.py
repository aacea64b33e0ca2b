"""The platform's own form: projects, `new_function`, `handler`, entities, secrets, YAML."""

from __future__ import annotations

import textwrap

import pytest

import runwright as rw
from runwright import exceptions

pytestmark = pytest.mark.usefixtures("store")

FUNCTIONS = """
from runwright import handler
from helpers.numbers import double

@handler(outputs=["dataset", "score"])
def clean(project, run, di, threshold: float = 0.5):
    frame = di.as_df()
    run.log_metric("rows", len(frame))
    project.log_artifact("note", data="kept")
    print(project.name, run.name)
    return frame[frame["x"] > threshold], double(threshold)
"""


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "src"
    (folder / "helpers").mkdir(parents=True)
    (folder / "functions.py").write_text(FUNCTIONS)
    (folder / "helpers" / "__init__.py").write_text("")
    (folder / "helpers" / "numbers.py").write_text("def double(x):\n    return 2 * x\n")
    return rw.get_or_create_project("demo")


@pytest.fixture
def table(project):
    import pandas as pd

    return project.log_dataitem("raw", data=pd.DataFrame({"x": [0.0, 1.0, 2.0]}))


def test_a_function_from_a_folder_runs_with_injected_objects(project, table, tmp_path):
    fn = project.new_function(name="clean", kind="python", code_src=str(tmp_path / "src"), handler="functions:clean")
    run = fn.run(action="job", inputs={"di": table.key}, parameters={"threshold": 0.75}, local_execution=True, wait=True)
    assert run.result("score") == 1.5
    assert run.output("dataset").as_df()["x"].tolist() == [1.0, 2.0]
    assert run.metrics == {"rows": 3}
    assert str(run.logs()) == "demo clean"
    note = project.get_artifact("note")
    assert (note.load(), note.producer) == ("kept", run.key)
    assert set(run.lineage()["makes"]) == {note.key, run.output("dataset").key}
    assert project.list_runs("clean") == [run]
    assert project.get_run(run.key) == run


def test_a_function_from_text_runs_inline_too(project):
    fn = project.new_function(name="square", kind="python", code="def square(x: int):\n    return x * x\n", handler="square")
    assert fn.run(x=3, inline=True).result() == 9
    assert fn.run(parameters={"x": 4}, wait=True).result() == 16
    assert fn.actions == ["job", "serve", "build"]
    with pytest.raises(exceptions.InvalidError, match='did you mean "job"'):
        fn.run(action="jobb", parameters={"x": 4})
    with pytest.raises(exceptions.InvalidError, match="give x as int"):
        fn.run(parameters={"x": "4"})


@pytest.mark.parametrize(
    ("described", "error", "words"),
    [
        ({"kind": "pyton", "code": "x = 1", "handler": "x"}, "InvalidError", "python"),
        ({"kind": "python"}, "InvalidError", "code_src"),
        ({"kind": "python", "code": "def f(): pass", "handler": "g"}, "InvalidError", "defines no 'g'"),
        ({"kind": "python", "code": "def f(: pass", "handler": "f"}, "SourceError", "line 1|:1"),
        ({"kind": "python", "code": "def f(): pass", "handler": "../f"}, "InvalidError", "handler"),
        ({"kind": "python", "code_src": "/nowhere/f.py", "handler": "f"}, "SourceError", "nowhere"),
        ({"kind": "python", "code": "def f(): pass", "handler": "f", "requirements": ["scikit learn"]}, "InvalidError", "requirements"),
    ],
)
def test_a_bad_description_creates_nothing(project, described, error, words):
    with pytest.raises(getattr(exceptions, error), match=words):
        project.new_function(name="bad", **described)
    assert project.list_functions() == []


def test_entities_are_logged_registered_listed_and_deleted(project, tmp_path):
    file = tmp_path / "notes.csv"
    file.write_text("x,y\n1,2\n")
    taken = project.log_dataitem("notes", source=str(file))
    file.write_text("changed")
    assert taken.as_df()["y"].tolist() == [2]
    registered = project.new_artifact("there", path=str(file))
    assert registered.path == str(file)
    second = project.log_dataitem("notes", source=str(file))
    assert project.get_dataitem("notes") == second
    assert project.list_dataitems("notes") == [second, taken] == taken.versions()
    copy = taken.download(tmp_path / "copy")
    assert open(copy).read() == "x,y\n1,2\n"
    with pytest.raises(exceptions.InvalidError, match="overwrite"):
        taken.download(copy)
    model = project.log_model("tree", data={"depth": 3})
    model.log_metrics({"accuracy": 0.9})
    model.log_metric("f1", 0.8)
    assert project.get_model("tree").metrics == {"accuracy": 0.9, "f1": 0.8}
    assert model.load() == {"depth": 3}
    project.delete_dataitem(second.key)
    assert project.get_dataitem("notes") == taken
    registered.delete()
    assert file.exists()
    with pytest.raises(exceptions.NotFoundError, match='did you mean "notes"'):
        project.get_dataitem("note")
    with pytest.raises(exceptions.InvalidError, match="store://"):
        rw.get_entity("notes")
    with pytest.raises(exceptions.InvalidError, match="one of data="):
        project.log_artifact("none")


def test_everything_is_exported_and_imported(project, table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fn = project.new_function(name="square", kind="python", code="def square(x: int):\n    return x * x\n", handler="square")
    run = fn.run(x=3, wait=True)
    files = [fn.export(), run.export(), table.export(), project.export()]
    assert [open(file).read(20).startswith(("entity:", "{")) or "entity" in open(file).read() for file in files] == [True] * 4
    path = table.path
    whole = project.export("whole.yaml")
    project.delete_function("square")
    run.delete()
    for file in files[:3]:
        rw.import_yaml(file)
    assert rw.attach(run.key).result() == 9
    assert project.get_function("square").version == fn.version
    assert rw.get_entity(table.key).path == path
    rw.import_yaml(whole)
    (tmp_path / "bad.yaml").write_text("a: &a [x]\nb: [*a, *a]\n")
    with pytest.raises(exceptions.InvalidError, match="entity"):
        rw.import_yaml("bad.yaml")


def test_secrets_are_references(project, monkeypatch, home):
    monkeypatch.setenv("TOKEN", "hunter2-value")
    project.new_secret("PASSWORD", secret_value="sesame-value")
    assert project.list_secrets()["PASSWORD"].startswith("file:")
    code = "import os\ndef f():\n    print(os.environ['TOKEN'])\n    return os.environ['PASSWORD'] == 'sesame-' + 'value'\n"
    fn = project.new_function(name="f", kind="python", code=code, handler="f")
    run = fn.run(secrets=["TOKEN", "PASSWORD"], wait=True)
    assert run.result() is True
    assert str(run.logs()) == "***"
    with pytest.raises(exceptions.InvalidError, match="MISSING"):
        fn.run(secrets=["MISSING"])
    project.delete_secret("PASSWORD")
    assert project.list_secrets() == {}


def test_a_project_is_deleted_with_all_that_is_in_it(project, table):
    from pathlib import Path

    project.delete()
    assert not Path(table.path).exists()
    with pytest.raises(exceptions.NotFoundError):
        rw.get_project("demo")


def test_source_is_shown(project):
    fn = project.new_function(name="f", kind="python", code=textwrap.dedent("def f():\n    return 1\n"), handler="f", description="one")
    assert fn.source == "def f():\n    return 1\n"
    assert fn.key.startswith("store://demo/function/python/f:")
    assert project.get_function(fn.key).version == fn.version
    assert project.get_function("f", fn.version[:8]).version == fn.version
