"""polars frames as parquet; their types (Categorical, Enum, Decimal, …) travel in the file's Arrow schema."""

from __future__ import annotations

from .base import Materializer, is_exactly, need
from .errors import MaterializeFailed, Unsuitable, disk_error, first_line, passes
from .preview import COLUMNS, ROWS, describe

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

# The path is that of a file: not a pattern, and `a=1` in it is not a column.
_PLAIN = {"hive_partitioning": False, "glob": False}


class Polars(Materializer):
    """`polars.DataFrame`, `Series`, and `LazyFrame` (computed while it is written; reads back as a scan of the file)."""

    kind, format, type = "table", "parquet", "dataitem"

    def handles(self, value: Any) -> bool:
        return is_exactly(value, "polars", "DataFrame", "LazyFrame", "Series")

    def write(self, value: Any, path: str) -> dict[str, Any]:
        polars = need("polars", "a polars table")
        name = type(value).__name__
        if name == "LazyFrame":
            # Streamed: it may be larger than memory.
            try:
                _sink(value, path)
            except BaseException as error:
                if passes(error):
                    raise
                disk = disk_error(error)
                if disk is not None:
                    raise disk from error
                raise MaterializeFailed(f"the query fails ({first_line(error)})", "call `.collect()` to see where") from error
            scan = polars.scan_parquet(path, **_PLAIN)
            frame, rows = scan.head(ROWS).collect(), scan.select(polars.len()).collect().item()
            return {**_describe(frame, rows), "of": "polars.LazyFrame"}
        frame = value.to_frame() if name == "Series" else value
        extra = {**_describe(frame, frame.height), "of": f"polars.{name}"}
        kept = {"type": self.type, "kind": self.kind, **extra}
        try:
            frame.write_parquet(path)
            schema = polars.read_parquet_schema(path)
        except BaseException as error:
            if passes(error):
                raise
            disk = disk_error(error)
            if disk is not None:
                raise disk from error
            raise Unsuitable(f"parquet cannot hold it ({first_line(error)})", kept) from error
        if dict(schema) != dict(frame.schema) or (not frame.columns and frame.height):
            raise Unsuitable("parquet would not give its types back", kept)
        return extra

    def read(self, path: str, descriptor: dict[str, Any]) -> Any:
        polars = need("polars", "a polars table")
        if descriptor.get("of") == "polars.LazyFrame":
            return polars.scan_parquet(path, **_PLAIN)
        frame = polars.read_parquet(path, **_PLAIN)
        return frame.to_series() if descriptor.get("of") == "polars.Series" else frame


def _sink(frame: Any, path: str) -> None:
    try:
        frame.sink_parquet(path)
    except BaseException as error:
        # Before polars 1.30 some queries do not stream, and a full disk is a panic that does not say so.
        if passes(error) or not (type(error).__name__ == "PanicException" or "not yet supported" in str(error)):
            raise
        frame.collect().write_parquet(path)


def _describe(frame: Any, rows: int) -> dict[str, Any]:
    head = frame.head(ROWS).select(frame.columns[:COLUMNS])
    return describe(frame.columns, frame.dtypes, rows, head.rows())


MATERIALIZER = Polars()
