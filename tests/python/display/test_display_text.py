"""Text reprs: compact, aligned, as wide as the terminal, never failing."""

from __future__ import annotations

import sys

import pytest

import runwright as rw
from runwright.differences import Differences
from runwright.display import text
from runwright.display.columns import Column, table, width


def test_a_completed_run(record):
    assert text.run_text(record(parameters={"depth": 9, "name": "x" * 300, "api_key": "hunter2"})).splitlines() == [
        "train.job  ✓ COMPLETED  870 ms",
        "  key          store://demo/run/python/01a20f94-7028-72f5-9b5e-1f9e7a6aa1ee",
        "  time         queue █████▎ 305 ms  start █ 60 ms  import █▊ 100 ms  user code ██████████▍ 600 ms  outputs ▉ 50 ms",
        f"  parameters   depth=9, name='{'x' * 27}…{'x' * 28}', api_key='***'",
        "  metrics      loss=0.25 (last of 3)",
        "  results      score=0.5, n=9",
    ]


def test_a_failed_run_says_why_where_and_what_to_do(failed):
    shown = text.run_text(failed())
    assert "train.job  ✗ ERROR" in shown
    assert "UserError: ValueError: no such column" in shown
    # The user's own line, not that of the library that it called.
    assert "functions.py:2 in bad: return pandas.read_csv(path)" in shown
    assert "inline=True" in shown
    assert "give it more" in text.run_text(failed(cause="OutOfMemory", traceback=None, cure="give it more memory"))


def test_inputs_and_outputs_are_named(record):
    shown = text.run_text(
        record(
            inputs={
                "di": {"from": "entity", "key": "store://demo/dataitem/table/raw:1", "as_entity": True},
                "model": {"from": "run", "run": "01a20f94-7028-72f5-9b5e-1f9e7a6aa1ee", "output": "model"},
                "x": {"from": "value", "descriptor": {"of": "numpy.ndarray"}},
            },
            outputs={"table": "store://demo/dataitem/table/clean:2"},
        )
    )
    assert "di=store://demo/dataitem/table/raw:1" in shown
    assert "model=run 01a20f94-7028-72f5['model']" in shown
    assert "x=<numpy.ndarray>" in shown
    assert "table → store://demo/dataitem/table/clean:2" in shown


def test_tagged_values_are_shown_as_they_were_given(record):
    assert "when=(1, 2)" in text.run_text(record(parameters={"when": {"$tuple": [1, 2]}}))
    assert "$newer" in text.run_text(record(parameters={"when": {"$newer": 1}}))


