"""What there is to show of a function, without saving a version of it: looking must change nothing."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

from .format import one_line, short

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..functions import Function

Record = dict[str, Any]


class Described(NamedTuple):
    """A function, ready to be shown. `version` is empty where none is saved; `note` says so. `files`: the source by file name."""

    name: str
    project: str
    signature: str
    version: str
    note: str
    summary: str
    origin: str
    requirements: list[str]
    files: dict[str, str]
    spec: Record


def describe(function: Function) -> Described:
    """Of the saved version; of a Python function that is not saved as it stands, of that function."""
    from ..session import default_project

    record = _saved(function)
    project = function.project or default_project()
    if record is None:
        return _live(function, function.fn, project)
    spec = record["spec"]
    source = spec.get("source") or {}
    files = {one_line(name): str(text) for name, text in (source.get("files") or {}).items()}
    files.update({one_line(name): "(binary)" for name in source.get("binary") or {}})
    parameters = spec.get("signature")
    return Described(
        one_line(function.name),
        record["project"],
        "(…)" if parameters is None else f"({', '.join(_parameters(parameters))})",
        record["version"],
        "",
        one_line(record.get("description") or ""),
        _origin(source, spec),
        [one_line(one) for one in spec.get("requirements") or []],
        files,
        {name: value for name, value in spec.items() if name not in ("source", "signature", "requirements")},
    )


def _saved(function: Function) -> Record | None:
    if function._record is not None:
        return function._record
    seen = function._captured
    # A version of an older state of the function is not what one looks at.
    return dict(seen[2]) if seen is not None and seen[1].is_unchanged() else None


def _live(function: Function, fn: Callable[..., Any] | None, project: str) -> Described:
    from ..capture import signature_of

    note = "not saved as it stands: the next run saves it"
    spec = {name: value for name, value in function._defined.items() if name != "requirements" and value is not None}
    if fn is None:
        return Described(one_line(function.name), project, "(…)", "", note, "", _origin({}, spec), [], {}, spec)
    try:
        signature = f"({', '.join(_parameters(signature_of(fn)))})"
    except Exception:  # a callable that tells of no signature
        signature = "(…)"
    try:
        files = {one_line(inspect.getsourcefile(fn) or "").rsplit("/", 1)[-1]: inspect.getsource(fn)}
    except (OSError, TypeError):
        files = {}
    summary = one_line((fn.__doc__ or "").strip().split("\n", 1)[0])
    requirements = [one_line(one) for one in function._defined.get("requirements") or []]
    return Described(one_line(function.name), project, signature, "", note, summary, "", requirements, files, spec)


def _origin(source: Record, spec: Record) -> str:
    if not source:
        return one_line(spec.get("image") or "")
    uri = source.get("uri") or ("" if source.get("origin") in (None, "function") else f"from {source['origin']}")
    commit = f" at {source['commit'][:12]}" if source.get("commit") else ""
    return one_line(f"{uri}{commit}  {source.get('handler') or ''}".strip())


def _parameters(signature: list[Record]) -> list[str]:
    """As Python writes them, without what the runner supplies."""
    parts: list[str] = []
    starred = False
    positional = False
    for one in signature:
        kind = one.get("kind")
        if positional and kind != "positional_only":
            parts.append("/")
        positional = kind == "positional_only"
        if kind == "keyword_only" and not starred:
            parts.append("*")
            starred = True
        starred = starred or kind == "var_positional"
        if not one.get("inject"):
            parts.append(_parameter(one))
    return [*parts, "/"] if positional else parts


def _parameter(one: Record) -> str:
    stars = {"var_positional": "*", "var_keyword": "**"}.get(one.get("kind", ""), "")
    kind = _type(one.get("type") or {})
    text = f"{stars}{one_line(one['name'])}" + (f": {kind}" if kind else "")
    if not one.get("has_default"):
        return text
    default = one.get("default")
    # A default that is no JSON is kept as null; None itself is a default of what may be None.
    shown = short(default, 40, one["name"]) if default is not None or kind in ("", "None") or kind.endswith("None") else "…"
    return f"{text} = {shown}" if kind else f"{text}={shown}"


def _type(of: Record) -> str:
    """The annotation that a type stands for."""
    name = of.get("type", "any")
    if name == "any":
        return ""
    if name in ("list", "set", "tuple"):
        inner = _type(of.get("items") or {})
        return (f"{name}[{inner}, …]" if name == "tuple" else f"{name}[{inner}]") if inner else name
    if name == "dict":
        inner = _type(of.get("values") or {})
        return f"dict[str, {inner}]" if inner else "dict"
    if name == "union":
        return " | ".join(_type(one) or "Any" for one in of.get("of", []))
    if name == "literal":
        return f"Literal[{', '.join(short(value, 24) for value in of.get('values', []))}]"
    names = {"none": "None", "entity": str(of.get("entity", "entity")).capitalize(), "object": of.get("name", "object")}
    return one_line(names.get(name, name))
