"""pyarrow tables as parquet, and what the other tables need of pyarrow."""

from __future__ import annotations

from .base import Materializer, is_exactly, need
from .errors import Unsuitable, disk_error, first_line
from .preview import COLUMNS, ROWS, describe

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

EXTRA = "add 'pyarrow' to `requirements` (pip install 'runwright[pandas]')"


def parquet() -> Any:
    """The module `pyarrow.parquet`."""
    return need("pyarrow.parquet", "a table in parquet", EXTRA)


def load(path: str) -> Any:
    """The `pyarrow.Table` of a parquet file.

    Not `read_table`, which takes `a=1` in the path of a file for a column.
    """
    with parquet().ParquetFile(path) as file:
        return file.read()


def save(table: Any, path: str, extra: dict[str, Any]) -> None:
    """Write a `pyarrow.Table`.

    Raises:
        Unsuitable: parquet has no such type; with `extra`.
        OSError: the disk.
    """
    try:
        parquet().write_table(table, path, compression="zstd")
    except Exception as error:
        disk = disk_error(error)
        if disk is not None:
            raise disk from error
        raise Unsuitable(f"parquet cannot hold it ({first_line(error)})", extra) from error


class Arrow(Materializer):
    """`pyarrow.Table`."""

    kind, format, type = "table", "parquet", "dataitem"

    def handles(self, value: Any) -> bool:
        return is_exactly(value, "pyarrow", "Table")

    def write(self, value: Any, path: str) -> dict[str, Any]:
        head = value.slice(0, ROWS).select(list(range(min(COLUMNS, value.num_columns))))
        cells = [[column[row].as_py() for column in head.columns] for row in range(head.num_rows)]
        extra = describe(value.schema.names, value.schema.types, value.num_rows, cells)
        extra["of"] = "pyarrow.Table"
        kept = {"type": self.type, "kind": self.kind, **extra}
        save(value, path, kept)
        if not parquet().read_schema(path).equals(value.schema, check_metadata=True):
            raise Unsuitable("parquet would not give its types back", kept)
        return extra

    def read(self, path: str, descriptor: dict[str, Any]) -> Any:
        return load(path)


MATERIALIZER = Arrow()
