"""What there is to show of an artifact, a dataitem or a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .format import TIMES, count, number, one_line, short, size

Record = dict[str, Any]
IMAGE_BYTES = 1_000_000
_IMAGES = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp", "svg": "image/svg+xml"}


def described(record: Record) -> list[str]:
    r"""`["table", "3 rows \u00d7 2 columns", "2.4 kB parquet"]`."""
    spec = record["spec"]
    parts = [one_line(record["kind"])]
    if isinstance(spec.get("rows"), int) and isinstance(spec.get("columns"), int):
        parts.append(f"{count(spec['rows'], 'row')} {TIMES} {count(spec['columns'], 'column')}")
    elif isinstance(spec.get("shape"), list):
        parts.append(f" {TIMES} ".join(str(one) for one in spec["shape"]) + (f" {one_line(spec['dtype'])}" if spec.get("dtype") else ""))
    elif spec.get("of"):
        parts.append(one_line(spec["of"]))
    parts.append(one_line(f"{size(spec['size']) if isinstance(spec.get('size'), (int, float)) else ''} {spec.get('format') or ''}".strip()))
    return [part for part in parts if part]


def preview(record: Record) -> tuple[list[str], list[list[str]]]:
    """The first rows of a table: names and cells; nothing where there is none."""
    shown = record["spec"].get("preview")
    if not isinstance(shown, dict) or not isinstance(shown.get("columns"), list) or not isinstance(shown.get("rows"), list):
        return [], []
    names = [one_line(name) for name in shown["columns"]]
    rows = [[_cell(value) for value in row][: len(names)] for row in shown["rows"] if isinstance(row, list)]
    return names, [row + [""] * (len(names) - len(row)) for row in rows]


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return one_line(value)
    return number(value) if isinstance(value, float) else short(value, 80)


def image(record: Record) -> tuple[str, bytes] | None:
    """The picture of a figure or image that is small and on this machine: its type and bytes."""
    kind = _IMAGES.get(str(record["spec"].get("format")).lower())
    if kind is None or record["kind"] not in ("figure", "image"):
        return None
    path = Path(str(record["path"]))
    if not path.is_absolute() or not path.is_file() or path.stat().st_size > IMAGE_BYTES:
        return None
    return kind, path.read_bytes()
