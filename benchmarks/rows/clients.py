"""Several clients write into one store at the same time: nothing may be lost, nobody may be told that it is locked."""

from __future__ import annotations

import sqlite3
import time
from contextlib import ExitStack, closing

from ..bench import Bench
from ..measure import Failed
from ..template import store_of

NOTES = ["Clients: processes that open one new store at the same moment and write inline runs as fast as they can."]
CLIENTS = 8


def measure(bench: Bench) -> None:
    """Add the lines."""
    total = 80 if bench.quick else 10_000
    seconds, answers, state = _write(bench, CLIENTS, total // CLIENTS)
    alone, _, _ = _write(bench, 1, total // CLIENTS)
    name = f"{CLIENTS} client processes, {total:,} inline runs into one store"
    lost = total - state["right"]
    bench.add(f"{name}: lost", "0", f"**{lost}**" + _first_errors(answers), lost == 0)
    locked = sum(answer["locked"] for answer in answers)
    bench.add(f"{name}: told that the database is locked", "0", f"**{locked}**", locked == 0)
    bench.add(f"{name}: rate", "", f"**{total / seconds:,.0f} runs/s** (one client alone {total / CLIENTS / alone:,.0f} runs/s)")


def _write(bench: Bench, clients: int, each: int) -> tuple[float, list[dict[str, int]], dict[str, int]]:
    folder = bench.fresh("clients")
    with ExitStack() as stack:
        workers = [stack.enter_context(bench.worker("writer", folder, str(number), str(each))) for number in range(clients)]
        start = time.perf_counter()
        for worker in workers:
            worker.send("write")
        answers = [worker.receive()["value"] for worker in workers]
        seconds = time.perf_counter() - start
    if not any(answer["done"] for answer in answers):
        raise Failed(f"no client could write:{_first_errors(answers)}")
    # Each client gave numbers that no other gave: as many different results of completed runs, so many runs.
    sql = "SELECT COUNT(DISTINCT json_extract(record, '$.results.result')) FROM runs WHERE state = 'COMPLETED'"
    with closing(sqlite3.connect(store_of(folder))) as database:
        right = database.execute(sql).fetchone()[0]
    return seconds, answers, {"right": right}


def _first_errors(answers: list[dict[str, int]]) -> str:
    errors = [error for answer in answers for error in answer["errors"]]  # type: ignore[attr-defined]
    return f" ({' '.join(errors[0].split())[:200]})" if errors else ""
