"""HTML reprs: well-formed, self-contained, everything escaped, never failing."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

import runwright as rw
from runwright.differences import Differences
from runwright.display import html
from runwright.display.html.svg import sparkline

EVIL = """<script>alert(1)</script><img src=x onerror="alert('1')">"""
VOID = {"br", "img", "path", "hr"}


class Checker(HTMLParser):
    """Every tag closed in its order; what there is of tags and text."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text.append(data)


def checked(shown):
    """The visible text of a piece, once it is known to be well-formed, and to hold no script and nothing from elsewhere."""
    checker = Checker()
    checker.feed(shown)
    checker.close()
    assert checker.open == []
    for tag, attributes in checker.tags:
        assert tag not in ("script", "iframe", "link", "object")
        assert not any(name.startswith("on") for name in attributes), attributes
        assert not attributes.get("src", "data:").startswith(("http", "//", "javascript"))
        assert "href" not in attributes
    return "".join(checker.text)


def test_a_run(record):
    shown = html.run_html(record(), ["epoch 1", "epoch 2"])
    text = checked(shown)
    for part in (
        "train.job",
        "✓ COMPLETED",
        "870 ms",
        "depth=9",
        "score=0.5",
        "loss",
        "0.25",
        "3 values",
        "user code 600 ms",
        "epoch 2",
        record()["key"],
    ):
        assert part in text
    assert "<svg" in shown and "<style>" in shown


def test_an_evil_run_stays_text(record, failed):
    evil = failed(
        message=EVIL, traceback=EVIL + '\n  File "' + EVIL + '", line 1, in ' + EVIL, cure=EVIL, log=[EVIL], cause=EVIL, type=EVIL
    )
    evil.update(
        function=EVIL, action=EVIL, key=EVIL, id=EVIL, backend=EVIL, results={EVIL: EVIL}, outputs={EVIL: EVIL}, marks={}, names=[EVIL]
    )
    evil["metrics"] = {EVIL: [{"value": EVIL}, {"value": 1.0}, {"value": 2.0}]}
    evil["spec"].update(parameters={EVIL: EVIL}, inputs={EVIL: {"from": "entity", "key": EVIL}})
    for shown in (html.run_html(evil, [EVIL, "\x1b[31mred\x1b[0m"]), html.runs_html([evil, record()]), html.run_line(evil)):
        assert "alert(1)" in checked(shown)
        assert "\x1b" not in shown
    evil["state"] = EVIL
    checked(html.run_html(evil, []))
    checked(html.runs_html([evil, record()]))


def test_evil_entities_functions_and_differences_stay_text(entity, place):
    spec = {"format": EVIL, "size": 5, "of": EVIL, "schema": {EVIL: EVIL}, "preview": {"columns": [EVIL], "rows": [[EVIL]]}, "note": EVIL}
    evil = entity(
        name=EVIL, kind=EVIL, key=EVIL, path=EVIL, spec=spec, description=EVIL, labels=[EVIL], metrics={EVIL: EVIL}, producer=EVIL
    )
    assert "alert(1)" in checked(html.entity_html(evil, {"made_by": EVIL, "read_by": [EVIL] * 9}))
    found = [{"path": EVIL, "left": EVIL, "right": {EVIL: EVIL}}]
    assert "alert(1)" in checked(html.differences_html(Differences(EVIL, EVIL, found)))
    spec = {
        "source": {"origin": "text", "files": {EVIL: EVIL}, "handler": EVIL, "uri": EVIL, "commit": EVIL},
        "signature": [
            {"name": EVIL, "kind": "var_keyword", "type": {"type": "object", "name": EVIL}, "default": EVIL, "has_default": True}
        ],
        "requirements": [EVIL],
        EVIL: EVIL,
    }
    function = rw.Function(
        "demo", EVIL, "python", record={"project": "demo", "name": EVIL, "version": EVIL, "spec": spec, "description": EVIL}
    )
    assert "alert(1)" in checked(html.function_html(function))


def test_a_failed_run_has_the_cure_on_top_and_the_traceback_behind_a_click(failed):
    text = checked(shown := html.run_html(failed(), []))
    assert shown.index("inline=True") < shown.index("no such column") < shown.index("<details><summary>traceback")
    assert "functions.py:2 in bad" in text and "pandas/io.py" in text


def test_secrets_are_hidden(record, failed):
    shown = html.run_html(
        record(parameters={"password": "hunter2", "url": "postgresql://me:hunter2@db/x"}), ["connect to https://me:hunter2@x/"]
    )
    shown += html.runs_html([record(parameters={"api_key": "hunter2"}), record(parameters={"api_key": "hunter3"})])
    shown += html.run_html(failed(message="https://me:hunter2@x/ refused", traceback="https://me:hunter2@x/"), [])
    assert "hunter" not in shown


