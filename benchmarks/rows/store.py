"""Lists of a store with a million runs."""

from __future__ import annotations

from ..bench import Bench
from ..fill import add_open, fill, templates
from ..measure import Spread, interleave, ratios
from ..template import store_of

NOTES = [
    "The large store: the engine makes it and runs that completed and failed in processes of their own; their records, with "
    "other ids, functions and states (20 functions, 6 % failed, 1 % stopped, every fifth in a map), are then inserted by SQL. "
    "Verified: every list through `rw.runs` equals, record by record, what plain SQL finds, and a run that the engine adds "
    "afterwards has rows of the same columns and types and records of the same keys.",
]
FULL, QUICK = 1_000_000, 20_000
OPEN = 1000
GOALS = {
    "newest": ("the newest 100", 0.005),
    "failed": ("100 by function and state (ERROR)", 0.010),
    "completed": ("100 by function and state (COMPLETED)", 0.010),
    "none": ("by function and a state that no run is in", 0.010),
    "function": ("100 by function", None),
    "state": ("100 by state alone (STOPPED, 1 %)", None),
    "everywhere": ("100 by function, of all projects", None),
}


def measure(bench: Bench) -> None:
    """Add the lines."""
    count = QUICK if bench.quick else FULL
    folder = bench.fresh("store")
    with bench.worker("tracked", folder) as worker:
        made = templates(worker, store_of(folder))
    filled = fill(store_of(folder), made, count)
    name = f"store of {count:,} runs"
    bench.add(f"{name}: file", "", f"**{filled.size / 1e6:,.0f} MB** ({filled.size / count:,.0f} bytes a run, record {filled.record:,.0f})")
    bench.add(f"{name}: inserted by SQL", "", f"**{filled.seconds:.0f} s** of rows, {filled.indexing:.0f} s of indexes")
    with bench.worker("listing", folder) as worker, bench.worker("tracked") as empty:
        found = worker.ask("verify")
        took = interleave(
            {verb: (lambda verb=verb: worker.seconds(verb)) for each in GOALS for verb in (each, f"engine_{each}", f"sql_{each}")},  # type: ignore[misc]
            # What misses its goal by far need not be timed long to say so.
            bench.rounds(60 if worker.seconds("newest") < 0.1 else 5),
        )
        for each, (title, goal) in GOALS.items():
            spread = Spread.of(took[each])
            alone = f"; the engine alone {_ms(took[f'engine_{each}'])}, the same SQL in Python {_ms(took[f'sql_{each}'])}"
            bench.add(
                f"{name}: `rw.runs(…)`, {title} ({found[each]} found)",
                f"≤ {goal * 1e3:.0f} ms" if goal else "",
                spread.text("ms") + alone,
                spread.median <= goal if goal else None,
            )
        both = interleave({"large": lambda: worker.seconds("inline", 100), "empty": lambda: empty.seconds("inline", 100)}, bench.rounds(20))
        bench.add(f"{name}: a tracked inline run in it / in an empty one", "", ratios(both["large"], both["empty"]).text("x"))
        filled.verify()
        add_open(filled, OPEN)
        going = [worker.seconds("newest", 3) for _ in range(bench.rounds(10))]
        bench.add(f"{name}: `rw.runs(…)`, the newest 100, while {OPEN:,} runs go on elsewhere", "", Spread.of(going).text("ms"))


def _ms(seconds: list[float]) -> str:
    return f"{Spread.of(seconds).median * 1e3:.2f} ms"
