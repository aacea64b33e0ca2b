"""Text, for terminals and logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..differences import Differences
    from ..functions import Function

Record = dict[str, Any]


def run_text(record: Record) -> str:
    return f"Run({record['key']}, {record['function']}.{record['action']}, {record['state']})"


def runs_text(records: list[Record]) -> str:
    return "\n".join(run_text(record) for record in records) or "no runs"


def function_text(function: Function) -> str:
    return f"Function({function.name!r}, kind={function.kind!r}, project={function.project!r})"


def entity_text(record: Record) -> str:
    return f"{record['type'].capitalize()}({record['key']})"


def differences_text(differences: Differences) -> str:
    return "\n".join(f"{one['path']}: {one['left']!r} → {one['right']!r}" for one in differences) or "no differences"
