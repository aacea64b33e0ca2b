"""From a call of `run` to a run: the request that the engine takes, and the inline way."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ._engine import engine
from .exceptions import InvalidError, RunwrightError
from .options import CLUSTER, Call
from .place import default_place, place_of
from .values import Arguments

if TYPE_CHECKING:
    from collections.abc import Generator

    from .functions import Function
    from .manifests import Manifests

Record = dict[str, Any]


def submit(function: Function, call: Call) -> Any:
    """Submit one call: the run, or with `dry_run` what would be handed over."""
    from .run import Run

    request, arguments = request_of(function, call)
    if call.options.get("dry_run"):
        return _rehearse([request], [arguments])
    if call.options.get("inline"):
        from .inline import run_inline

        return run_inline(function, request, call)
    try:
        run = Run(engine().submit([request]).wait()[0])
    except BaseException:
        arguments.discard()
        raise
    return run.wait() if call.options.get("wait") else run


async def submit_async(function: Function, call: Call) -> Any:
    """The same, in the running event loop."""
    from .run import Run

    request, arguments = request_of(function, call)
    if call.options.get("dry_run"):
        import asyncio

        return await asyncio.to_thread(_rehearse, [request], [arguments])
    if call.options.get("inline"):
        import asyncio

        from .inline import run_inline

        return await asyncio.to_thread(run_inline, function, request, call)
    try:
        run = Run((await engine().submit([request]))[0])
    except BaseException:
        arguments.discard()
        raise
    return await run.wait_async() if call.options.get("wait") else run


def submit_map(function: Function, calls: list[Call]) -> Any:
    """Submit many calls as one fan-out: all are recorded, or none. The runs, or with `dry_run` what would be handed over."""
    from .run import Run
    from .run_list import RunList

    if any(call.options.get("dry_run") for call in calls):
        return _rehearse(*_requests(function, calls))
    requests, staged = _requests(function, calls)
    try:
        runs = RunList([Run(record) for record in engine().submit(requests).wait()])
    except BaseException:
        _discard(staged)
        raise
    return runs.wait() if calls and calls[0].options.get("wait") else runs


def _requests(function: Function, calls: list[Call]) -> tuple[list[Record], list[Arguments]]:
    """The requests of a fan-out, and what was staged for them."""
    fan_out = _fan_out_id()
    requests: list[Record] = []
    staged: list[Arguments] = []
    try:
        for index, call in enumerate(calls):
            if call.options.get("inline"):
                raise InvalidError("map() does not run inline", field="inline", value=True, cure="call run(inline=True) for one item")
            with numbered(index):
                request, arguments = request_of(function, call)
            request["map"] = {"id": fan_out, "index": index, "of": len(calls)}
            requests.append(request)
            staged.append(arguments)
    except BaseException:
        _discard(staged)
        raise
    return requests, staged


def _rehearse(requests: list[Record], staged: list[Arguments]) -> Manifests:
    """What would be handed over, checked by the place where it would execute; no run is recorded, and nothing left there."""
    from .manifests import Manifests

    try:
        return Manifests(engine().rehearse(requests).wait())
    finally:
        _discard(staged)


def _discard(staged: list[Arguments]) -> None:
    for arguments in staged:
        arguments.discard()


def _fan_out_id() -> str:
    """A UUID of version 7 (RFC 9562) whose last 4 bytes are zero: there the ids of its runs have their index."""
    import time
    import uuid

    return str(
        uuid.UUID(int=time.time_ns() // 1_000_000 << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(30) << 32)
    )


@contextmanager
def numbered(index: int) -> Generator[None]:
    """What is wrong with one item of many says with which."""
    try:
        yield
    except RunwrightError as error:
        error.message = f"items[{index}]: {error.message}"
        raise


def request_of(function: Function, call: Call) -> tuple[Record, Arguments]:
    """The engine's request, and what was staged for it.

    Raises:
        InvalidError: an option is wrong. MaterializeError: an argument cannot be written.
    """
    options = call.options
    record = function.record
    request: Record = {"project": function.project, "function": function.name, "version": record["version"]}
    request.update(_place(options))
    if options.get("inline") and options.get("dry_run"):
        raise InvalidError("inline=True and dry_run=True contradict each other", field="dry_run", value=True, cure="give one of them")
    for name in ("action", "resources", "envs", "secrets", "timeout", "grace", "labels", "cache"):
        if options.get(name) is not None:
            request[name] = options[name]
    _check_types(request, options)
    if options.get("retries") is not None:
        request["retries"] = _retries(options["retries"])
    extra = {name: options[name] for name in CLUSTER if options.get(name) is not None}
    given = call.arguments
    if options.get("action") == "build":
        from .building import settings_of

        # What is built is not called: what is given are the settings of the builder.
        extra["building"], given = settings_of(function, given, extra.get("building")), {}
    if extra:
        request["extra"] = extra
    arguments = Arguments()
    try:
        for name, value in given.items():
            arguments.add(name, value)
        for name, value in call.inputs.items():
            if name in arguments.parameters or name in arguments.inputs:
                raise InvalidError(
                    f"{function.name}: {name!r} is given twice", field=name, value=value, cure="give it in inputs= or in parameters="
                )
            arguments.add_input(name, value)
    except BaseException:
        arguments.discard()
        raise
    request["parameters"] = arguments.parameters
    request["inputs"] = arguments.inputs
    if arguments.staging is not None:
        request["staging"] = arguments.staging
    return request, arguments


def _place(options: dict[str, Any]) -> Record:
    """The request's fields of `on` and `local_execution`."""
    on = options.get("on")
    if options.get("local_execution"):
        if on not in (None, "local"):
            raise InvalidError(f"on={on!r} and local_execution=True contradict each other", field="on", value=on, cure="give one of them")
        on = "local"
    return default_place() if on is None else place_of(on)


