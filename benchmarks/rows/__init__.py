"""The rows, in the order of their tables. Each module has `measure(bench)` and `NOTES`."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from . import clients, cold, fanout, imports, inline, process, serve, store, wheel


@dataclass(frozen=True)
class Table:
    """Rows that are measured together and have a page of their own.

    Attributes:
        page: its name, beside this folder. peers: who is measured besides, by the names of `peers/*.txt`.
    """

    page: str
    rows: dict[str, ModuleType]
    peers: tuple[str, ...]


def local() -> Table:
    """What needs only this machine."""
    rows = {
        "imports": imports,
        "wheel": wheel,
        "inline": inline,
        "cold": cold,
        "process": process,
        "store": store,
        "fanout": fanout,
        "clients": clients,
        "serve": serve,
    }
    return Table("RESULTS.md", rows, ("mlflow", "flyte", "metaflow", "prefect", "uvicorn", "bentoml", "mlserver"))


def cluster() -> Table:
    """What needs a cluster."""
    # Here: it imports what the tests are made of.
    from .cluster import ends, follow, lower, submit

    rows: dict[str, ModuleType] = {"submit": submit, "ends": ends, "lower": lower, "follow": follow}
    return Table("RESULTS-cluster.md", rows, ("kubernetes", "kubernetes-asyncio"))


TABLES = {"local": local, "cluster": cluster}
