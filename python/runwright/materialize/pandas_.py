"""pandas frames and series as parquet, so that what is read back equals what was written.

pyarrow keeps most of pandas in the file's `pandas` metadata. What it loses (objects that are lists or integers with None, NaN among
text, the frequency of an index, units and kinds of text columns) is told in the file's `runwright` metadata, and put right on reading.
A frame with anything not known to come back is read back at once and compared; where it differs it is pickled.
"""

from __future__ import annotations

import json
import warnings

from . import arrow
from .base import Materializer, is_exactly, need
from .errors import Unsuitable, disk_error, first_line
from .frame_equal import difference, is_nan
from .preview import COLUMNS, ROWS, describe
from .values import decode, encode

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

_KEY = b"runwright"
_CATEGORIES = 100_000


class Pandas(Materializer):
    """`pandas.DataFrame` and `pandas.Series`."""

    kind, format, type = "table", "parquet", "dataitem"

    def handles(self, value: Any) -> bool:
        return is_exactly(value, "pandas", "DataFrame", "Series")

    def write(self, value: Any, path: str) -> dict[str, Any]:
        pandas = need("pandas", "a table")
        series = is_exactly(value, "pandas", "Series")
        frame = value.to_frame(value.name if isinstance(value.name, str) else "value") if series else value
        head = frame.iloc[:ROWS, :COLUMNS]
        cells = [[head.iat[i, j] for j in range(head.shape[1])] for i in range(head.shape[0])]
        extra = describe(list(frame.columns), list(frame.dtypes), len(frame), cells)
        extra["of"] = "pandas.Series" if series else "pandas.DataFrame"
        kept = {"type": self.type, "kind": self.kind, **extra}
        pyarrow = need("pyarrow", "a pandas table (written as parquet)", arrow.EXTRA)
        spec = _spec(pandas, frame, kept)
        if series:
            spec["series"] = _encoded(value.name, kept)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what is looked after here: attrs, column names of mixed types
                table = pyarrow.Table.from_pandas(frame)
        except Exception as error:
            raise Unsuitable(f"parquet cannot hold it ({first_line(error)})", kept) from error
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), _KEY: json.dumps(spec).encode()})
        arrow.save(table, path, kept)
        if not _plain(frame, spec):
            self._check(value, path, kept)
        return extra

    def _check(self, value: Any, path: str, kept: dict[str, Any]) -> None:
        try:
            back = self.read(path, {})
        except Exception as error:
            if disk_error(error):
                raise
            raise Unsuitable(f"parquet would not give it back ({first_line(error)})", kept) from error
        why = difference(value, back)
        if why:
            raise Unsuitable(f"parquet would not give it back exactly ({why})", kept)

    def read(self, path: str, descriptor: dict[str, Any]) -> Any:
        pandas = need("pandas", "a pandas table")
        table = arrow.load(path)
        spec = json.loads((table.schema.metadata or {}).get(_KEY, b"null"))
        frame = table.to_pandas()
        if spec is None:  # not written here
            return frame
        _restore(pandas, frame, table, spec)
        if "series" in spec:
            series = frame.iloc[:, 0]
            series.name = decode(spec["series"])
            return series
        return frame


def _spec(pandas: Any, frame: Any, kept: dict[str, Any]) -> dict[str, Any]:
    """What pyarrow does not tell.

    Returns:
        `dtypes` (by position), `missing` (position → what stands for no value in a column of objects, if not None), `categories` (position
        → of a column whose categories are not text), `index` and `columns` (their dtypes), `freq`, `attrs`.
    """
    spec: dict[str, Any] = {
        "dtypes": [_dtype(dtype) for dtype in frame.dtypes],
        "missing": {},
        "categories": {},
        "columns": _dtype(frame.columns.dtype),
    }
    for position, dtype in enumerate(frame.dtypes):
        if str(dtype) == "object":
            kinds = set(map(type, frame.iloc[:, position]))
            if float in kinds and type(None) not in kinds:
                spec["missing"][str(position)] = "nan"
            elif type(pandas.NA) in kinds and type(None) not in kinds:
                spec["missing"][str(position)] = "NA"
        elif str(dtype) == "category":
            categories = _categories(dtype)
            if categories is not None:
                spec["categories"][str(position)] = categories
    if frame.index.nlevels == 1:
        spec["index"] = _dtype(frame.index.dtype)
        freq = getattr(frame.index, "freq", None)
        if freq is not None and spec["index"].startswith(("datetime", "timedelta")):
            spec["freq"] = freq.freqstr
    if frame.attrs:
        spec["attrs"] = _encoded(frame.attrs, kept)
    return spec


