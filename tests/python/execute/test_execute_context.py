"""What user code sees of its run: injected objects, metrics, entities, inputs, and `import runwright`."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from execute_lab import Lab, pythons

# One where the library is not installed.
BARE = pythons()[0]


def test_injected_objects(lab: Lab) -> None:
    code = """
        def f(project, run, context, event, x):
            assert run is context
            same = run.key == context.key
            return [project.name, same, run.name, run.kind, run.action, run.parameters, event.body, run.attempt, x, run.project.name]
    """
    value = lab.run(code, parameters={"x": 1}).result
    assert value == ["demo", True, "f", "python", "job", {"x": 1}, {"x": 1}, 1, 1, "demo"]


def test_metrics_and_results(lab: Lab) -> None:
    code = """
        class Scalar:
            def item(self): return 2.5
        def f(run):
            run.log_metric("loss", 0.5, step=3)
            run.log_metric("loss", float("nan")); run.log_metric("loss", float("-inf")); run.log_metric("loss", True)
            run.log_metric("loss", Scalar())
            run.log_metrics({"a": 1, "b": [1, 2]}, step=10)
            run.log_result("best", {"depth": [1, None]})
            run.log_result("odd", [float("inf")])
    """
    ended = lab.run(code)
    points = [(event["name"], event["value"], event.get("step")) for event in ended.events("metric")]
    assert points == [
        ("loss", 0.5, 3),
        ("loss", "NaN", None),
        ("loss", "-Infinity", None),
        ("loss", 1, None),
        ("loss", 2.5, None),
        ("a", 1, 10),
        ("b", 1, 10),
        ("b", 2, 11),
    ]
    assert [(event["name"], event["value"]) for event in ended.events("result")] == [("best", {"depth": [1, None]}), ("odd", ["Infinity"])]


@pytest.mark.parametrize(
    "call",
    [
        "log_metric('x', 'high')",
        "log_metric('', 1)",
        "log_metric(3, 1)",
        "log_metric('x', 1, step=0.5)",
        "log_metric('x', None)",
        "log_metrics([1])",
        "log_result('x', object())",
        "log_artifact('a/b', data=1)",
        "log_artifact('a')",
        "log_artifact('a', data=1, source='/etc/hosts')",
    ],
)
def test_what_cannot_be_logged(lab: Lab, call: str) -> None:
    ended = lab.run(f"def f(run): run.{call}")
    assert ended.error["type"] in ("TypeError", "ValueError"), ended.end
    assert ended.error["traceback"].splitlines()[2].strip().startswith("def f(run): run.")
    assert ended.events("metric") == ended.events("entity") == []


def test_entities(lab: Lab) -> None:
    code = """
        import json
        def f(project, run):
            with open("report.txt", "w") as file: file.write("hello")
            report = project.log_artifact("report", source="report.txt", description="mine")
            rows = project.log_dataitem("rows", kind="table", data=[{"a": 1}])
            model = run.log_model("model", kind="custom", data=b"weights", metrics={"auc": 0.9})
            model.log_metric("loss", 0.1)
            with open(report) as file: text = file.read()
            return [report.key, rows.name, model.id, text, model.load().decode()]
    """
    ended = lab.run(code)
    key, name, model_id, text, weights = ended.result
    assert re.fullmatch(r"store://demo/artifact/\w+/report:[0-9a-f-]{36}", key)
    assert (name, text, weights) == ("rows", "hello", "weights")
    report, table, model, model_again = (event["entity"] for event in ended.events("entity"))
    assert report["output"]["description"] == "mine"
    assert (table["type"], table["kind"], table["output"]["type"]) == ("dataitem", "table", "dataitem")
    assert (model["id"], model["metrics"], model_again["metrics"]) == (model_id, {"auc": 0.9}, {"auc": 0.9, "loss": 0.1})
    for entity in (report, table, model):
        path = entity["output"]["path"]
        assert path.startswith(f"outputs/.entities/{entity['id']}/")
        with open(f"{ended.folder}/{path}", "rb") as file:
            assert hashlib.sha256(file.read()).hexdigest() == entity["output"]["sha256"]


@pytest.mark.parametrize("python", [BARE], ids=["bare"])
def test_the_library_is_not_installed(lab: Lab, python: str) -> None:
    code = """
        import runwright as rw
        from runwright import handler, Dataitem
        @rw.function(requirements=["x"])
        def helper(n: int): return n
        @handler(outputs=["a", "b"])
        def f(di: Dataitem):
            rw.log_metric("m", 1); rw.log_metrics({"n": 2})
            rw.log_artifact("art", data={"x": 1})
            assert rw.current().name == "f"
            assert isinstance(di, rw.Dataitem)
            said = []
            for away in (lambda: rw.get_project, lambda: helper.run(1)):
                try: away()
                except (AttributeError, RuntimeError) as error: said.append(str(error))
            return helper(1), said
    """
    os.makedirs(lab.home)
    data = f"{lab.home}/data.json"
    with open(data, "w", encoding="utf-8") as file:
        file.write("[1]")
    ended = lab.run(
        code, python=python, inputs={"di": {"key": "store://demo/dataitem/table/raw:1", "type": "dataitem", "path": data, "as": "entity"}}
    )
    assert (ended.end["state"], ended.end["names"]) == ("COMPLETED", ["a", "b"]), ended.error
    assert [text.split(":")[0].split(",")[0] for text in ended.values["b"]] == [
        "runwright.get_project is not available here",
        "helper.run() needs Runwright",
    ]
    assert all("not installed" in text for text in ended.values["b"])
    assert [event["name"] for event in ended.events("metric")] == ["m", "n"]
    assert len(ended.events("entity")) == 1


def test_the_installed_library_finds_the_run(lab: Lab) -> None:
    """Its own copy of these files is another package than the runner's."""
    code = """
        import sys
        def f(path):
            sys.path.append(path)
            from runwright.execute.context import current
            current().log_metric("m", 1)
            return current().name
    """
    import runwright

    ended = lab.run(code, parameters={"path": os.path.dirname(os.path.dirname(runwright.__file__))})
    assert (ended.result, len(ended.events("metric"))) == ("f", 1)


