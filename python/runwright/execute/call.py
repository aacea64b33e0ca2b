"""The call itself: bind, inject, invoke, collect. The same code in a process of its own, in a pod, and inline in the caller's process."""

# pathlib, contextlib: their import costs milliseconds in every run

from __future__ import annotations

import os
import sys
import time

from . import context as contexts
from .bind import bind, plain_parameters
from .failure import Failed, describe, foreign
from .load import unwrap

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

_write: Any = None

_FRESH_END: dict[str, Any] = {
    "exit_code": None,
    "signal": None,
    "error": None,
    "shape": "none",
    "outputs": {},
    "names": [],
    "distributions": None,
}


def invoke(fn: Any, values: dict[str, Any], supply: Any) -> Any:
    """Call the function; a coroutine is run to its end. Raises Failed (binding) or whatever the user's code raises."""
    positional, keyword = bind(fn, values, supply)
    value = fn(*positional, **keyword)
    # A class named so that is none would not have `cr_code`.
    if type(value).__name__ == "coroutine" and hasattr(value, "cr_code"):
        return _await(value)
    return value


def _await(coroutine: Any) -> Any:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    # Inline in a notebook: its loop is running this very cell, so another thread gets a loop of its own.
    import contextvars
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(contextvars.copy_context().run, asyncio.run, coroutine).result()


def declared_outputs(fn: Any, call: dict[str, Any]) -> Any:
    """The names of outputs that the task or else the function's decorator declares, or None."""
    names = call.get("outputs")
    if names is None:
        names = getattr(fn, "__runwright_outputs__", None)
    return list(names) if names is not None else None


def collect(value: Any, declared: Any, base: str) -> Any:
    """Write what was returned.

    Args:
        value: it.
        declared: names of outputs, or None.
        base: the run's folder; files go to `outputs/<name>/` below it.

    Returns:
        `(shape, descriptors by name in order)`.

    Raises:
        Failed: with cause `OutputError`. OSError: the disk is full.
    """
    if declared:
        shape, named = _as_declared(value, declared)
    elif value is None:
        return "none", {}
    elif type(value) is dict and value and all(type(key) is str and key.isidentifier() for key in value):
        shape, named = "dict", value
    else:
        shape, named = "single", {"result": value}
    global _write
    outputs = {}
    for name, entry in named.items():
        if type(entry) in _SCALARS and _is_plain(entry) and _REGISTERED not in sys.modules:
            # What most results are: without the import of the materializers, which is a good part of a short run.
            outputs[name] = {"type": "value", "kind": "json", "format": "json", "value": entry, "of": type(entry).__name__}
            continue
        if _write is None:
            from ..materialize import write as _write
        try:
            outputs[name] = _write(entry, base, f"outputs/{folder_name(name)}", name=name)
        except Exception as error:
            if type(error).__name__ != "MaterializeFailed":
                raise
            raise Failed("OutputError", error.message, error.cure) from foreign(error)  # type: ignore[attr-defined]
    return shape, outputs


_SCALARS = (bool, int, float, str)
# Where materializers that users registered are.
_REGISTERED = "_runwright_materializers"


def _is_plain(value: Any) -> bool:
    """Whether a scalar is JSON as it stands: finite, within 64 bits, short."""
    if type(value) is str:
        return value.isascii() and len(value) < 1024
    return bool(-(1 << 63) <= value < 1 << 63) if type(value) is int else bool(value - value == 0)


def _as_declared(value: Any, declared: list[str]) -> Any:
    if len(declared) == 1:
        return "single", {declared[0]: value}
    wanted = f"{len(declared)} outputs were declared ({', '.join(declared)})"
    if isinstance(value, dict):
        if set(value) == set(declared):
            return "dict", {name: value[name] for name in declared}
        missing = [name for name in declared if name not in value]
        unknown = [str(name) for name in value if name not in declared]
        parts = [f"lacks {', '.join(missing)}" if missing else "", f"has {', '.join(unknown)}, not declared" if unknown else ""]
        message = f"{wanted}, but the returned dict {' and '.join(part for part in parts if part)}"
        raise Failed("OutputError", message, "return a dict with exactly the declared names")
    if isinstance(value, (tuple, list)):
        if len(value) == len(declared):
            return "tuple", dict(zip(declared, value))  # noqa: B905 - Python 3.9 has no `strict`
        message = f"{wanted}, but {len(value)} values were returned"
    else:
        message = f"{wanted}, but one {type(value).__name__} was returned"
    raise Failed("OutputError", message, "return a tuple with one value for each declared name, in that order, or a dict by name")


def folder_name(name: str) -> str:
    """The name as one that a folder may have."""
    if name.isidentifier() and name.isascii():
        return name
    safe = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else f"%{ord(letter):x}" for letter in name)
    return (f"%{safe}" if safe.startswith(".") or not safe else safe)[:200]


def run_inline(fn: Any, frozen: dict[str, Any], folder: str, inputs: Any = None) -> Any:
    """Call a function in this process, with the code that a run of its own process uses.

    Args:
        fn: the function, or an object of Runwright's around it.
        frozen: as in run.json; `parameters`, `inputs`, `task.call.outputs` are used, and `base` (that input paths are relative to).
        folder: where outputs go if they need files; it is made only then.
        inputs: live values by name, which need not be read from anywhere.

    Returns:
        `(value, end, events)`: what it returned, or the exception where `end["state"]` is not COMPLETED; the end as in end.json; the events
        as in events.jsonl. Nothing is raised for the user's code but KeyboardInterrupt's like (GeneratorExit).
    """
    started = time.time()
    start = time.perf_counter()
    process = os.getpid()
    events: list[Any] = []
    fn = unwrap(fn)
    active = contexts.Active(frozen, folder, events.append, 1, timed=True)
    token = contexts.enter(active)
    value = None
    end = dict(_FRESH_END)
    try:
        values = plain_parameters(frozen)
        given = frozen.get("inputs")
        if inputs or given:
            if given:
                from .inputs import resolve

                base = frozen.get("base") or folder
                values.update({name: resolve(name, entry, base) for name, entry in given.items() if not inputs or name not in inputs})
            if inputs:
                values.update(inputs)
        call = time.perf_counter()
        try:
            value = invoke(fn, values, active.supply)
        except SystemExit as leave:
            if leave.code not in (None, 0) or os.getpid() != process:
                raise
        returned = time.perf_counter()
        # As in a process of its own, metrics stand before the marks.
        shape, outputs = collect(value, declared_outputs(fn, frozen.get("task", {}).get("call") or {}), folder)
        done = time.perf_counter()
        events.append({"type": "mark", "time": started + returned - start, "name": "call", "seconds": returned - call})
        events.append({"type": "mark", "time": started + done - start, "name": "outputs", "seconds": done - returned})
        end.update(state="COMPLETED", shape=shape, outputs=outputs, names=list(outputs))
    except KeyboardInterrupt as error:
        value = error
        end.update(state="STOPPED", error={"cause": "Stopped", "message": "interrupted", "attributes": {}, "log": []})
    except (Exception, SystemExit) as error:
        if os.getpid() != process:
            raise  # the function forked, and this is the child: its exit is its own
        value = error
        end.update(state="ERROR", error={**describe(error), "log": []})
    finally:
        contexts.leave(token, active)
    seconds = time.perf_counter() - start
    end.update(time=started + seconds, started=started, seconds=seconds, attempts=1, python=contexts.PYTHON)
    return value, end, events
