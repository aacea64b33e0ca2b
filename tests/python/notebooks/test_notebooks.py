"""The notebooks, executed by a real kernel: what a newcomer sees, cell by cell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"


class Client(nbclient.NotebookClient):
    """As a frontend, with an ear for updates in place."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.updates = []

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] == "update_display_data":
            self.updates.append((cell_index, msg["content"]["data"]))
        return super().process_message(msg, cell, cell_index)


@pytest.fixture
def execute(tmp_path, monkeypatch):
    """`execute(notebook)`: run it in a kernel with a home of its own; gives the client, whose notebook has the outputs."""
    monkeypatch.setenv("RUNWRIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RUNWRIGHT_CONCURRENCY", "2")
    for name in ("RUNWRIGHT_STORE", "RUNWRIGHT_ARTIFACTS", "RUNWRIGHT_PROJECT", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def run(notebook):
        client = Client(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
        client.execute()
        return client

    return run


def cells(*sources):
    """A notebook of these cells."""
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])


def outputs(notebook, containing):
    """The outputs of the one cell that contains a text."""
    (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and containing in cell.source]
    return cell.outputs


def html(notebook, containing):
    return "".join(output.data.get("text/html", "") for output in outputs(notebook, containing) if "data" in output)


def text(notebook, containing):
    return "".join(output.get("text") or output.data["text/plain"] for output in outputs(notebook, containing))


def test_the_first_run(execute):
    notebook = nbformat.read(NOTEBOOKS / "01_first_run.ipynb", 4)
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in notebook.cells)
    client = execute(notebook)

    assert text(notebook, "add(2, 3)").split("\n") == ["adding 2 and 3", "5"]
    assert "✓ COMPLETED" in html(notebook, "run = add.run") and "a=2" in html(notebook, "run = add.run")
    assert text(notebook, "run.result()") == "5"
    assert "adding 2 and 3" in text(notebook, "run.logs()")

    # The loop takes over a second: its cell shows it while it goes on, and then one line above the whole.
    trained = outputs(notebook, "trained = train.run")
    assert [output.output_type for output in trained] == ["display_data", "execute_result"]
    assert len(trained[0].data["text/html"]) < len(trained[1].data["text/html"]) and "<pre>" not in trained[0].data["text/html"]
    shown = trained[1].data["text/html"]
    assert "✓ COMPLETED" in shown and "<svg" in shown and "rate=0.1" in shown and "step 40: x = 3.00" in shown
    place = next(n for n, cell in enumerate(notebook.cells) if "trained = train.run" in cell.source)
    updates = [data["text/html"] for index, data in client.updates if index == place]
    assert 3 <= len(updates) <= 15
    assert "▶ RUNNING" in updates[0] and "loss" in updates[0] and "✓ COMPLETED" in updates[-1]

    assert "user code" in text(notebook, "trained.timeline()")
    fitted = html(notebook, "fitted = fit.run")
    assert "✓ COMPLETED" in fitted and "data:image/png;base64," in fitted and "slope=" in fitted
    data = html(notebook, 'data.output("points")')
    assert "60 rows" in data and "int64" in data and "made by" in data and "read by" in data
    assert "image/png" in outputs(notebook, 'fitted.output("plot")')[0].data
    many = html(notebook, "many = train.map")
    assert many.count("COMPLETED") >= 4 and "rate" in many and "all with" in many
    assert text(notebook, "again = await") == "42"

    broken = html(notebook, "broken = divide.run")
    assert "✗ ERROR" in broken and "ZeroDivisionError" in broken and "inline=True" in broken and "<details><summary>traceback" in broken
    assert "UserError UserError ZeroDivisionError" in text(notebook, "broken.result()")
    assert "two" in text(notebook, 'add.run("two")')
    listed = html(notebook, "rw.runs(")
    assert "9 runs" in listed and "divide.job" in listed
    assert "parameters.rate" in html(notebook, "rw.diff(")
    assert text(notebook, "rw.attach(") == "'COMPLETED'"
    (function,) = [cell for cell in notebook.cells if cell.source == "train"]
    assert "gradient descent" in function.outputs[0].data["text/html"]
    assert "first-run" in html(notebook, "rw.get_project(")


def test_a_wait_in_the_running_loop_and_an_await_give_the_same(execute):
    client = execute(
        cells(
            "import asyncio, runwright as rw\n@rw.function\ndef double(x):\n    import time\n    time.sleep(0.2)\n    return 2 * x",
            "asyncio.get_running_loop().is_running(), double.run(4).wait().result()",
            "ticks = 0\nasync def tick():\n    global ticks\n    while True:\n        ticks += 1\n        await asyncio.sleep(0.01)\n"
            "task = asyncio.ensure_future(tick())\nrun = await double.run(5)\ntask.cancel()\nrun.result(), ticks > 5",
            "[run.result() for run in await double.map([1, 2, 3])]",
        )
    )
    shown = [cell.outputs[0].data["text/plain"] for cell in client.nb.cells[1:]]
    assert shown == ["(True, 8)", "(10, True)", "[2, 4, 6]"]
    assert client.updates == []


def test_a_fan_out_is_a_table_that_becomes_one_line_and_false_is_silent(execute):
    client = execute(
        cells(
            "import runwright as rw\n@rw.function\ndef work(x):\n    import time\n    time.sleep(0.5)\n    if x == 2:\n        raise ValueError('two')",
            "runs = work.map(range(6)).wait()",
            "runs = work.map(range(24)).wait()",
            "run = work.run(1).wait(progress=False)\nruns = work.map(range(6)).wait(progress=False)",
        )
    )
    few, many, silent = (cell.outputs for cell in client.nb.cells[1:])
    assert [len(few), len(many), len(silent)] == [1, 1, 0]
    assert "6 of 6 runs" in few[0].data["text/html"] and "<table" not in few[0].data["text/html"]
    tables = [data["text/html"] for index, data in client.updates if index == 1]
    assert any("<table" in page and "work.job[2]" in page for page in tables)
    assert "24 of 24 runs" in many[0].data["text/html"]
    pages = [data["text/html"] for index, data in client.updates if index == 2]
    assert any(re.search(r"\d+ of 24 runs", page) and "ValueError: two" in page for page in pages)


def test_an_interrupted_cell_says_how_to_return(execute):
    client = execute(
        cells(
            "import os, signal, threading, time\nimport runwright as rw\n@rw.function\ndef long():\n    import time\n    time.sleep(30)",
            "run = long.run()\nthreading.Timer(1.6, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
            "try:\n    run.wait()\nexcept KeyboardInterrupt:\n    print('interrupted', run.state)",
            "run.stop().record['state']",
        )
    )
    waited, stopped = client.nb.cells[1].outputs, client.nb.cells[2].outputs
    said = "".join(output.text for output in waited if output.output_type == "stream")
    assert re.search(r"detached: the run goes on; attach again with rw\.attach\('store://default/run/python/[0-9a-f-]+'\)", said)
    assert "interrupted RUNNING" in said
    assert stopped[0].data["text/plain"] == "'STOPPED'"