def _categories(dtype: Any) -> Any:
    """Categories that parquet forgets: it knows columns of few different texts only. None where there is nothing to tell, or no way to."""
    categories = dtype.categories
    if categories.inferred_type == "string" or len(categories) > _CATEGORIES:
        return None
    try:
        # Times as integers, which is what they are stored as.
        listed, _, _ = encode(categories.asi8.tolist() if hasattr(categories, "asi8") else categories.tolist())
    except Unsuitable:
        return None
    return {"values": listed, "dtype": _dtype(categories.dtype), "ordered": bool(dtype.ordered)}


def _encoded(value: Any, kept: dict[str, Any]) -> Any:
    try:
        return encode(value)[0]
    except Unsuitable as error:
        raise Unsuitable(error.reason, kept) from error


def _dtype(dtype: Any) -> str:
    """The name that `astype` understands; text is told apart by where it is stored."""
    storage = getattr(dtype, "storage", None)
    return f"string[{storage}]" if storage and str(dtype).startswith("string") else str(dtype)


def _restore(pandas: Any, frame: Any, table: Any, spec: dict[str, Any]) -> None:
    """Put right in place what `to_pandas` made another type of."""
    for position, dtype in enumerate(spec["dtypes"]):
        if dtype == "object":
            values = _objects(table.column(position))
            missing = {"nan": float("nan"), "NA": pandas.NA}.get(spec["missing"].get(str(position)))
            if missing is not None:
                values = [missing if item is None else item for item in values]
            # Through an array of objects: a Series made of a list would guess a type, or take lists for rows.
            frame.isetitem(position, pandas.Series(_array(values), index=frame.index, dtype=object))
        elif str(position) in spec["categories"]:
            told = spec["categories"][str(position)]
            categories = pandas.Index(decode(told["values"]), dtype="int64" if "64[" in told["dtype"] else told["dtype"]).astype(
                told["dtype"]
            )
            category = pandas.CategoricalDtype(categories, ordered=told["ordered"])
            frame.isetitem(position, frame.iloc[:, position].astype(category))
        elif dtype != "category" and _dtype(frame.dtypes.iloc[position]) != dtype:
            frame.isetitem(position, frame.iloc[:, position].astype(dtype))
    if "index" in spec and spec["index"] != "category" and _dtype(frame.index.dtype) != spec["index"]:
        frame.index = frame.index.astype(spec["index"])
    if "freq" in spec:
        frame.index.freq = pandas.tseries.frequencies.to_offset(spec["freq"])
    if spec["columns"] != "category" and frame.columns.nlevels == 1 and _dtype(frame.columns.dtype) != spec["columns"]:
        frame.columns = frame.columns.astype(spec["columns"])
    frame.attrs = decode(spec.get("attrs", {}))


def _objects(column: Any) -> Any:
    """A column as Python objects. pyarrow makes numpy arrays of lists and floats of integers; and is slow where it need not be: text."""
    if str(column.type) in ("string", "large_string"):
        return column.to_numpy()
    return column.to_pylist()


def _array(values: Any) -> Any:
    numpy = need("numpy", "a pandas table")
    if isinstance(values, numpy.ndarray):
        return values
    array = numpy.empty(len(values), dtype=object)
    for position, item in enumerate(values):
        array[position] = item
    return array


_SAFE = {"bool", "float32", "float64", "str", "datetime64[ns]", "datetime64[us]", "timedelta64[ns]", "Float32", "Float64", "boolean"}
_SAFE |= {f"{sign}{bits}" for sign in ("int", "uint", "Int", "UInt") for bits in (8, 16, 32, 64)}


def _plain(frame: Any, spec: dict[str, Any]) -> bool:
    """Whether all of `frame` is known to come back, so that it need not be tried."""
    if frame.attrs or not frame.shape[1] or frame.index.nlevels > 1 or frame.columns.nlevels > 1:
        return False
    if not all(name is None or type(name) is str for name in (frame.index.name, frame.columns.name)):
        return False
    if not all(type(name) is str for name in frame.columns) or spec["columns"] not in ("object", "str"):
        return False
    if spec["index"] == "object" or spec["index"] not in _SAFE:
        return False
    return all(
        spec["dtypes"][position] in _SAFE or (spec["dtypes"][position] == "object" and _text(frame.iloc[:, position]))
        for position in range(frame.shape[1])
    )


def _text(column: Any) -> bool:
    """Whether a column of objects is all text, missing values of one sort aside."""
    kinds: set[Any] = set(map(type, column))
    if kinds <= {str, type(None)}:
        return True
    return kinds == {str, float} and all(is_nan(item) for item in column if type(item) is float)


MATERIALIZER = Pandas()
