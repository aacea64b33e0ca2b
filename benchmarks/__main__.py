"""The one command: `python -m benchmarks [local|cluster] [--quick] [--no-peers] [--only ROW,…]`. A full run writes RESULTS.md
(RESULTS-cluster.md), others print."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from . import report
from .bench import Bench
from .measure import Failed
from .rows import TABLES

FOLDER = Path(__file__).parent


def main(arguments: list[str] | None = None) -> int:
    """Measure and report. Gives 0 if all rows could be measured, whatever they gave; 1 if one could not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "table", nargs="?", choices=TABLES, default="local", help="what needs only this machine (the default), or a cluster"
    )
    parser.add_argument("--quick", action="store_true", help="few repetitions, small stores: to see that it works")
    parser.add_argument("--no-peers", action="store_true", help="nothing but Runwright, Python and SQLite; installs nothing")
    parser.add_argument("--only", help="some of the rows, such as inline,cold")
    parser.add_argument("--wheel", type=Path, help="the wheel; by default the one that was installed")
    parser.add_argument("--folder", type=Path, help="where to write meanwhile (about 3 GB); a temporary folder by default")
    parser.add_argument("--out", type=Path, help="where the table goes; its page beside this file by default for a full run")
    parser.add_argument("--json", type=Path, help="the same as JSON")
    given = parser.parse_args(arguments)
    table = TABLES[given.table]()
    names = given.only.split(",") if given.only else list(table.rows)
    unknown = [name for name in names if name not in table.rows]
    if unknown:
        parser.error(f"there is no row {', '.join(unknown)} in the table {given.table}: it has {', '.join(table.rows)}")
    folder = Path(tempfile.mkdtemp(prefix="runwright-bench-", dir=given.folder))
    bench = Bench(folder=folder, quick=given.quick, peers=not given.no_peers, wheel=given.wheel)
    load, start, failed, notes = os.getloadavg()[0], time.monotonic(), False, []
    try:
        for name in names:
            print(name, file=sys.stderr, flush=True)
            module = table.rows[name]
            notes += module.NOTES
            try:
                module.measure(bench)
            except Failed as error:
                failed = True
                bench.add(f"`{name}`", "", f"could not be measured: {_one_line(error)}", met=False)
    finally:
        bench.close()
        shutil.rmtree(folder, ignore_errors=True)
    seconds = time.monotonic() - start
    page = report.markdown(bench.rows, notes, quick=given.quick, command=report.command(), seconds=seconds, load=load, peers=table.peers)
    whole = not given.quick and not given.no_peers and not given.only
    out = given.out or (FOLDER / table.page if whole else None)
    if out is not None:
        out.write_text(page, encoding="utf-8")
    else:
        print(page)
    if given.json is not None:
        given.json.write_text(report.as_json(bench.rows), encoding="utf-8")
    return int(failed)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
