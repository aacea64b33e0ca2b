"""The way of a run, against both databases: defined, recorded, executed, observed, finished, found again."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

import runwright as rw
from runwright import exceptions

pytestmark = pytest.mark.usefixtures("store")
STATES = ["CREATED", "PENDING", "RUNNING", "COMPLETED"]


def test_a_run_is_tracked_from_its_creation_to_its_end(add):
    run = add.run(2, b=3)
    assert run.result() == 5
    assert [step["state"] for step in run.history] == STATES
    assert str(run.logs()) == "adding 2 and 3"
    assert run.parameters == {"a": 2, "b": 3}
    assert run.seconds > 0
    found = rw.attach(run.key)
    assert found.record == run.record
    assert rw.attach(run.id[:13]) == run


def test_a_plain_call_stays_a_plain_call(add):
    assert add(2, 3) == 5
    assert list(rw.runs()) == []


def test_inline_is_tracked_equally(add):
    run = add.run(2, inline=True)
    assert run.result() == 3
    assert [step["state"] for step in run.history] == ["CREATED", "RUNNING", "COMPLETED"]
    assert rw.attach(run.id).result() == 3


def test_a_version_is_a_digest_of_the_content(add):
    first, again = add.run(1, inline=True), add.run(2, inline=True)
    assert first.version == again.version == add.version
    assert len(add.versions()) == 1

    @rw.function(name="add")
    def other(a: int, b: int = 1) -> int:
        return a - b

    assert other.version != add.version
    assert [function.version for function in other.versions()] == [other.version, add.version]
    assert "adding" in first.function.source
    # An old version that is saved again is the newest again.
    add.run(1, inline=True)
    assert rw.get_project("default").get_function("add").version in (add.version, other.version)


def test_lists_are_filtered_and_paged(add):
    @rw.function
    def fail():
        raise ValueError("on purpose")

    runs = [add.run(number, inline=True) for number in range(5)]
    failed = fail.run(inline=True)
    assert list(rw.runs()) == [failed, *reversed(runs)]
    assert list(rw.runs("add", limit=2)) == [runs[4], runs[3]]
    assert list(rw.runs("add", limit=2, before=runs[3].id)) == [runs[2], runs[1]]
    assert list(rw.runs(state="ERROR")) == [failed]
    assert list(rw.runs("add", "ERROR")) == []
    assert list(rw.runs(open=True)) == []
    with pytest.raises(exceptions.NotFoundError, match='did you mean "add"'):
        rw.runs("ad")
    with pytest.raises(exceptions.InvalidError, match="COMPLETED"):
        rw.runs(state="DONE")


def test_an_exception_of_the_users_is_explained(add):
    class Told(Exception):
        def __init__(self, code: int) -> None:
            super().__init__(f"code {code}")
            self.code = code

    @rw.function
    def fail(code: int):
        print("about to fail")
        raise Told(code)

    run = fail.run(7).wait()
    with pytest.raises(exceptions.UserError) as caught:
        run.result()
    error = caught.value
    assert (error.cause, error.type, error.attributes) == ("UserError", "Told", {"code": 7})
    assert "raise Told(code)" in error.traceback
    assert "_runwright" not in error.traceback
    assert error.log == ["about to fail"]
    assert run.state == "ERROR"
    assert run.error.type == "Told"


def test_metrics_results_and_outputs():
    @rw.function(outputs=["table", "score"])
    def work(run):
        import pandas as pd

        for step in range(3):
            rw.log_metric("loss", 1 / (step + 1), step=step)
        run.log_metric("accuracy", 0.5)
        return pd.DataFrame({"x": [1, 2]}), 0.25

    run = work.run().wait()
    assert run.metrics == {"loss": [1.0, 0.5, 1 / 3], "accuracy": 0.5}
    assert run.results() == {"score": 0.25}
    assert run.result("score") == 0.25
    table = run.output("table")
    assert isinstance(table, rw.Dataitem)
    assert table.as_df()["x"].tolist() == [1, 2]
    assert run.outputs() == {"table": table}
    frame, score = run.result()
    assert score == 0.25
    assert frame.equals(table.load())
    assert table.lineage() == {"key": table.key, "made_by": run.key, "read_by": []}
    with pytest.raises(exceptions.NotFoundError, match="did you mean 'score'"):
        run.result("scor")


def test_plain_python_makes_a_pipeline(add):
    @rw.function
    def slow(a: int):
        import time

        time.sleep(0.3)
        return a

    first = slow.run(20)
    second = add.run(first, 2)
    third = add.run(a=second, b=second)
    assert third.result() == 44
    assert third.record["spec"]["inputs"]["a"]["run"] == second.id


def test_an_output_is_an_input_and_lineage(add):
    @rw.function(outputs=["table", "total"])
    def make():
        import pandas as pd

        return pd.DataFrame({"x": [1, 2, 3]}), 6

    @rw.function
    def use(table, di: rw.Dataitem, total: int):
        return [int(table["x"].sum()), int(di.as_df()["x"].max()), di.name, total]

    made = make.run()
    before = use.run(made["table"], made["table"], made["total"]).wait()
    made.wait()
    after = use.run(made["table"], made.output("table"), made["total"]).wait()
    assert before.result() == after.result() == [6, 3, "table", 6]
    key = made.output("table").key
    assert before.record["reads"] == after.record["reads"] == [key] or set(after.record["reads"]) == {key}
    assert set(made.output("table").lineage()["read_by"]) == {before.key, after.key}
    assert before.lineage()["reads"] == [key]


def test_what_needs_a_failed_run_fails_and_says_so(add):
    @rw.function
    def fail():
        import time

        time.sleep(0.3)
        raise ValueError

    failed = fail.run()
    needing = add.run(failed)
    with pytest.raises(exceptions.UpstreamFailedError):
        needing.result()
    with pytest.raises(exceptions.InvalidError, match="ERROR"):
        add.run(failed)


def test_values_that_are_not_json_travel_as_files():
    @rw.function
    def shapes(frame, array, items, pair, text="x"):
        return [list(frame.columns), array.shape, sorted(items), pair, text]

    import numpy as np
    import pandas as pd

    odd = {"caf\udce9": "\ud800"}  # as names of files that are not UTF-8 are
    run = shapes.run(pd.DataFrame({"a": [1]}), np.zeros((2, 3)), {3, 1}, (1, float("inf")), odd)
    assert run.result() == [["a"], (2, 3), [1, 3], (1, float("inf")), odd]


def test_map_keeps_the_order_and_reports_partial_failure():
    @rw.function
    def halve(number: int):
        if number == 3:
            raise ValueError("three")
        return number / 2

    runs = halve.map(range(5))
    assert isinstance(runs, rw.RunList)
    assert runs.results(failed=None) == [0.0, 0.5, 1.0, None, 2.0]
    assert [run.record["spec"]["map"]["index"] for run in runs] == [0, 1, 2, 3, 4]
    with pytest.raises(rw.RunError, match="1 of 5 runs did not complete \\(items 3\\)"):
        runs.results()
    assert runs.failed == [runs[3]]
    again = runs.rerun_failed()
    assert [a == b for a, b in zip(again, runs, strict=True)] == [True, True, True, False, True]
    assert len(rw.runs(map=runs[0].record["spec"]["map"]["id"])) == 5, "what is run again is a run of its own"
    assert halve.map([]) == []


def test_map_creates_all_or_none():
    @rw.function
    def f(a: int):
        return a

    for items, says in (([1, "x"], r'items\[1\]: f: a="x"'), ([{"a": 1}, {"b": 1}], r'items\[1\]: f has no parameter "b"')):
        with pytest.raises(exceptions.InvalidError, match=says):
            f.map(items)
    with pytest.raises(exceptions.MaterializeError, match=r"items\[2\]: The argument 'a' of type generator: .* used up"):
        f.map([1, 2, (n for n in "12")])
    assert list(rw.runs()) == []


def test_cache_returns_the_finished_run(add):
    first = add.run(1, cache=True).wait()
    assert add.run(1, cache=True) == first
    assert add.run(a=1, cache=True, inline=True) == first
    assert add.run(2, cache=True) != first
    assert add.run(1) != first

    @rw.function
    def fail(a: int):
        raise ValueError

    failed = fail.run(1, cache=True).wait()
    assert fail.run(1, cache=True) != failed


def test_timeout_and_retries():
    @rw.function
    def slow():
        import time

        time.sleep(60)

    run = slow.run(timeout=0.3, grace=1)
    with pytest.raises(exceptions.TimedOutError, match=r"0\.3"):
        run.result()

    @rw.function
    def flaky(path: str):
        from pathlib import Path

        seen = Path(path)
        seen.write_text(seen.read_text() + "x" if seen.exists() else "x")
        if len(seen.read_text()) < 3:
            raise ConnectionError("not yet")
        return len(seen.read_text())

    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        run = flaky.run(f"{folder}/seen", retries={"limit": 3, "delay": 0.01})
        assert run.result() == 3
    assert run.record["attempts"] == 3
    assert sum("attempt" in (step.get("message") or "") for step in run.history) == 2


def test_stop_and_delete(add):
    @rw.function
    def slow():
        import time

        print("on my way", flush=True)
        time.sleep(60)

    run = slow.run(grace=1)
    assert next(iter(run.logs(follow=True))) == "on my way"
    with pytest.raises(exceptions.ConflictError, match="RUNNING"):
        run.delete()
    assert run.stop().state == "STOPPED"
    assert rw.attach(run.id).stop().state == "STOPPED"
    with pytest.raises(exceptions.StoppedError):
        run.result()
    run.delete()
    with pytest.raises(exceptions.NotFoundError):
        rw.attach(run.key)


def test_reproduce_and_diff(add):
    run = add.run(1, b=5, labels=["nightly"]).wait()
    again = run.reproduce(wait=True)
    assert (again.result(), again.version, again.record["spec"]["labels"]) == (6, run.version, ["nightly"])
    assert {one["path"] for one in run.diff(again)} <= {"provenance.python", "attempts"}
    other = add.run(2, b=5).wait()
    found = {one["path"]: (one["left"], one["right"]) for one in run.diff(other)}
    assert found["parameters.a"] == (1, 2)
    assert found["results.result"] == (6, 7)


def test_provenance(add):
    import getpass
    import platform

    told = add.run(1).wait().provenance
    assert told["host"] == platform.node()
    assert told["python"] == platform.python_version()
    assert told["user"] in (getpass.getuser(), "0", "root")
    assert len(told["distributions"]) == 64
    assert {"cwd", "command", "pid", "runwright"} <= set(told)


def test_timeline(add):
    run = add.run(1).wait()
    phases = run.timeline()
    assert [one["phase"] for one in phases if one["phase"] not in ("start", "inputs", "finish")] == [
        "client",
        "queue",
        "import",
        "user code",
        "outputs",
    ]
    for one, following in pairwise(phases):
        assert one["start"] + timedelta(seconds=one["seconds"]) <= following["start"] + timedelta(microseconds=2)
    assert (
        sum(one["seconds"] for one in phases) <= (phases[-1]["start"] - phases[0]["start"]).total_seconds() + phases[-1]["seconds"] + 1e-5
    )
    assert "\n  time  " in repr(run)


def test_projects_hold_names_apart(add):
    rw.use(project="one")
    assert add.run(1, inline=True).project == "one"
    rw.use(project="two")
    assert add.run(1, inline=True).project == "two"
    assert len(rw.runs(project="*")) == 2
    assert [project.name for project in rw.list_projects()] == ["one", "two"]
    rw.delete_project("one")
    assert len(rw.runs(project="*")) == 1
    with pytest.raises(exceptions.NotFoundError, match="two"):
        rw.get_project("twoo")


def test_the_concurrency_limit_holds(home):
    rw.use(concurrency=2)

    @rw.function
    def busy(folder: str):
        import os
        import time

        path = f"{folder}/{os.getpid()}"
        open(path, "w").close()
        time.sleep(0.2)
        now = len(os.listdir(folder))
        os.unlink(path)
        return now

    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        most = busy.map([{"folder": folder}] * 6).results()
    assert max(most) == 2


@rw.function
def countdown(n: int) -> int:
    return 1 + countdown.run(n - 1).result() if n else 0


def test_a_run_may_run_others_and_wait_for_them(home, monkeypatch):
    """Even where one run at a time is executed: it holds the only place."""
    monkeypatch.setenv("RUNWRIGHT_CONCURRENCY", "1")

    @rw.function
    def square(x: int) -> int:
        return x * x

    @rw.function
    def total(n: int) -> int:
        return sum(square.map(list(range(n))).results()) + square.run(10).result()

    assert total.run(3).wait(timeout=60).result() == 105
    assert [run.name for run in rw.runs()].count("square") == 4
    assert countdown.run(2).wait(timeout=60).result() == 2
