"""Text, for terminals and logs: one compact block for one thing, an aligned table for many."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from . import facts, terminal
from .columns import Column, fit, table, width
from .format import ago, count, cut, duration, one_line, short, short_ids
from .safely import plain_record, safely

if TYPE_CHECKING:
    from ..differences import Differences
    from ..functions import Function
    from ..project import Project

Record = dict[str, Any]
ROWS = 60
_INDENT = 2
_LABEL = 13
# Places of all bars of a run's time together.
_BARS = 20


def _block(head: str, lines: list[tuple[str, str]], rest: list[str] | None = None) -> str:
    """A heading and its labelled lines, those without text left out. Keys and paths are never cut: they are there to be copied."""
    places = terminal.width() - _INDENT - _LABEL
    colour = terminal.repr_has_colour()
    shown = [head]
    for label, text in lines:
        if text:
            whole = label in ("key", "path", "made by") or text.startswith("\x1b")
            shown.append(" " * _INDENT + terminal.dim(f"{label:<{_LABEL}}", colour) + (text if whole else fit(text, places)))
    shown += [" " * (_INDENT + _LABEL) + line for line in rest or []]
    return terminal.writable("\n".join(shown), sys.stdout)


def _pairs(items: dict[str, str], between: str = "=") -> str:
    return ", ".join(f"{name}{between}{value}" for name, value in items.items())


@safely(plain_record)
def run_text(record: Record) -> str:
    """A run: what, how it went, and on failure why, where and what to do."""
    from ..records import duration as seconds

    colour = terminal.repr_has_colour()
    took = duration(seconds(record))
    head = f"{facts.title(record)}  {terminal.state(record['state'], colour)}" + (f"  {took}" if took else "")
    if record.get("attempts", 0) > 1:
        head += f"  ({record['attempts']} attempts)"
    lines = [
        ("key", one_line(record["key"])),
        ("service", facts.service(record)),
        ("builder", one_line(record["provenance"].get("builder") or "")),
        ("time", _bars(facts.phases(record))),
        ("parameters", _pairs(facts.arguments(record))),
    ]
    lines.append(("metrics", ", ".join(_metric(name, values) for name, values in facts.series(record).items())))
    lines.append(("results", _pairs(facts.results(record))))
    lines += [("outputs" if place == 0 else " ", f"{name} → {key}") for place, (name, key) in enumerate(facts.outputs(record).items())]
    lines.append(("notice", facts.notice(record)))
    failure = facts.failure(record)
    if failure is not None:
        message = fit(f"{failure.cause}: {failure.message}", terminal.width() - _INDENT - _LABEL)
        lines.append(("error", terminal.painted(message, record["state"], colour)))
        lines += [("at", failure.where), ("→", failure.cure)]
    return _block(head, lines)


def _bars(phases: list[Record]) -> str:
    """Phases with bars of their shares: `queue ▏ 18 ms  import ███ 0.4 s`; the longest of them, as many as fit."""
    whole = sum(part["seconds"] for part in phases)
    shown = [part for part in phases if whole > 0 and part["seconds"] >= whole / (8 * _BARS)]
    while True:
        text = "  ".join(f"{part['phase']} {_bar(part['seconds'] / whole)} {duration(part['seconds'])}" for part in shown)
        if width(text) <= terminal.width() - _INDENT - _LABEL:
            return text
        shown.remove(min(shown, key=lambda part: float(part["seconds"])))


def _bar(share: float) -> str:
    whole, rest = divmod(round(share * 8 * _BARS), 8)
    return "█" * whole + " ▏▎▍▌▋▊▉"[rest].strip()


def _metric(name: str, values: list[Any]) -> str:
    from .format import number

    return f"{name}={number(values[-1])}" + (f" (last of {len(values)})" if len(values) > 1 else "")


@safely(lambda records: "\n".join(map(plain_record, records)))
def runs_text(records: list[Record]) -> str:
    """Runs as a table: what differs between them in columns, what is the same above."""
    if not records:
        return "no runs"
    counts = ", ".join(f"{number} {state}" for state, number in facts.tally(records).items())
    differ, same = facts.compared(records)
    head = f"{count(len(records), 'run')}: {counts}"
    lines = [fit(head + (f"   all with {_pairs(same)}" if same and len(records) > 1 else ""), terminal.width())]
    shown = records[:ROWS]
    lines += table(_run_columns(shown, differ if len(records) > 1 else list(same)), terminal.width())
    if len(records) > len(shown):
        lines.append(f"… and {len(records) - len(shown)} more; .to_df() has all")
    return terminal.writable("\n".join(lines), sys.stdout)


def _run_columns(records: list[Record], differ: list[str]) -> list[Column]:
    from ..records import duration as seconds
    from ..records import parse_time

    colour = terminal.repr_has_colour()
    states = iter([record["state"] for record in records])

    def paint(cell: str) -> str:
        return terminal.painted(cell, next(states), colour)

    given = [facts.arguments(record, 24) for record in records]
    metrics = [facts.last_metrics(record) for record in records]
    failures = [facts.failure(record) for record in records]
    columns = [
        Column("", [str(place) for place in range(len(records))], right=True, rank=3),
        Column("run", [facts.title(record) for record in records], least=8),
        Column("state", [terminal.state(record["state"], False) for record in records], paint=paint),
        Column("took", [duration(seconds(record)) for record in records], right=True, rank=5),
    ]
    columns += [Column(name, [one.get(name, "") for one in given], least=6, rank=20 + place) for place, name in enumerate(differ)]
    names = dict.fromkeys(name for one in metrics for name in one)
    columns += [Column(name, [one.get(name, "") for one in metrics], right=True, rank=40 + place) for place, name in enumerate(names)]
    columns.append(Column("error", [f"{one.cause}: {one.message}" if one else "" for one in failures], least=14, rank=2))
    columns.append(Column("created", [ago(parse_time(record["created"])) for record in records], rank=10))
    columns.append(Column("id", short_ids([record["id"] for record in records])))
    return columns


@safely(lambda function: f"<Function {function.name}>")
def function_text(function: Function) -> str:
    """A function: what it takes, its version, what can be done with it."""
    from .functions import describe

    described = describe(function)
    lines = [
        ("signature", f"{described.name}{described.signature}"),
        ("version", described.version[:12] if described.version else described.note),
        ("does", described.summary),
        ("actions", ", ".join(function.actions)),
        ("requirements", ", ".join(described.requirements)),
        ("source", described.origin),
    ]
    return _block(f"{described.name}  ({one_line(function.kind)} function of {one_line(described.project)})", lines)


@safely(plain_record)
def entity_text(record: Record) -> str:
    """An artifact, dataitem or model: how large, of what, where; a table's first rows."""
    from .entities import described, preview

    head = f"{record['type'].capitalize()} {one_line(record['name'])}  ({', '.join(described(record))})"
    spec = record["spec"]
    schema = spec.get("schema") or {}
    lines = [
        ("key", one_line(record["key"])),
        ("path", one_line(record["path"])),
        ("description", one_line(record.get("description") or "")),
        ("metrics", _pairs({one_line(name): short(value, 24) for name, value in record["metrics"].items()})),
        ("columns", ", ".join(f"{one_line(name)}: {one_line(kind)}" for name, kind in list(schema.items())[:50])),
        ("made by", one_line(record["producer"] or "")),
    ]
    names, rows = preview(record)
    columns = [Column(name, [row[place] for row in rows], least=6, rank=place + 1) for place, name in enumerate(names)]
    return _block(head, lines, table(columns, terminal.width() - _INDENT - _LABEL) if rows else [])


@safely(lambda differences: f"<{len(differences)} differences>")
def differences_text(differences: Differences) -> str:
    """What tells two runs apart, side by side."""
    if not len(differences):
        return "no differences"
    left, right = short_ids([str(differences.left), str(differences.right)])
    cells: list[list[str]] = [[], [], []]
    for one in differences:
        for column, text in zip(cells, (one_line(one["path"]), *facts.sides(one)), strict=True):
            column.append(text)
    columns = [Column("", cells[0], least=12), Column(left, cells[1], least=10), Column(right, cells[2], least=10)]
    return terminal.writable("\n".join(table(columns, terminal.width())), sys.stdout)


@safely(lambda project: f"<Project {project.name}>")
def project_text(project: Project) -> str:
    """A project and how much is in it."""
    functions = project.list_functions()
    names = ", ".join(one_line(one.name) for one in functions)
    return cut(f"Project {one_line(project.name)}  ({count(len(functions), 'function')}: {names})", terminal.width())
