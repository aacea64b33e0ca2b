"""Asking a service that a run is: by its URL where that is reached from here, else through the place where it executes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ._engine import engine
from .exceptions import ConflictError, InvalidError
from .records import is_awaited
from .response import Response, asked, request, seconds_of, with_query

if TYPE_CHECKING:
    from .run import Run

_KNOWN = ("method", "json", "data", "headers", "params", "timeout")


def invoke(run: Run, path: str, options: dict[str, Any]) -> Response:
    """See `Run.invoke`."""
    for name, value in options.items():
        if name not in _KNOWN:
            raise InvalidError(f"a request has no {name!r}", field=name, value=value, cure=f"it has: {', '.join(_KNOWN)}")
    method, headers, body = asked(options.get("method"), options.get("json"), options.get("data"), options.get("headers"))
    timeout = seconds_of(options.get("timeout", 60.0))
    if not isinstance(path, str) or not path.startswith("/"):
        raise InvalidError(f"path={path!r} does not begin with /", field="path", value=path, cure=f"give {'/' + str(path)!r}")
    if not run.record.get("service"):
        raise InvalidError(
            f"run {run.id} of {run.name} is no service", field="run", value=run.id, cure='start one with action="serve" (or "deploy")'
        )
    # Where a new version does not come to answer, the old one does.
    if is_awaited(run.record):
        run.wait()
    if run.is_final:
        run._check()
        raise ConflictError(f"the service {run.name} (run {run.id}) is {run.state}", cure="run.resume() on Kubernetes, or start it again")
    if run.record["backend"] == "local":
        return request(f"{(run.url or '').rstrip('/')}{path}", **options)
    parts = urlsplit(path)
    target = with_query(parts.path, parts.query, options.get("params"))
    begin = time.perf_counter()
    pairs = list(headers.items())
    status, answered, content = engine().invoke(run.id, method, target, pairs, body, timeout).wait()
    seconds = time.perf_counter() - begin
    return Response(status, answered, bytes(content), url=f"{run.url or run.key}{target}", method=method, seconds=seconds)
