"""What `import runwright` costs, and what else it imports."""

from __future__ import annotations

import json
import subprocess

from ..bench import Bench
from ..measure import Failed, cpu, environment, excess, interleave, spawn

NOTES = [
    "A third-party module is one that is neither of Python's standard library, nor built in, nor Runwright's own: counted in "
    "`sys.modules` of a fresh process after the import and after the first use of every public name.",
]

COUNT = """
import sys
before = set(sys.modules)
import runwright
imported = sorted(set(sys.modules) - before)
for name in dir(runwright):
    try:
        getattr(runwright, name)
    except (ImportError, AttributeError) as error:
        print(f"{name}: {error!r}", file=sys.stderr)
after = sorted(set(sys.modules) - before)
own = {"runwright", "_runwright"}
third = [name for name in after if name.partition(".")[0] not in own and name.partition(".")[0] not in sys.stdlib_module_names]
import json
print(json.dumps({"imported": imported, "third": third}))
"""


def measure(bench: Bench) -> None:
    """Add the lines."""
    folder = bench.fresh("imports")
    env = environment(folder)
    programs = {"bare": "pass", "import": "import runwright", "define": "import runwright as rw\n@rw.function\ndef f(x): return x"}
    took = interleave(
        {name: (lambda code=code: spawn([bench.python, "-c", code], env, folder)) for name, code in programs.items()},  # type: ignore[misc]
        bench.rounds(60, 5),
    )
    over = excess(took["import"], took["bare"])
    bench.add("`import runwright` over bare `python -c pass`", "≤ 15 ms", over.text("ms"), over.median <= 0.015)
    bench.add("… in processor time", "", excess(cpu(took["import"]), cpu(took["bare"])).text("ms"))
    bench.add("… and a function decorated with `@rw.function`", "", excess(took["define"], took["bare"]).text("ms"))
    counted = count(bench.python, env)
    third = counted["third"]
    shown = f"**{len(third)}**" + (f": {', '.join(third[:10])}" if third else "")
    bench.add("third-party modules imported by `import runwright` and by the use of every public name", "0", shown, not third)
    bench.add("all modules that `import runwright` adds", "", f"**{len(counted['imported'])}**: {', '.join(counted['imported'])}")


def count(python: str, env: dict[str, str]) -> dict[str, list[str]]:
    """`{"imported": what the import added, "third": those that are third-party}`."""
    done = subprocess.run([python, "-c", COUNT], env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(done.stderr[-400:])
    counted: dict[str, list[str]] = json.loads(done.stdout)
    return counted
