"""The plain form: any function, called with the members of a JSON object (or of a query, or a form) as its parameters."""

from __future__ import annotations

import builtins
import inspect
import typing
from difflib import get_close_matches

from ..bind import INJECTED, bind, shape_of
from ..failure import Failed
from . import describe, replies
from .body import form, from_json, texts
from .context import Event
from .exchange import Answer, Refused, say
from .hints import reader_of
from .readers import Items, Mismatch, Reader, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .exchange import Request

_METHODS = ("GET", "HEAD", "POST")


class Parameter:
    """A parameter that clients give.

    Attributes:
        name (str), reader (Reader), required (bool), default: shown where it is JSON.
    """

    def __init__(self, name: str, reader: Reader, required: bool, default: Any) -> None:
        self.name = name
        self.reader = reader
        self.required = required
        self.default = default


class PlainForm:
    """How a plain function is called."""

    def __init__(self, fn: Any, context: Any, name: str, bound: tuple[dict[str, Any], frozenset[str]]) -> None:
        """`bound`: values of parameters that clients do not give, and names of those that `init` took.

        Raises Failed where one is neither a parameter nor taken.
        """
        self.fn = fn
        self.name = name
        self._context = context
        parameters, self.is_open = _parameters(fn)
        values, taken = bound
        names = {parameter.name for parameter in parameters}
        unknown = values.keys() - names - taken
        if unknown and not self.is_open:
            raise Failed("InputError", f"{name}() has no parameter {min(unknown)!r}", "correct the run's parameters and inputs")
        self._bound = {label: value for label, value in values.items() if label in names or label in unknown}
        self.parameters = [parameter for parameter in parameters if parameter.name not in values]
        self._known = {parameter.name: parameter for parameter in self.parameters}
        self._required = [parameter.name for parameter in self.parameters if parameter.required]
        self._shape = shape_of(fn)

    def arguments(self, request: Request) -> Any:
        """The arguments for one request, `(positional, keyword)`. Raises Refused: 400 (no JSON), 422 (not what the parameters are)."""
        values = {**self._values(request), **self._bound}
        return bind(self.fn, values, lambda name: self._supply(name, request), self._shape)

    def _supply(self, name: str, request: Request) -> Any:
        if name == "event":
            return Event(request)
        return self._context if name == "context" else getattr(self._context, name)

    def answer(self, value: Any) -> Answer:
        """What was returned as the answer. Raises Unserialisable, ValueError."""
        return replies.of_plain(value)

    def own_answer(self, request: Request) -> Answer | None:
        """The answer where the function is not asked: the description, another path, another method."""
        if request.method not in _METHODS:
            raise Refused(
                405, "MethodNotAllowed", f"{request.method} is not for this service: POST a JSON object", [(b"allow", b"GET, HEAD, POST")]
            )
        reading = request.method != "POST"
        if request.path == "/openapi.json" and reading:
            return say(200, describe.openapi(self))
        if request.path.strip("/") not in ("", self.name):
            raise Refused(404, "NotFound", f"there is nothing at {request.path!r:.100}: this service answers at /")
        return say(200, describe.description(self)) if reading and not request.query else None

    def _values(self, request: Request) -> dict[str, Any]:
        problems: list[dict[str, str]] = []
        given, way = _given(request)
        values = {}
        for name, value in given.items():
            parameter = self._known.get(name)
            if parameter is None and not self.is_open:
                problems.append(self._unknown(name, value))
                continue
            try:
                values[name] = getattr(parameter.reader if parameter else Reader(), way)(value)
            except Mismatch as error:
                problems.append(_problem(f"{name}{error.where}", error.given, error.expected))
        missing = [name for name in self._required if name not in given]
        problems += [_problem(name, None, self._known[name].reader.expected) for name in missing]
        if problems:
            message = "; ".join(problem["message"] for problem in problems[:5])
            raise Refused(422, "ValidationError", message, fields=problems)
        return values

    def _unknown(self, name: str, value: Any) -> dict[str, str]:
        near = get_close_matches(name, self._known, 1)
        takes = f"the parameters are {', '.join(self._known)}" if self._known else "it takes no parameters"
        right = f"did you mean {near[0]!r}?" if near else takes
        return {"field": name, "given": shown(value), "expected": right, "message": f"there is no parameter {name!r:.100}: {right}"}


def _problem(field: str, given: str | None, expected: str) -> dict[str, str]:
    if given is None:
        return {"field": field, "given": "nothing", "expected": expected, "message": f"{field} is missing: it is {expected}"}
    return {"field": field, "given": given, "expected": expected, "message": f"{field} is {given}, and should be {expected}"}


def _given(request: Request) -> tuple[dict[str, Any], str]:
    """What the client gave by name, and the way to read it: `read` (JSON) or `texts`."""
    if request.method != "POST":
        return texts(request.query), "texts"
    body = request.body
    # `curl -d` calls JSON a form.
    if request.content_type.startswith(("application/x-www-form", "multipart/form")) and body.lstrip()[:1] not in (b"{", b"["):
        return {**texts(request.query), **form(request)}, "texts"
    value = from_json(body) if body.strip() else {}
    if not isinstance(value, dict):
        message = f"the body is {shown(value)}, and should be a JSON object with a member for each parameter"
        raise Refused(422, "ValidationError", message, fields=[_problem("body", shown(value), "a JSON object")])
    return value, "read"


def _parameters(fn: Any) -> tuple[list[Parameter], bool]:
    """The parameters that clients give, and whether any more names are taken."""
    inner = inspect.unwrap(fn)
    inner = getattr(inner, "__func__", inner if hasattr(inner, "__globals__") else getattr(type(inner), "__call__", inner))  # noqa: B004
    names = {**vars(builtins), **getattr(inner, "__globals__", {})}
    try:
        signature = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return [], True
    found, open_ = [], False
    for one in signature:
        required = one.default is one.empty
        if one.name in INJECTED and required and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
            continue
        reader = reader_of(typing.Any if one.annotation is one.empty else one.annotation, names)
        if one.kind is one.VAR_KEYWORD:
            open_ = True
        elif one.kind is one.VAR_POSITIONAL:
            found.append(Parameter(one.name, Items(list, reader), False, []))
        else:
            found.append(Parameter(one.name, reader, required, None if required else one.default))
    return found, open_
