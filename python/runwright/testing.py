"""What the author of a runtime tests it with."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from ._engine import engine
from .extend import register_runtime

if TYPE_CHECKING:
    from collections.abc import Iterable

Record = dict[str, Any]


def check_runtime(runtime: Any, *, spec: Record, parameters: Record | None = None, bad_specs: Iterable[Record] = ()) -> dict[str, Record]:
    """Hold a runtime to its contract. Works without running anything.

    Args:
        runtime: the class or an instance. spec: of a function that is well described. parameters: of a run of it. bad_specs: specs that must be refused.

    Returns:
        The plan of each action, by its name: to be compared with what the author means.

    Raises:
        AssertionError: says what does not hold.
    """
    register_runtime(runtime)
    made = runtime() if isinstance(runtime, type) else runtime
    core = engine()
    assert made.kind in core.kinds(), f"the kind {made.kind!r} was not registered"
    assert core.actions(made.kind) == list(made.actions), "the core sees other actions than the runtime has"
    run = {"parameters": parameters or {}}
    plans = {}
    for action in made.actions:
        function = _function(made.kind, spec)
        before = copy.deepcopy(function)
        plan = core.translate(function, action, run).wait()
        assert set(plan) <= {"task", "service", "build", "manifests"}, f"{action}: {plan!r} is no plan"
        assert core.translate(function, action, run).wait() == plan, (
            f"{action}: translate() gave two plans for one request: it must be pure"
        )
        assert function == before, f"{action}: translate() changed the request"
        plans[action] = plan
    for bad in bad_specs:
        try:
            made.check(copy.deepcopy(bad))
        except Exception as error:
            assert str(error), f"{bad!r} was refused without a message"
            assert getattr(error, "cure", None), (
                f"{bad!r} was refused without a cure: raise runwright.extend.InvalidError(…, field=…, cure=…)"
            )
        else:
            raise AssertionError(f"check() accepted {bad!r}")
    return plans


def _function(kind: str, spec: Record) -> Record:
    epoch = "1970-01-01T00:00:00Z"
    version = engine().digest({"kind": kind, "spec": spec})
    return {"project": "default", "name": "example", "kind": kind, "version": version, "spec": copy.deepcopy(spec), "created": epoch}
