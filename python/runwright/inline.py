"""Inline runs: the function is called here, in this process, and tracked all the same. For debugging; it does not survive this process."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from ._engine import engine, home
from .exceptions import InvalidError
from .printed import Printed

if TYPE_CHECKING:
    from ._core import Engine
    from .functions import Function
    from .options import Call
    from .run import Run

Record = dict[str, Any]


def run_inline(function: Function, request: Record, call: Call) -> Run:
    """Call it here. An exception of the user's code ends the run as ERROR and is not raised here: `run.result()` raises it.

    Raises:
        InvalidError: the function has requirements or options that need a process of its own.
    """
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
    # Known beforehand: an interruption may come at any instant, also before the answer is here.
    request["id"] = current.new_id()
    process = os.getpid()
    try:
        return _tracked(function, current, request, call, staging)
    except BaseException as error:
        if os.getpid() == process:
            _end(current, request["id"], error)
        raise
    finally:
        # A child that the function forked may come by here, too.
        if os.getpid() == process:
            _remove(_folder(request["id"]))
            if staging is not None:
                _remove(staging)


def _tracked(function: Function, current: Engine, request: Record, call: Call, staging: str | None) -> Run:
    from .run import Run

    fn = function.fn
    if fn is None and "source" in function.spec:
        fn = _load(function)
    # What is not Python is refused here.
    task = current.begin_inline(request).wait()
    if "cached" in task:
        return Run(task["cached"])
    # The version of the request: to ask for the record again would look for changes again.
    saved = function._captured[2] if function._captured is not None else function.record
    id = request["id"]
    frozen = {
        "id": id,
        "key": task["key"],
        "project": saved["project"],
        "function": saved["name"],
        "kind": saved["kind"],
        "version": saved["version"],
        "action": task["action"],
        "task": {"call": {"handler": "", "outputs": task["outputs"], "signature": saved["spec"].get("signature")}},
        "parameters": task["parameters"],
        "inputs": task["inputs"],
        "envs": task["envs"],
        "base": staging,
    }
    process = os.getpid()
    folder = _folder(id)
    with Printed() as printed:
        value, end, events = _called(fn, frozen, folder, call, task["secrets"])
    if os.getpid() != process:
        # The function forked, and this is the child coming back: the run is its parent's.
        return Run(current.run(id).wait())
    log = printed.log(task["secrets"])
    run = Run(current.finish_inline(id, events, end, folder, log).wait())
    if run.record["state"] == "COMPLETED":
        run._value = (value,)
    return run


def _end(current: Engine, id: str, error: BaseException) -> None:
    """End a run that was broken off between its record and its end: one that nobody will end must not stand as running."""
    import contextlib

    from .exceptions import InvalidError, NotFoundError

    if isinstance(error, (InvalidError, NotFoundError)):
        return  # refused before there was a record
    known = isinstance(error, Exception)
    failure = {
        "cause": "RunnerError" if known else "Stopped",
        "message": f"what it came to could not be recorded: {error}" if known else "interrupted",
    }
    # The first error is the one to report; and the end of this process ends the run, too.
    with contextlib.suppress(Exception):
        end = {"state": "ERROR" if known else "STOPPED", "time": time.time(), "error": failure}
        current.finish_inline(id, [], end, "", b"").wait()


def _called(fn: Any, frozen: Record, folder: str, call: Call, secrets: dict[str, str]) -> tuple[Any, Record, list[Record]]:
    """Call it in the run's environment. What is recorded of it holds no secrets, as from a process of its own."""
    from .execute.call import run_inline as call_inline

    variables = {**frozen["envs"], **secrets}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        value, end, events = call_inline(fn, frozen, folder, _live(call))
    finally:
        # This process goes on without them.
        for name, old in before.items():
            if old is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = old
    if secrets:
        from .execute.logs import Redactor

        redactor = Redactor(secrets.values())
        return value, redactor.value(end), redactor.value(events)
    return value, end, events


def _folder(id: str) -> str:
    return os.path.join(os.path.abspath(home()), "inline", id)  # noqa: PTH100, PTH118


def _remove(folder: str) -> None:
    if os.path.isdir(folder):  # noqa: PTH112
        import shutil

        shutil.rmtree(folder, ignore_errors=True)


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
