"""The rows, in the order of the table. Each module has `measure(bench)` and `NOTES`."""

from types import ModuleType

from . import clients, cold, fanout, imports, inline, process, store, wheel

ROWS: dict[str, ModuleType] = {
    "imports": imports,
    "wheel": wheel,
    "inline": inline,
    "cold": cold,
    "process": process,
    "store": store,
    "fanout": fanout,
    "clients": clients,
}
