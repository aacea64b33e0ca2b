"""A function."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from ..._engine import engine
from ..format import count, moment, one_line, short
from ..functions import describe
from ..safely import safely
from .parts import Markup, code, details, grid, header, join, listing, muted, piece, table

if TYPE_CHECKING:
    from ...functions import Function

VERSIONS = 30


@safely(lambda function: escape(f"<Function {function.name}>"))
def function_html(function: Function) -> str:
    """What it takes, what can be done with it, its source, its versions."""
    described = describe(function)
    head = header(described.name, muted(f"{function.kind} function of {described.project}"))
    version = code(described.version[:12]) if described.version else muted(described.note)
    spec = {one_line(name): short(value, 120, name) for name, value in described.spec.items() if value not in (None, [], {}, "")}
    rows: list[tuple[str, Any]] = [
        ("", described.summary),
        ("signature", code(described.name + described.signature)),
        ("version", version),
        ("actions", ", ".join(function.actions)),
        ("requirements", join(map(code, described.requirements), ", ")),
        ("from", code(described.origin)),
        *((name, code(value)) for name, value in spec.items()),
    ]
    sources = [details(join([Markup("source "), code(name)]), listing(source)) for name, source in list(described.files.items())[:20]]
    return piece(head, grid(rows), join(sources), _versions(function, described.project, described.version))


def _versions(function: Function, project: str, current: str) -> Markup:
    try:
        records = engine().functions(project, function.name).wait()
    except Exception:  # none is saved yet, or the store is away
        return Markup("")
    if not records:
        return Markup("")
    from ...records import parse_time

    rows = [
        [code(one["version"][:12]), moment(parse_time(one["created"])), "this" if one["version"] == current else ""]
        for one in records[:VERSIONS]
    ]
    return details(count(len(records), "version"), table(["version", "saved", ""], rows))