def test_a_project_without_the_library(lab: Lab) -> None:
    error = lab.run("def f(project): project.get_function('x')", python=BARE).error
    assert error["type"] == "LookupError"
    assert "not installed" in error["message"]


def test_inputs(lab: Lab) -> None:
    code = """
        def f(project, di, x, n, many):
            with open(di.download("copy")) as file: text = file.read()
            parts = [part for part in many.values()]
            return [text, di.key, di.name, di.kind, project.get_dataitem("raw").key, x.decode(), n, list(many), parts]
    """
    run_id = lab.prepare(
        code,
        inputs={
            "di": {
                "key": "store://demo/dataitem/file/raw:1",
                "type": "dataitem",
                "kind": "file",
                "name": "raw",
                "id": "1",
                "path": "inputs/di/raw.txt",
                "as": "entity",
            },
            "x": {"path": "inputs/x/data.bin", "format": "bin", "of": "bytes", "kind": "file", "as": "value"},
            "n": {"type": "value", "value": 5},
            "many": {
                "shape": "dict",
                "names": ["b", "a"],
                "parts": {"a": {"type": "value", "value": 1}, "b": {"type": "value", "value": 2}},
            },
        },
    )
    for name, content in {"di/raw.txt": "text", "x/data.bin": "bytes"}.items():
        path = Path(lab.home, "runs", run_id, "inputs", name)
        path.parent.mkdir(parents=True)
        path.write_text(content)
    ended = lab.ended(run_id, lab.start(run_id))
    key = "store://demo/dataitem/file/raw:1"
    assert ended.result == ["text", key, "raw", "file", key, "bytes", 5, ["b", "a"], [2, 1]]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"path": "inputs/none.bin", "as": "value"}, "not there"),
        ({"path": "run.json", "format": "parquet", "as": "value"}, "'x'"),
        ({"run": "nothing", "output": "a"}, "nothing"),
        ({"url": "file:///etc/passwd", "as": "value"}, "http"),
        ({"url": None, "as": "value"}, "not there"),
    ],
)
def test_inputs_that_cannot_be_read(lab: Lab, given: dict[str, object], says: str) -> None:
    error = lab.run("def f(x): pass", inputs={"x": given}).error
    assert error["cause"] == "InputError"
    assert says in error["message"]


