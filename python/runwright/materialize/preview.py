"""What a table's descriptor says about it: the first rows, small and safe to show."""

from __future__ import annotations

import json

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any, Sequence

ROWS = 5
COLUMNS = 20
BYTES = 2048
SCHEMA = 1000
_CELL = 80


def describe(names: Sequence[Any], dtypes: Sequence[Any], rows: int, head: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """`schema` (name → dtype, the first 1000), `columns` (how many), `rows`, and `preview`.

    Args:
        names, dtypes: of every column.
        rows: how many there are.
        head: the first rows, cell by cell, at least of the first 20 columns.
    """
    schema = {str(name): str(dtype) for name, dtype in list(zip(names, dtypes))[:SCHEMA]}  # noqa: B905 (no strict in 3.9)
    return {"schema": schema, "columns": len(names), "rows": rows, "preview": preview(names, head)}


def preview(names: Sequence[Any], head: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """`{"columns": [name], "rows": [[cell]]}` in at most 5 rows, 20 columns, 2 KiB of JSON."""
    width = min(len(names), COLUMNS)
    rows: list[list[Any]] = [[cell(value) for value in list(row)[:width]] for row in head[:ROWS]]
    shown: dict[str, list[Any]] = {"columns": [_short(str(name)) for name in names[:width]], "rows": rows}
    while len(json.dumps(shown)) > BYTES and (shown["rows"] or shown["columns"]):
        if len(shown["rows"]) > 1:
            shown["rows"].pop()
        else:
            shown["columns"].pop()
            for row in shown["rows"]:
                del row[len(shown["columns"]) :]
    return shown


def cell(value: Any) -> Any:
    """One cell as a JSON value: plain ones as they are, the rest as short text."""
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == () and value.dtype.kind in "biuf":
        value = value.item()
    if value is None or type(value) is bool:
        return value
    if type(value) is int and -(1 << 53) <= value <= 1 << 53:
        return value
    if type(value) is float:
        return value if value - value == 0.0 else str(value)
    try:
        return _short(value if type(value) is str else str(value))
    except Exception:  # a cell whose __str__ fails shall not fail the run
        return f"<{type(value).__name__}>"


def _short(text: str) -> str:
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"
