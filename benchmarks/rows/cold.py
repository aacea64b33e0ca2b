"""From starting a process to a tracked result and the process's end, in a home that is in use."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from .. import environments
from ..bench import Bench
from ..measure import PEERS, PROGRAMS, Failed, Spread, cpu, environment, excess, interleave, ratios, spawn

NOTES = [
    "Cold: a script that imports, defines a function of one parameter, runs it tracked, has its result, exits. Flyte 2: "
    "`local_persistence`. Metaflow: a flow of one step (local datastore and metadata), which Metaflow runs in a process of its "
    "own. Prefect 3: a flow with no server configured, as `pip install prefect` leaves it: Prefect starts a temporary API "
    "server process for each such script, which is part of what its user waits for. Analytics and telemetry off by documented "
    "settings.",
]
PROGRAM = {"flyte": ["flyte_cold.py"], "metaflow": ["metaflow_cold.py", "--quiet", "run"], "prefect": ["prefect_cold.py"]}
TITLE = {"flyte": "Flyte 2", "metaflow": "Metaflow, one step", "prefect": "Prefect 3, temporary server"}


def measure(bench: Bench) -> None:
    """Add the lines."""
    folder = bench.fresh("cold")
    env = environment(folder)
    script = PROGRAMS / "cold.py"
    subjects: dict[str, Callable[[], float]] = {
        "bare": lambda: spawn([bench.python, "-c", "pass"], env, folder),
        "inline": lambda: spawn([bench.python, script, "inline"], env, folder),
        "process": lambda: spawn([bench.python, script, "process"], env, folder),
        "git": _in_checkout(bench, script),
        "first": _first(bench, script),
    }
    took = interleave(subjects, bench.rounds(30))
    for name, title in (("inline", "inline"), ("process", "in its own process")):
        over = excess(took[name], took["bare"])
        what = f"cold: process start → tracked result ({title}) → exit, over bare python"
        bench.add(what, "≤ 100 ms", over.text("ms"), over.median <= 0.1)
        bench.add("… in bare pythons", "", ratios(took[name], took["bare"]).text("x"))
        bench.add("… in processor time, over bare python", "", excess(cpu(took[name]), cpu(took["bare"])).text("ms"))
    bench.add("… inline, in a git checkout (its commit and state are recorded)", "", excess(took["git"], took["bare"]).text("ms"))
    bench.add("… in its own process, the very first run of a new home", "", excess(took["first"], took["bare"]).text("ms"))
    bench.add("… bare `python -c pass`", "", Spread.of(took["bare"]).text("ms"))
    if bench.peers:
        for peer in PROGRAM:
            _against(bench, peer, subjects["process"])


def _against(bench: Bench, peer: str, ours: Callable[[], float]) -> None:
    folder = bench.fresh(peer)
    env = environment(folder, **environments.SETTINGS[peer], PYTHONPATH=str(PEERS))
    try:
        argv: Sequence[str | Path] = [environments.python_of(peer), PEERS / PROGRAM[peer][0], *PROGRAM[peer][1:]]
        took = interleave({"ours": ours, peer: lambda: spawn(argv, env, folder)}, bench.rounds(7, 1))
    except Failed as error:
        bench.add(f"cold: {TITLE[peer]}", "", f"could not be measured: {' '.join(str(error).split())}", met=False)
        return
    bench.add(f"cold: {TITLE[peer]} / Runwright in its own process", "", ratios(took[peer], took["ours"]).text("x"))
    bench.add(f"… {TITLE[peer]}", "", Spread.of(took[peer]).text("ms"))


def _in_checkout(bench: Bench, script: Path) -> Callable[[], float]:
    folder = bench.fresh("checkout")
    (folder / "script.py").write_text(script.read_text())
    author = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    env = environment(folder.parent)
    for command in (["init", "-q"], ["add", "script.py"], [*author, "commit", "-q", "-m", "bench"]):
        subprocess.run(["git", *command], cwd=folder, env=env, check=True, capture_output=True)
    return lambda: spawn([bench.python, folder / "script.py", "inline"], env, folder)


def _first(bench: Bench, script: Path) -> Callable[[], float]:
    def once() -> float:
        folder = bench.fresh("first")
        return spawn([bench.python, script, "process"], environment(folder), folder)

    return once
