"""Inline runs: the function is called here, in this process, and tracked all the same. For debugging; it does not survive this process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ._engine import engine, home
from .exceptions import InvalidError

if TYPE_CHECKING:
    from .functions import Function
    from .options import Call
    from .run import Run

Record = dict[str, Any]


def run_inline(function: Function, request: Record, call: Call) -> Run:
    """Call it here. An exception of the user's code ends the run as ERROR and is not raised here: `run.result()` raises it.

    Raises:
        InvalidError: the function has requirements or options that need a process of its own.
    """
    from .execute.call import run_inline as call_inline
    from .run import Run

    if request.get("on") is not None:
        raise InvalidError(
            f"on={request['on']!r} and inline=True contradict each other", field="on", value=request["on"], cure="give one of them"
        )
    for option in ("timeout", "retries", "resources"):
        if request.pop(option, None) is not None:
            raise InvalidError(
                f"inline=True has no {option}", field=option, value=call.options.get(option), cure=f"leave out {option}= or inline=True"
            )
    staging = request.pop("staging", None)
    current = engine()
    begun = current.begin_inline(request).wait()
    record = begun["run"]
    if begun["cached"]:
        return Run(record)
    folder = os.path.join(os.path.abspath(home()), "inline", record["id"])  # noqa: PTH100, PTH118
    fn = function.fn if function.fn is not None else _load(function)
    # The version of the request: to ask for the record again would look for changes again.
    saved = function._captured[2] if function._captured is not None else function.record
    frozen = {
        "id": record["id"],
        "key": record["key"],
        "project": record["project"],
        "function": record["function"],
        "kind": record["kind"],
        "version": record["version"],
        "action": record["action"],
        "task": {"call": {"handler": "", "outputs": begun["outputs"], "signature": saved["spec"].get("signature")}},
        "parameters": record["spec"]["parameters"],
        "inputs": begun["inputs"],
        "envs": record["spec"]["envs"],
        "base": staging,
    }
    value, end, events = call_inline(fn, frozen, folder, _live(call))
    finished = current.finish_inline(record, events, end, folder).wait()
    if staging is not None or os.path.isdir(folder):  # noqa: PTH112
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
    run = Run(finished)
    if finished["state"] == "COMPLETED":
        run._value = (value,)
    return run


def _live(call: Call) -> Record:
    """Arguments that are live objects here: they need not go through files."""
    from .entities import Entity
    from .run import Output, Run
    from .values import is_plain

    return {name: value for name, value in call.arguments.items() if not is_plain(value) and not isinstance(value, (Entity, Run, Output))}


def _load(function: Function) -> Any:
    """The function of a version whose code is not in this process."""
    import sys

    from .execute.load import load_handler

    source = function.spec["source"]
    path = engine().place_code(function.record).wait() or ""
    if _loaded and _loaded[0] != path:
        # Versions of one function have modules of the same names: those of another must not be taken for this one's.
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(_loaded[0] + os.sep):
                del sys.modules[name]
        sys.path[:] = [folder for folder in sys.path if folder != _loaded[0]]
    _loaded[:] = [path]
    return load_handler(path, source["handler"], source.get("python"))


# The code folder whose modules are in this process.
_loaded: list[str] = []
