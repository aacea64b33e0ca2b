"""A run."""

from __future__ import annotations

import math
from base64 import b64encode
from html import escape
from typing import Any

from ..._engine import engine
from .. import entities, facts
from ..format import count, duration, lines_of, moment, number
from ..safely import plain_record, safely
from .parts import Markup, badge, bar, code, details, grid, header, join, muted, pairs, piece, pre, table, tag
from .svg import sparkline

Record = dict[str, Any]
# A run may make thousands; a cell of a notebook shows the first.
OUTPUTS = 12
LOG_LINES = 10


@safely(lambda record: escape(plain_record(record)))
def run_html(record: Record, log: list[str]) -> str:
    """All that matters of a run: on failure first why and what to do, then its time, what went in, what came out, the end of its log."""
    from ...records import duration as seconds
    from ...records import parse_time

    attempts = record.get("attempts", 0)
    head = header(
        facts.title(record),
        badge(record["state"]),
        tag("span", duration(seconds(record))),
        muted(f"{attempts} attempts") if attempts > 1 else "",
        muted(f"on {record['backend']} · {moment(parse_time(record['created']))}"),
    )
    rows: list[tuple[str, Any]] = [
        ("service", facts.service(record)),
        ("time", bar(facts.phases(record))),
        ("notice", facts.notice(record)),
        ("parameters", pairs(facts.arguments(record, 100))),
        ("results", pairs(facts.results(record, 200))),
        ("metrics", metrics(record)),
        ("outputs", join(_output(name, key) for name, key in list(facts.outputs(record).items())[:OUTPUTS])),
        ("", muted(f"… and {len(record['outputs']) - OUTPUTS} more: run.outputs()") if len(record["outputs"]) > OUTPUTS else ""),
        ("log", pre([line for text in log[-LOG_LINES:] for line in (lines_of(text) or [""])]) if log else ""),
        ("key", code(record["key"])),
    ]
    return piece(head, error(record, with_log=not log), grid(rows))


def error(record: Record, with_log: bool) -> Markup:
    """Why it failed, with the cure on top and the whole traceback behind a click."""
    failure = facts.failure(record)
    if failure is None:
        return Markup("")
    parts: list[Any] = [tag("div", join([tag("b", failure.cause), Markup(": "), failure.message]))]
    if failure.cure:
        parts.insert(0, tag("div", join([Markup("→ "), failure.cure])))
    if failure.where:
        parts.append(tag("div", join([Markup("at "), code(failure.where)])))
    if failure.traceback:
        parts.append(details("traceback", pre(failure.traceback)))
    if failure.log and with_log:
        parts.append(details("last log lines", pre(failure.log)))
    return tag("div", join(parts), "rw-e")


def metrics(record: Record) -> Markup:
    """The last value of each, and of a series its line and extremes."""
    rows = []
    for name, values in facts.series(record).items():
        numbers = [value for value in values if isinstance(value, (int, float)) and math.isfinite(value)]
        line = sparkline(values)
        extent = f"{number(min(numbers))} … {number(max(numbers))}" if line else ""
        rows.append([code(name), number(values[-1]), line, muted(extent), muted(count(len(values), "value")) if len(values) > 1 else ""])
    return table(["metric", "last", "", "", ""], rows, right=[1]) if rows else Markup("")


def run_line(record: Record) -> str:
    """A run that has ended, or a service that answers, in one line: what stays where it was shown while it was waited for."""
    from ...records import duration as seconds

    return piece(header(facts.title(record), badge(record["state"]), tag("span", duration(seconds(record))), muted(facts.service(record))))


def _output(name: str, key: str) -> Markup:
    try:
        record = engine().entity(key).wait()
    except Exception:  # deleted since, or the store is away: the key still tells
        return tag("div", join([code(name), Markup(" "), muted(key)]))
    head = join([tag("b", name), Markup(" "), muted(", ".join(entities.described(record))), Markup("<br>"), code(key)])
    return tag("div", join([head, content(record)]))


def content(record: Record, opened: bool = False) -> Markup:
    """What can be shown of an entity itself: its picture, or its first rows and its columns."""
    parts: list[Any] = []
    picture = entities.image(record)
    if picture is not None:
        parts.append(Markup(f'<div><img alt="" src="data:{picture[0]};base64,{b64encode(picture[1]).decode()}"></div>'))
    names, rows = entities.preview(record)
    if rows:
        whole = record["spec"].get("rows")
        of = f" of {whole}" if isinstance(whole, int) else ""
        parts.append(details(f"first {count(len(rows), 'row')}{of}", table(names, rows), opened))
    schema = record["spec"].get("schema")
    if isinstance(schema, dict) and schema:
        shown = [[code(name), muted(kind)] for name, kind in list(schema.items())[:200]]
        parts.append(details(count(record["spec"].get("columns") or len(schema), "column"), table(["column", "type"], shown)))
    return join(parts)