def test_many_runs_show_what_differs(record, failed):
    ids = [f"01a20f94-{n:04x}-72f5-9b5e-1f9e7a6aa1ee" for n in range(150)]
    records = [record(id=one, parameters={"depth": n, "same": 1}) for n, one in enumerate(ids)]
    text = checked(html.runs_html([failed(), *records]))
    assert "151 runs" in text and "UserError: ValueError: no such column" in text and "… and 51 more" in text
    text = checked(html.runs_html(records[:3]))
    assert "all with same=1" in text and "depth" in text
    assert "no runs" in checked(html.runs_html([]))
    assert checked(html.runs_html([record()])).count("train.job") == 1


def test_an_entity_shows_its_rows_its_columns_and_its_lineage(entity):
    text = checked(html.entity_html(entity(), {"made_by": "store://demo/run/python/1", "read_by": ["store://demo/run/python/2"]}))
    for part in (
        "clean",
        "3 rows \u00d7 2 columns",
        "2.4 kB parquet",
        "int64",
        "made by",
        "store://demo/run/python/1",
        "read by",
        "store://demo/run/python/2",
    ):
        assert part in text


def test_a_figure_is_shown_if_it_is_small_and_here(entity, tmp_path):
    file = tmp_path / "data.png"
    file.write_bytes(b"\x89PNG")
    figure = entity(kind="figure", type="artifact", path=str(file), spec={"format": "png", "size": 4})
    assert '<img alt="" src="data:image/png;base64,iVBORw==">' in html.entity_html(figure, None)
    file.write_bytes(b"x" * 1_000_001)
    assert "<img" not in html.entity_html(figure, None)
    assert "<img" not in html.entity_html({**figure, "path": "s3://bucket/data.png"}, None)
    # Only what says that it is one: an artifact that merely has the format may be anything.
    file.write_bytes(b"x")
    assert "<img" not in html.entity_html({**figure, "kind": "file"}, None)


def test_outputs_that_are_gone_still_have_their_keys(record, place):
    text = checked(html.run_html(record(outputs={"clean": "store://demo/dataitem/table/clean:1"}), []))
    assert "store://demo/dataitem/table/clean:1" in text


def test_a_function_its_source_and_its_versions(place):
    function = rw.get_or_create_project("demo").new_function("f", "python", code="def f(a: int = 1):\n    return a < 2\n", handler="f")
    shown = html.function_html(function)
    text = checked(shown)
    assert "f(a: int = 1)" in text and "return a < 2" in text and function.version[:12] in text and "1 version" in text
    assert shown.count('class="rw-ln"') == 2


def test_a_project(place):
    project = rw.get_or_create_project("demo")
    assert "no functions yet" in checked(html.project_html(project))
    project.new_function("f", "python", code="def f(a: int = 1):\n    return a\n", handler="f")
    (place / "note.txt").write_text("x")
    project.new_artifact("note", path=str(place / "note.txt"))
    project.new_secret("TOKEN", reference="env:MY_PLACE")
    text = checked(html.project_html(rw.get_project("demo")))
    assert "1 function" in text and "note" in text and "TOKEN" in text and "MY_PLACE" not in text


@pytest.mark.parametrize("broken", [{"id": "<b>", "state": "ERROR"}, {}, {"key": EVIL, "spec": None}])
def test_a_repr_never_fails(broken):
    checked(html.run_html(broken, []))
    checked(html.entity_html(broken, None))
    checked(html.runs_html([broken]))


@pytest.mark.parametrize(
    "values",
    [
        [1.0, 2.0],
        [1e308, -1e308, 0.0],
        [5, 5, 5],
        [1.0, float("nan"), None, "x", 2.0, 3.0, float("inf")],
        list(range(100_000)),
        [0.0] * 5000 + [1e300] + [0.0] * 5000,
    ],
)
def test_lines_of_any_numbers(values):
    shown = sparkline(values)
    assert len(shown) < 3000
    assert "nan" not in shown and "inf" not in shown
    checked(shown)
    path = shown.split(' d="')[1].split('"')[0]
    heights = [float(step.split(" ")[1]) for step in path.replace("M", "L").split("L")[1:]]
    assert all(2 <= height <= 18 for height in heights)
    if len(set(values)) > 1 and len(values) > 6:
        assert min(heights) == 2  # the peak is there however many points there are


def test_no_line_where_there_is_nothing_to_draw():
    assert sparkline([]) == sparkline([1.0]) == sparkline(["a", None, float("nan")]) == ""
