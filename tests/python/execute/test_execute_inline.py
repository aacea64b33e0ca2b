"""The same call in the caller's process."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from execute_lab import Lab

from runwright.execute import context
from runwright.execute.call import run_inline


def frozen(**more: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "key": "store://demo/run/python/1",
        "project": "demo",
        "function": "f",
        "task": {"call": {"outputs": more.pop("outputs", None)}},
        **more,
    }


def test_it_is_the_same_as_in_a_process_of_its_own(tmp_path: Path, lab: Lab) -> None:
    def f(a: int, run: Any) -> dict[str, Any]:
        run.log_metric("loss", a)
        return {"x": a, "data": b"1"}

    folder = str(tmp_path / "folder")
    value, end, events = run_inline(f, frozen(parameters={"a": 3}), folder)
    ended = lab.run("def f(a, run):\n    run.log_metric('loss', a)\n    return {'x': a, 'data': b'1'}", parameters={"a": 3})
    assert value == {"x": 3, "data": b"1"}
    for field in ("state", "shape", "names", "error", "attempts"):
        assert end[field] == ended.end[field], field
    assert {**end["outputs"]["data"], "python": None} == {**ended.end["outputs"]["data"], "python": None}
    assert set(ended.end) == set(end)
    assert [event["type"] for event in events] == ["metric", "mark", "mark"]
    assert events[0]["time"] <= end["time"]
    assert os.listdir(folder) == ["outputs"]


def test_nothing_is_written_for_a_small_result(tmp_path: Path) -> None:
    value, end, _ = run_inline(lambda: {"a": 1}, frozen(), str(tmp_path / "folder"))
    assert (value, end["state"], list(end["outputs"])) == ({"a": 1}, "COMPLETED", ["a"])
    assert not (tmp_path / "folder").exists()


def test_live_values_win(tmp_path: Path) -> None:
    live = object()
    value, _, _ = run_inline(
        lambda x, y: (x is live, y), frozen(inputs={"x": {"path": "gone"}, "y": {"type": "value", "value": 2}}), str(tmp_path), {"x": live}
    )
    assert value == (True, 2)


def test_an_exception_is_given_back(tmp_path: Path) -> None:
    def f() -> None:
        raise ValueError("bad")

    value, end, _ = run_inline(f, frozen(), str(tmp_path))
    assert isinstance(value, ValueError)
    assert (end["state"], end["error"]["cause"], end["error"]["type"]) == ("ERROR", "UserError", "ValueError")
    assert "call.py" not in end["error"]["traceback"]
    with pytest.raises(RuntimeError):
        context.current()


def test_ctrl_c(tmp_path: Path) -> None:
    def f() -> None:
        raise KeyboardInterrupt

    value, end, _ = run_inline(f, frozen(), str(tmp_path))
    assert isinstance(value, KeyboardInterrupt)
    assert end["state"] == "STOPPED"


def test_inside_a_running_loop(tmp_path: Path) -> None:
    async def f(run: Any) -> int:
        await asyncio.sleep(0)
        context.current().log_metric("m", 1)
        return 7

    async def cell() -> Any:
        return run_inline(f, frozen(), str(tmp_path))

    value, end, events = asyncio.run(cell())
    assert (value, end["state"], events[0]["name"]) == (7, "COMPLETED", "m")


def test_runs_in_threads_keep_their_metrics_apart(tmp_path: Path) -> None:
    barrier = threading.Barrier(4)
    results: dict[int, list[Any]] = {}

    def f(n: int) -> None:
        barrier.wait(10)
        context.current().log_metric("n", n)

    def work(n: int) -> None:
        results[n] = run_inline(f, frozen(parameters={"n": n}), str(tmp_path))[2]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {n: [event["value"] for event in events if event["type"] == "metric"] for n, events in results.items()} == {
        n: [n] for n in range(4)
    }


def test_the_bundle_is_whole(lab: Lab) -> None:
    from runwright.execute import bundle

    files = bundle.bundle_files()
    assert {"_runwright/__main__.py", "_runwright/execute/supervise.py", "_runwright/materialize/__init__.py"} <= set(files)
    assert bundle.digest(files) == bundle.digest(dict(reversed(files.items())))
    assert bundle.write(lab.home) == bundle.write(lab.home) == f"{lab.home}/runner/{bundle.digest(files)}/_runwright/__main__.py"
    assert len(os.listdir(f"{lab.home}/runner")) == 1
