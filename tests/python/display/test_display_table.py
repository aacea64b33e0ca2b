"""Rows for data frames."""

from __future__ import annotations

import pytest

from runwright.display.table import row

pandas = pytest.importorskip("pandas")


def test_rows_make_a_frame_one_can_compute_with(record, failed):
    frame = pandas.DataFrame(
        [row(record(parameters={"depth": 1})), row(record(parameters={"depth": 2, "password": "hunter2"})), row(failed())]
    )
    assert list(frame["parameters.depth"]) == [1, 2, 9]
    assert frame["metrics.loss"].dtype == "float64" and frame["metrics.loss"][0] == 0.25
    assert str(frame["created"].dtype).startswith("datetime64") and "UTC" in str(frame["created"].dtype)
    assert (frame["created"] <= frame["started"]).all()
    assert frame["error"][2] == "UserError" and frame["message"][2] == "no such column"
    assert frame["results.score"][0] == 0.5
    assert "hunter2" not in frame.to_csv()


def test_inputs_are_keys(record):
    inputs = {
        "di": {"from": "entity", "key": "store://x"},
        "m": {"from": "run", "run": "01", "output": "model"},
        "v": {"from": "value", "descriptor": {"of": "int"}},
    }
    cells = row(record(inputs=inputs, history=[], seconds=None, state="CREATED"))
    assert (cells["inputs.di"], cells["inputs.m"], cells["inputs.v"]) == ("store://x", "01['model']", "int")
    assert cells["started"] is None and cells["seconds"] is None
