"""All that an author of an extension may import.

A materializer (how values of some type become an output file and back):

    from runwright.extend import Materializer, register_materializer

    @register_materializer
    class Graphs(Materializer):
        kind, format = "graph", "gml"

        def handles(self, value): return type(value).__module__.startswith("networkx")
        def write(self, value, path): ...; return {"nodes": len(value)}
        def read(self, path, descriptor): ...

A package offers it without a call by an entry point of the group `runwright.materializers` that names the class.
Raise `MaterializeFailed(message, cure)` for what cannot be written.
"""

from __future__ import annotations

from .materialize import MaterializeFailed, Materializer
from .materialize import register as register_materializer

__all__ = ["MaterializeFailed", "Materializer", "register_materializer"]