_TYPES: dict[str, tuple[type | tuple[type, ...], str]] = {
    "action": (str, 'text, such as "job"'),
    "on": (str, 'text, such as "local"'),
    "resources": (dict, 'a dict, such as {"cpu": "2", "mem": "4Gi"}'),
    "envs": (dict, 'a dict of text, such as {"LEVEL": "debug"}'),
    "secrets": ((list, tuple), 'a list of names, such as ["TOKEN"]'),
    "timeout": ((int, float), "a number of seconds"),
    "grace": ((int, float), "a number of seconds"),
    "labels": ((list, tuple), 'a list of text, such as ["nightly"]'),
    "cache": (bool, "True or False"),
    "inline": (bool, "True or False"),
    "wait": (bool, "True or False"),
    "dry_run": (bool, "True or False"),
    "local_execution": (bool, "True or False"),
}


def _check_types(request: Record, options: dict[str, Any]) -> None:
    for name, (kind, meaning) in _TYPES.items():
        value = options.get(name)
        if value is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
            raise InvalidError(f"{name}={value!r} is not {meaning}", field=name, value=value, cure=f"give {meaning}")
    for name in ("secrets", "labels"):
        for item in request.get(name, ()):
            if not isinstance(item, str):
                raise InvalidError(f"{name}: {item!r} is not text", field=name, value=item, cure=f"give {_TYPES[name][1]}")
    if "envs" in request:
        for name, value in request["envs"].items():
            if not isinstance(name, str) or not isinstance(value, str):
                raise InvalidError(f"envs[{name!r}]={value!r} is not text", field=f"envs.{name}", value=value, cure="give text: str(…)")
    known = {"cpu", "mem", "gpu", "disk"}
    for name, value in request.get("resources", {}).items():
        if name not in known:
            raise InvalidError(f"resources has no {name!r}", field=f"resources.{name}", value=value, cure="it has cpu, mem, gpu and disk")
    if "resources" in request:
        request["resources"] = {name: str(value) for name, value in request["resources"].items()}


def _retries(value: Any) -> Record:
    defaults: Record = {"limit": 0, "delay": 1.0, "factor": 2.0, "max_delay": 300.0}
    given = value if isinstance(value, dict) else {"limit": value}
    for name, number in given.items():
        whole = name == "limit"
        if name not in defaults or isinstance(number, bool) or not isinstance(number, int if whole else (int, float)) or number < 0:
            raise InvalidError(
                f"retries={value!r} is not a number of retries",
                field="retries",
                value=value,
                cure='give a number, or {"limit": 3, "delay": 1.0, "factor": 2.0, "max_delay": 300.0} (delays in seconds)',
            )
    return {**defaults, **given}
