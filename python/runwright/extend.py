"""All that an author of an extension may import.

A runtime (a new kind of function): say what actions there are, and translate an action into a plan of what to execute.

    from runwright.extend import register_runtime

    @register_runtime
    class Shell:
        kind = "shell"
        actions = ["job"]

        def check(self, spec): ...                # optional: raise InvalidError for a bad spec, when a function is defined
        def translate(self, request): ...         # pure: no clock, no randomness, no network
            return {"task": {"process": {"command": ["sh", "-c", request["function"]["spec"]["script"]]}}}

`request` is `{"function": record, "action": str, "run": {"parameters", "envs", "resources", …}}`. A package offers it without a call by an entry
point of the group `runwright.runtimes` that names the class. `runwright.testing.check_runtime` is the contract that it must keep.

A materializer (how values of some type become an output file and back):

    from runwright.extend import Materializer, register_materializer

    @register_materializer
    class Graphs(Materializer):
        kind, format = "graph", "gml"

        def handles(self, value): return type(value).__module__.startswith("networkx")
        def write(self, value, path): ...; return {"nodes": len(value)}
        def read(self, path, descriptor): ...

A package offers it by an entry point of the group `runwright.materializers`. Raise `MaterializeFailed(message, cure)` for what cannot be written.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, runtime_checkable

from .exceptions import InvalidError
from .materialize import MaterializeFailed, Materializer
from .materialize import register as register_materializer

__all__ = ["InvalidError", "MaterializeFailed", "Materializer", "Runtime", "register_materializer", "register_runtime"]

Record = dict[str, Any]


@runtime_checkable
class Runtime(Protocol):
    """One kind of function. A method `check(spec)` is optional."""

    kind: str
    actions: list[str]

    def translate(self, request: Record) -> Record:
        """The plan for an action: `{"task": workload}`; a workload has `process` (`{"command": [...]}`, `{"call": {"handler": …}}`, or for what
        an image starts `{"container": {"command": [...], "args": [...]}}`, both optional), and may have `image`, `requirements`, `envs`, `resources`."""
        ...


_T = TypeVar("_T")


def register_runtime(runtime: _T) -> _T:
    """Add a kind of function: an instance, or a class that is made without arguments (so it can stand above a class).

    Raises:
        InvalidError: it lacks `kind`, `actions` or `translate`.
    """
    from ._engine import register

    made = runtime() if isinstance(runtime, type) else runtime
    kind, actions = getattr(made, "kind", None), getattr(made, "actions", None)
    if not isinstance(kind, str) or not kind:
        raise InvalidError(f"{runtime!r} has no kind", field="kind", value=kind, cure='give the class an attribute kind = "…"')
    if not isinstance(actions, (list, tuple)) or not actions or not all(isinstance(action, str) for action in actions):
        raise InvalidError(
            f"the runtime {kind!r} has no actions", field="actions", value=actions, cure='give the class an attribute actions = ["job"]'
        )
    if not callable(getattr(made, "translate", None)):
        raise InvalidError(
            f"the runtime {kind!r} has no translate()", field="translate", cure="give the class a method translate(self, request)"
        )
    register(made)
    return runtime
