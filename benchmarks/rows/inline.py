"""A tracked inline run, against the raw cost of its commits and against peers that track in SQLite too."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from .. import template
from ..bench import Bench
from ..measure import PROGRAMS, TIMES, Failed, Spread, Worker, environment, interleave, ratios

NOTES = [
    "Inline: one parameter, one metric, one result, in a warm process. Raw: the two transactions that the engine makes for it "
    "(INSERT, UPDATE), made by Python's sqlite3 with the engine's schema, pragmas and record sizes, everything prepared "
    "beforehand.",
    "MLflow: `start_run`, `log_param`, `log_metric`, `end_run` with a SQLite backend; telemetry off "
    '(`MLFLOW_DISABLE_TELEMETRY`). Flyte 2: a task run with `with_runcontext(mode="local")` after '
    "`flyte.init(local_persistence=True)`, no metric; telemetry off (`DO_NOT_TRACK`).",
]
# How many of each make one measurement: about as long for all.
BATCH = {"ours": 100, "raw": 100, "mlflow": 3, "flyte": 3}


def measure(bench: Bench) -> None:
    """Add the lines."""
    with ExitStack() as stack:
        folder = bench.fresh("inline")
        ours = stack.enter_context(bench.worker("tracked", folder))
        seen = template.take(ours, template.store_of(folder), "inline")
        raw_folder = bench.fresh("raw")
        seen.write(raw_folder)
        raw = stack.enter_context(Worker(bench.python, PROGRAMS / "sqlite_commits.py", raw_folder, environment(raw_folder)))
        took = interleave({"ours": _each(ours, "inline", "ours"), "raw": _each(raw, "commits", "raw")}, bench.rounds(60))
        over = ratios(took["ours"], took["raw"])
        bench.add("tracked inline run / raw cost of its two SQLite commits", f"≤ 3{TIMES}", over.text("x"), over.median <= 3)
        bench.add("… one tracked inline run", "", Spread.of(took["ours"]).text("us"))
        bench.add(f"… its two raw commits (records of {len(seen.begin)} and {len(seen.end)} bytes)", "", Spread.of(took["raw"]).text("us"))
        if bench.peers:
            for peer, title in (("mlflow", "MLflow start/log/end on SQLite"), ("flyte", "Flyte 2 local run with persistence")):
                _against(bench, stack, ours, peer, title)


def _against(bench: Bench, stack: ExitStack, ours: Worker, peer: str, title: str) -> None:
    try:
        theirs = stack.enter_context(bench.peer(peer, f"{peer}_inline"))
        took = interleave({"ours": _each(ours, "inline", "ours"), peer: _each(theirs, "run", peer)}, bench.rounds(30))
    except Failed as error:
        bench.add(f"{title} / tracked inline run", f"≥ 100{TIMES}", f"could not be measured: {error}", met=False)
        return
    faster = ratios(took[peer], took["ours"])
    bench.add(f"{title} / tracked inline run", f"≥ 100{TIMES}", faster.text("x"), faster.median >= 100)
    bench.add(f"… one {title}", "", Spread.of(took[peer]).text("ms"))


def _each(worker: Worker, verb: str, name: str) -> Callable[[], float]:
    return lambda: worker.seconds(verb, BATCH[name])
