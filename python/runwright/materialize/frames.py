"""`as_df`: a stored table as a data frame of the library that is asked for."""

# os.path and not pathlib, whose import costs milliseconds in every run
# ruff: noqa: PTH123

from __future__ import annotations

import json

from . import arrow
from .base import is_a, need
from .errors import MaterializeFailed, first_line, passes
from .reading import file_format, locate, read

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

ENGINES = ("pandas", "polars", "pyarrow")


def as_df(descriptor: dict[str, Any], base: str, engine: str = "pandas") -> Any:
    """The table of `descriptor` as `pandas.DataFrame`, `polars.DataFrame` or `pyarrow.Table`.

    Args:
        descriptor: of a table that `write` wrote, or of a file in parquet, csv, json (a list of objects) or json lines.
        base: the folder that a relative `path` is relative to.
        engine: `pandas`, `polars` or `pyarrow`.

    Raises:
        MaterializeFailed: another engine, not a table, the library is not installed, the file is gone or damaged.
    """
    if engine not in ENGINES:
        raise MaterializeFailed(f"there is no engine {engine!r}", f"use one of {', '.join(ENGINES)}")
    form = file_format(descriptor)
    label = descriptor.get("path")
    try:
        path = locate(descriptor, base)
        if form in ("pickle", "pkl") and descriptor.get("kind") == "table":
            return convert(read(descriptor, base), engine)
        return load(path, form, engine, str(descriptor.get("of") or ""))
    except MaterializeFailed as error:
        raise MaterializeFailed(error.message if str(label) in error.message else f"{label}: {error.message}", error.cure) from error
    except BaseException as error:
        # pyarrow calls damage an OSError too, but one without a number.
        if passes(error) or (isinstance(error, OSError) and error.errno is not None):
            raise
        raise MaterializeFailed(
            f"{label}: cannot be read as a {form} table by {engine} ({first_line(error)})", "check that the file is whole"
        ) from error


def of_any(path: str, form: str) -> Any:
    """The table in the first library that is installed."""
    from importlib.util import find_spec

    for engine in ENGINES:
        if find_spec(engine) is not None:
            return load(path, form, engine)
    raise MaterializeFailed(f"a {form} table needs pandas, polars or pyarrow", "add one of them to `requirements`")


def load(path: str, form: str, engine: str, of: str = "") -> Any:
    """The table in the file `path`."""
    library = need(engine, f"a {engine} table", f"add {engine!r} to `requirements` (or pass another engine of {', '.join(ENGINES)})")
    if form == "parquet":
        return _parquet(path, library, engine, of)
    # An open file and not its path, in which polars sees patterns and pandas sees URLs.
    with open(path, "rb") as file:
        if form == "csv":
            return need("pyarrow.csv", "csv").read_csv(file) if engine == "pyarrow" else library.read_csv(file)
        if form in ("json", "jsonl", "ndjson"):
            return _json(file, form, library, engine)
    raise MaterializeFailed(f"the format {form!r} is not a table", "tables are parquet, csv, json and jsonl")


def _parquet(path: str, library: Any, engine: str, of: str) -> Any:
    if engine == "pandas":
        from .pandas_ import MATERIALIZER

        return convert(MATERIALIZER.read(path, {}), engine)
    if engine == "polars":
        frame = library.read_parquet(path, hive_partitioning=False, glob=False)
        # An index without a name is pandas' alone.
        return frame.drop([name for name in frame.columns if of.startswith("pandas.") and name.startswith("__index_level_")])
    return arrow.load(path)


def convert(table: Any, engine: str) -> Any:
    """A frame or series of one library as a frame of another."""
    if is_a(table, "polars", "LazyFrame"):
        table = table.collect()
    if is_a(table, "polars", "Series") or is_a(table, "pandas", "Series"):
        table = table.to_frame()
    if is_a(table, engine, "Table" if engine == "pyarrow" else "DataFrame"):
        return table
    library = need(engine, f"a {engine} table")
    if engine == "polars":
        return library.from_pandas(table) if is_a(table, "pandas", "DataFrame") else library.from_arrow(table)
    if engine == "pyarrow":
        return library.Table.from_pandas(table) if is_a(table, "pandas", "DataFrame") else table.to_arrow()
    return table.to_pandas()


def _json(file: Any, form: str, library: Any, engine: str) -> Any:
    """Json lines, or in a file that is called json also a list of objects."""
    lines = form != "json" or file.read(64).lstrip()[:1] != b"["
    file.seek(0)
    if engine == "pandas":
        return library.read_json(file, lines=lines)
    if engine == "polars":
        return library.read_ndjson(file) if lines else library.read_json(file)
    if lines:
        return need("pyarrow.json", "json").read_json(file)
    return library.Table.from_pylist(json.load(file))
