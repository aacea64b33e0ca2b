"""The same version with the same parameters, inputs and options, again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._engine import engine
from .options import Call, check_options
from .submit import request_of

if TYPE_CHECKING:
    from .run import Run

Record = dict[str, Any]


def reproduce(run: Run, options: Record) -> Run:
    """Submit it again; `options` replace its own."""
    from .exceptions import InvalidError
    from .run import Run as RunClass

    check_options(options)
    for name in ("inline", "local_execution"):
        if options.pop(name, None):
            raise InvalidError(
                f"reproduce() has no {name}", field=name, value=True, cure=f"call run.function.run({name}=True, parameters=run.parameters)"
            )
    record = run.record
    spec = record["spec"]
    wait = options.pop("wait", False)
    request, _ = request_of(run.function, Call({}, {}, options))
    own: Record = {name: spec[name] for name in ("parameters", "resources", "envs", "timeout", "retries", "grace", "labels", "extra")}
    if spec.get("profile"):
        # As it was then, whatever is called so now.
        own["profile"] = spec["profile"]
    own["secrets"] = list(spec["secrets"])
    own["action"] = record["action"]
    own["on"] = record["backend"] if record["backend"] != "inline" else "local"
    own["inputs"] = {name: _settled(run, name, given) for name, given in spec["inputs"].items()}
    given = {name: value for name, value in request.items() if name not in ("parameters", "inputs")}
    again = RunClass(engine().submit([{**own, **given}]).wait()[0])
    return again.wait() if wait else again


def _settled(run: Run, name: str, given: Record) -> Record:
    if given["from"] != "value":
        return given
    # The value was a file in the run's folder, which `gc` may have removed.
    from pathlib import Path

    from .exceptions import NotFoundError

    path = Path(str(run.record["reference"].get("folder", ""))) / str(given["descriptor"].get("path", ""))
    if not path.exists():
        raise NotFoundError(
            f"the input {name!r} of run {run.id} is no longer there",
            field=name,
            cure="pass it again: run.function.run(…); log it as a dataitem to keep it",
        )
    return {"from": "value", "descriptor": {**given["descriptor"], "path": str(path)}}
