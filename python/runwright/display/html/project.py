"""A project."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from ..._engine import engine
from .. import entities, facts
from ..format import count, moment
from ..safely import safely
from .parts import Markup, code, details, header, join, muted, piece, table
from .runs import runs_table

if TYPE_CHECKING:
    from ...project import Project

Record = dict[str, Any]
RUNS = 10
ENTITIES = 50


@safely(lambda project: escape(f"<Project {project.name}>"))
def project_html(project: Project) -> str:
    """Its functions, its newest runs, its data."""
    name = project.name
    functions = engine().functions(name).wait()
    runs = engine().runs(project=name, limit=RUNS).wait()
    found = engine().entities(project=name, limit=ENTITIES + 1).wait()
    secrets = list(project.record.get("secrets") or {})
    parts = [header(name, muted("project"))]
    parts.append(details(_counted(functions, "function"), _functions(functions), opened=True) if functions else muted("no functions yet"))
    if runs:
        differ, _ = facts.compared(runs)
        parts.append(details(f"newest {count(len(runs), 'run')}" if len(runs) > 1 else "1 run", runs_table(runs, differ[:4]), opened=True))
    for of in ("dataitem", "model", "artifact"):
        some = [record for record in found if record["type"] == of][:ENTITIES]
        if some:
            parts.append(details(_counted(some, of), _entities(some)))
    if len(found) > ENTITIES:
        parts.append(muted("the newest are shown; project.list_artifacts() and the like give all"))
    if secrets:
        # By name only: a reference may tell where one is kept.
        parts.append(details(count(len(secrets), "secret"), join(map(code, secrets), ", ")))
    return piece(*parts)


def _counted(records: list[Record], noun: str) -> str:
    return count(len(records), noun)


def _functions(records: list[Record]) -> Markup:
    from ...records import parse_time

    rows = [
        [code(one["name"]), one["kind"], code(one["version"][:12]), moment(parse_time(one["created"])), one.get("description") or ""]
        for one in records[:100]
    ]
    return table(["function", "kind", "newest version", "saved", ""], rows)


def _entities(records: list[Record]) -> Markup:
    from ...records import parse_time

    rows = [
        [code(one["name"]), ", ".join(entities.described(one)), moment(parse_time(one["created"])), code(one["key"])] for one in records
    ]
    return table(["name", "", "saved", "key"], rows)
