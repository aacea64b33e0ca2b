"""An artifact, a dataitem, a model."""

from __future__ import annotations

from html import escape
from typing import Any

from .. import entities
from ..format import count, moment, one_line, short
from ..safely import plain_record, safely
from .parts import Markup, code, details, grid, header, join, muted, pairs, piece
from .run import content

Record = dict[str, Any]
_SHOWN = ("of", "dtype", "shape", "python", "note", "versions")


@safely(lambda record: escape(plain_record(record)))
def entity_html(record: Record, lineage: Record | None) -> str:
    """What it is and how large, its first rows or its picture, the run that made it and those that read it."""
    from ...records import parse_time

    spec = record["spec"]
    head = header(
        record["name"],
        muted(f"{record['type']} · {' · '.join(entities.described(record))}"),
        muted(moment(parse_time(record["created"]))),
    )
    known = {one_line(name): short(spec[name], 120) for name in _SHOWN if spec.get(name) not in (None, "", [], {})}
    rows: list[tuple[str, Any]] = [
        ("", record.get("description")),
        ("labels", ", ".join(map(one_line, record.get("labels") or []))),
        ("metrics", pairs({one_line(name): short(value, 40) for name, value in record["metrics"].items()})),
        ("data", pairs(known)),
        ("made by", code((lineage or {}).get("made_by") or record.get("producer") or "")),
        ("read by", _readers((lineage or {}).get("read_by") or [])),
        ("path", code(record["path"])),
        ("key", code(record["key"])),
    ]
    return piece(head, content(record, opened=True), grid(rows))


def _readers(keys: list[str]) -> Markup:
    listed = join(map(code, keys[:50]), "<br>")
    return listed if len(keys) < 4 else details(count(len(keys), "run"), listed)
