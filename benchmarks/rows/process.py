"""A tracked run in its own process, in a warm client."""

from __future__ import annotations

from ..bench import Bench
from ..measure import Spread, environment, excess, interleave, ratios, spawn

NOTES = [
    "In its own process: `f.run(x=1).wait()` in a client that is up already; nothing else runs. The difference to a bare "
    "`python -c pass` of the same Python.",
]


def measure(bench: Bench) -> None:
    """Add the lines."""
    folder = bench.fresh("process")
    env = environment(folder)
    with bench.worker("tracked", folder) as worker:
        took = interleave(
            {
                "bare": lambda: spawn([bench.python, "-c", "pass"], env, folder),
                "plain": lambda: worker.seconds("process"),
                "metric": lambda: worker.seconds("measured"),
            },
            bench.rounds(60),
        )
        marks = worker.ask("process")["marks"]
    over = excess(took["plain"], took["bare"])
    bench.add("tracked run in its own process over bare `python -c pass`", "≤ 15 ms", over.text("ms"), over.median <= 0.015)
    bench.add("… in bare pythons", "", ratios(took["plain"], took["bare"]).text("x"))
    bench.add("… that imports runwright and logs a metric", "", excess(took["metric"], took["bare"]).text("ms"))
    bench.add("… from `run()` to its end, as such", "", Spread.of(took["plain"]).text("ms"))
    shown = ", ".join(f"{name} {seconds * 1e3:.1f} ms" for name, seconds in marks.items())
    bench.add("… of which the runner says of the child", "", shown)