def test_an_output_that_the_other_run_does_not_have(lab: Lab) -> None:
    first = lab.run("def f(): return {'a': 1, 'b': 2}")
    other = os.path.basename(first.folder)
    error = lab.run("def f(x): pass", inputs={"x": {"run": other, "output": "c"}}).error
    assert error["cause"] == "InputError"
    assert "a, b" in error["cure"]


def test_files_of_another_run(lab: Lab) -> None:
    first = lab.run("def f(): return {'a': b'bytes', 'b': (1, 2)}")
    other = os.path.basename(first.folder)
    code = """
        def f(a, whole):
            with open(a.download(), 'rb') as file:
                return [file.read().decode(), whole['b'] == (1, 2), whole['a'] == b'bytes']
    """
    inputs = {"a": {"run": other, "output": "a", "as": "entity"}, "whole": {"run": other, "output": None, "as": "value"}}
    assert lab.run(code, inputs=inputs).result == ["bytes", True, True]


class Server(http.server.BaseHTTPRequestHandler):
    """Answers as the path says."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        kind = self.path.split("/")[1].partition("?")[0]
        first = len([path for path in self.asked if path == self.path]) == 1
        if kind == "gone":
            self.send_error(403)
        elif kind == "flaky" and first:
            self.send_error(503)
        else:
            body = b'{"a": 1}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            # Cut short the first time: what has come is not the file.
            self.wfile.write(body[:3] if kind == "cut" and first else body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Server.asked.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        thread = threading.Thread(target=functools.partial(running.serve_forever, 0.01))
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_presigned_urls(lab: Lab, server: str) -> None:
    code = """
        def f(x, di):
            with open(di.download()) as file: return [x, file.read(), di.load()]
    """
    given = {"format": "json", "sha256": hashlib.sha256(b'{"a": 1}').hexdigest(), "of": "dict", "kind": "json"}
    entity = {"key": "store://demo/artifact/json/raw:1", "type": "artifact", "as": "entity", **given}
    inputs = {"x": {"url": f"{server}/flaky/x.json?sig=1", "as": "value", **given}, "di": {**entity, "url": f"{server}/cut/di.json?sig=2"}}
    ended = lab.run(code, inputs=inputs)
    assert ended.result == [{"a": 1}, '{"a": 1}', {"a": 1}]
    # `download` and then `load` fetch once (twice, for it was cut short).
    assert len(Server.asked) == 4
    assert not [name for _, _, names in os.walk(ended.folder) for name in names if name.endswith(".partial")]


@pytest.mark.parametrize(("path", "says"), [("gone/x.json", "403"), ("good/x.json", "SHA-256")])
def test_urls_that_do_not_give_the_file(lab: Lab, server: str, path: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from runwright.execute import inputs
    from runwright.execute.failure import Failed

    monkeypatch.setattr(inputs, "_ATTEMPTS", 2)
    given = {"url": f"{server}/{path}?X-Signature=credential", "format": "json", "sha256": "0" * 64}
    with pytest.raises(Failed) as raised:
        inputs.resolve("x", given, lab.home)
    assert says in raised.value.message
    assert "credential" not in json.dumps([raised.value.message, raised.value.cure])
    assert len(Server.asked) == (1 if "gone" in path else 2)