def test_a_list_shows_what_differs_and_fits(record, failed, monkeypatch):
    ids = [f"01a20f94-{n:04x}-72f5-9b5e-1f9e7a6aa1ee" for n in range(30)]
    records = [record(id=one, parameters={"depth": n, "name": "same", "long": "y" * 200 + str(n)}) for n, one in enumerate(ids)]
    records.append({**failed(), "id": "02a20f94-0000-72f5-9b5e-1f9e7a6aa1ee"})
    for columns in (60, 80, 120, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = text.runs_text(records).splitlines()
        assert len(lines) == 2 + len(records)
        assert max(map(width, lines)) <= columns
        assert "31 runs: 1 ERROR, 30 COMPLETED" in lines[0]
        assert all(one[:18] in line for one, line in zip(ids, lines[2:], strict=False))
    assert "depth" in lines[1] and "loss" in lines[1]
    assert "UserError" in lines[-1]
    assert "all with name='same'" in text.runs_text(records[:3])


def test_a_list_of_thousands_is_cut_and_empty_is_said(record):
    shown = text.runs_text([record()] * 5000)
    assert "5000 runs" in shown and "… and 4940 more" in shown
    assert text.runs_text([]) == "no runs"


def test_wide_characters_keep_columns_aligned():
    lines = table([Column("名前", ["深い", "ab"]), Column("n", ["1", "2"], right=True)], 80)
    assert [width(line) for line in lines] == [7, 7, 7]


def test_differences_are_side_by_side_and_long_ones_from_where_they_differ(monkeypatch):
    key = "store://demo/artifact/figure/plot:"
    found = [
        {"path": "parameters.depth", "left": 5, "right": 8},
        {"path": "parameters.password", "left": "hunter2", "right": "hunter3"},
        {"path": "version", "left": "a" * 64, "right": "b" * 64},
        {"path": "outputs.plot", "left": key + "a5de391a", "right": key + "2316500d"},
        {"path": "results.x", "left": None, "right": {"$tuple": [1]}},
    ]
    shown = text.differences_text(Differences("01a20f94-7028-72f5-9b5e-1f9e7a6aa1ee", "02a20f94-7028-72f5-9b5e-1f9e7a6aa1ee", found))
    rows = [line.split() for line in shown.splitlines()]
    assert rows[0] == ["01a20f94-7028-72f5", "02a20f94-7028-72f5"]
    assert rows[1] == ["parameters.depth", "5", "8"]
    assert "hunter" not in shown
    assert rows[3] == ["version", "a" * 12, "b" * 12]
    assert rows[4] == ["outputs.plot", "…/plot:a5de391a'", "…/plot:2316500d'"]
    assert rows[5] == ["results.x", "-", "(1,)"]
    assert text.differences_text(Differences("a", "b", [])) == "no differences"


def test_an_entity_with_its_first_rows(entity):
    shown = text.entity_text(entity())
    assert shown.startswith("Dataitem clean  (table, 3 rows \u00d7 2 columns, 2.4 kB parquet)")
    assert "a: int64, b: str" in shown
    assert shown.splitlines()[-3:] == ["               1  x", "               2  y", "               3  None"]


@pytest.mark.parametrize("broken", [{"id": "x", "state": "ERROR"}, {}, {"key": 5, "spec": None}])
def test_a_repr_never_fails(broken):
    assert text.run_text(broken).startswith("<")
    assert text.entity_text(broken).startswith("<")
    assert isinstance(text.runs_text([broken]), str)
    assert isinstance(text.run_text(None), str)


class Stream:
    encoding = "utf-8"

    def __init__(self, tty=True, encoding="utf-8"):
        self.tty, self.encoding = tty, encoding

    def isatty(self):
        return self.tty

    def write(self, text):
        return len(text)

    def flush(self):
        pass


def test_colour_only_at_the_prompt_of_a_terminal(record, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", Stream())
    assert "\x1b" not in text.run_text(record())
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    assert "\x1b[32m✓ COMPLETED\x1b[0m" in text.run_text(record())
    assert "\x1b[32m" in text.runs_text([record()])
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in text.run_text(record())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setattr(sys, "stdout", Stream(tty=False))
    assert "\x1b" not in text.run_text(record())


def test_a_terminal_that_cannot_write_symbols_gets_letters(record, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Stream(tty=False, encoding="ascii"))
    shown = text.run_text(record(parameters={"name": "äß"}))
    assert shown.isascii() and "+ COMPLETED" in shown


def test_a_function_is_shown_without_being_saved(place):
    @rw.function(requirements=None)
    def train(di: rw.Dataitem, depth: int = 5, *, rate: float | None = None, password: str = "hunter2", **more):
        """Train a model."""

    shown = repr(train)
    assert "train(di: Dataitem, depth: int = 5, *, rate: float | None = None, password: str = '***', **more)" in shown
    assert "not saved" in shown and "Train a model." in shown
    assert rw.get_or_create_project("default").list_functions() == []
    version = train.version
    assert version[:12] in repr(train)


def test_a_repr_shows_the_present_and_outlives_what_it_shows(place):
    @rw.function
    def quick():
        return rw.__name__

    run = quick.run()
    while not run.refresh().is_final:
        pass
    seen = rw.Run({**run.record, "state": "PENDING"})
    assert "COMPLETED" in repr(seen)
    entity = rw.get_or_create_project("default").new_artifact("x", path=str(place / "x.txt"))
    entity.delete()
    gone = rw.Run({**run.record, "state": "PENDING"})
    run.delete()
    assert "PENDING" in repr(gone) and "PENDING" in gone._repr_html_()
    assert "PENDING" in repr(rw.RunList([gone]))
    assert "x" in entity._repr_html_()
