"""Waiting, with progress where somebody looks."""

from __future__ import annotations

from typing import Any

from .._engine import engine

Record = dict[str, Any]


def waiting(records: list[Record], timeout: float | None, progress: bool | None) -> list[Record]:
    """Wait for all; gives the newest records, ended or not (after `timeout` seconds)."""
    return [engine().wait(record["id"], timeout).wait() for record in records]
