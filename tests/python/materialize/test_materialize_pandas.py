"""pandas frames and series come back equal: index, types, categories, time zones, objects."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import warnings

import pytest

pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
np = pytest.importorskip("numpy")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from runwright import materialize  # noqa: E402
from runwright.materialize.frame_equal import difference  # noqa: E402

DAYS = pd.date_range("2024-03-30", periods=3, freq="D", tz="Europe/Berlin")


def objects(*values):
    return pd.Series(list(values), dtype=object)


PARQUET = {
    "plain": pd.DataFrame({"i": [1, 2], "f": [0.5, np.nan], "b": [True, False], "s": ["a", None]}),
    "empty": pd.DataFrame(),
    "no rows": pd.DataFrame({"a": pd.Series([], dtype="int8"), "o": pd.Series([], dtype=object)}),
    "no columns": pd.DataFrame(index=[3, 4]),
    "widths": pd.DataFrame({t: np.array([0, 1], dtype=t) for t in ("int8", "uint16", "uint64", "float32")}),
    "nullable": pd.DataFrame({t: pd.array([1, None], dtype=t) for t in ("Int8", "UInt64", "Float32", "boolean")}),
    "string python": pd.DataFrame({"s": pd.array(["a", pd.NA], dtype="string[python]")}),
    "string pyarrow": pd.DataFrame({"s": pd.array(["a", pd.NA], dtype="string[pyarrow]")}),
    "arrow types": pd.DataFrame(
        {"a": pd.array([1, None], dtype="int64[pyarrow]"), "b": pd.array(["x", None], dtype="large_string[pyarrow]")}
    ),
    "categories": pd.DataFrame({"c": pd.Categorical(["b", None, "b"], categories=["z", "b", "a"], ordered=True)}),
    "number categories": pd.DataFrame({"c": pd.Categorical([3, 1], categories=[3, 2, 1])}),
    "date categories": pd.DataFrame({"c": pd.Categorical(pd.to_datetime(["2024-01-02", "2024-01-01"]))}),
    "no categories": pd.DataFrame({"c": pd.Categorical([None, None], categories=[])}),
    "zones": pd.DataFrame({"t": DAYS, "u": DAYS.tz_convert("UTC"), "n": DAYS.tz_localize(None)}).assign(d=DAYS - DAYS[0]),
    "fixed zone": pd.DataFrame({"t": pd.to_datetime(["2024-01-01T00:00:00+05:30"])}),
    "units": pd.DataFrame({u: pd.to_datetime(["2024-01-01", None]).as_unit(u) for u in ("s", "ms", "us", "ns")}),
    "duration units": pd.DataFrame({u: pd.to_timedelta([1, None], unit="s").as_unit(u) for u in ("s", "ms", "us", "ns")}),
    "object text": pd.DataFrame({"o": objects("a", "b")}),
    "object None": pd.DataFrame({"o": objects("a", None)}),
    "object NaN": pd.DataFrame({"o": objects("a", np.nan)}),
    "object NA": pd.DataFrame({"o": objects("a", pd.NA)}),
    "object ints": pd.DataFrame({"o": objects(1, None)}),
    "object bools": pd.DataFrame({"o": objects(True, None)}),
    "object bytes": pd.DataFrame({"o": objects(b"a", None)}),
    "object dates": pd.DataFrame({"o": objects(dt.date(2024, 1, 1), None)}),
    "object lists": pd.DataFrame({"o": objects([1.0, 2.0], [], None)}),
    "object dicts": pd.DataFrame({"o": objects({"a": 1}, {"a": None})}),
    "object decimals": pd.DataFrame({"o": objects(decimal.Decimal("1.00"), decimal.Decimal("2.50"))}),
    "object nothing": pd.DataFrame({"o": objects(None, None)}),
    "named index": pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="key")),
    "range": pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(4, 0, -2, name="r")),
    "same index twice": pd.DataFrame({"a": [1, 2]}, index=[7, 7]),
    "frequency": pd.DataFrame({"a": range(3)}, index=DAYS),
    "business days": pd.DataFrame({"a": range(3)}, index=pd.date_range("2024-01-01", periods=3, freq="2B")),
    "periods": pd.DataFrame({"p": pd.period_range("2024-01", periods=2, freq="M")}),
    "period index": pd.DataFrame({"a": [1, 2]}, index=pd.period_range("2024-01", periods=2, freq="M")),
    "intervals": pd.DataFrame({"i": pd.interval_range(0, 2)}),
    "index of categories": pd.DataFrame({"a": [1, 2]}, index=pd.CategoricalIndex(["b", "a"], categories=["b", "a", "c"])),
    "object index": pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], dtype=object)),
    "levels": pd.DataFrame({"a": range(4)}, index=pd.MultiIndex.from_product([["x", "y"], [1, 2]], names=["k", None])),
    "column levels": pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")])),
    "number columns": pd.DataFrame([[1, 2]], columns=[10, 20]),
    "range columns": pd.DataFrame([[1, 2]]),
    "date columns": pd.DataFrame([[1, 2, 3]], columns=DAYS.tz_localize(None)._with_freq(None)),
    "named columns": pd.DataFrame([[1]], columns=pd.Index(["a"], name="things")),
    "object columns": pd.DataFrame([[1]], columns=pd.Index(["a"], dtype=object)),
    "attrs": pd.DataFrame({"a": [1]}).assign(),
    "index name is a column": pd.DataFrame({"a": [1, 2]}, index=pd.Index([5, 6], name="b")),
    "__index_level_0__": pd.DataFrame({"__index_level_0__": [1]}, index=["x"]),
    "half floats": pd.DataFrame({"h": np.array([1, 2], dtype="float16")}),
    "infinity": pd.DataFrame({"f": [np.inf, -np.inf, -0.0]}),
}
PARQUET["attrs"].attrs = {"source": ("a", 1), "at": dt.date(2024, 1, 1)}

PICKLED = {
    "mixed": pd.DataFrame({"o": objects(1, "a")}),
    "sets": pd.DataFrame({"o": objects({1}, {2})}),
    "dicts of other keys": pd.DataFrame({"o": objects({"a": 1}, {"b": 2})}),
    "arrays": pd.DataFrame({"o": objects(np.array([1]), np.array([2]))}),
    "decimals of other scales": pd.DataFrame({"o": objects(decimal.Decimal("1.0"), decimal.Decimal("2.50"))}),
    "tuples": pd.DataFrame({"o": objects((1, 2), (3,))}),
    "ints and bools": pd.DataFrame({"o": objects(1, True)}),
    "ints and floats": pd.DataFrame({"o": objects(1, 2.5)}),
    "two kinds of missing": pd.DataFrame({"o": objects("a", None, np.nan)}),
    "lone surrogate": pd.DataFrame({"o": objects("\ud800")}),
    "complex": pd.DataFrame({"c": [1 + 2j]}),
    "same column twice": pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "mixed columns": pd.DataFrame([[1, 2]], columns=["a", 1]),
    "sparse": pd.DataFrame({"s": pd.arrays.SparseArray([0, 1])}),
    "objects": pd.DataFrame({"o": objects(object)}),
}


@pytest.mark.parametrize("name", PARQUET)
def test_frames_as_parquet(roundtrip, name):
    frame = PARQUET[name]
    descriptor, back = roundtrip(frame)
    assert (descriptor["type"], descriptor["kind"], descriptor["of"]) == ("dataitem", "table", "pandas.DataFrame")
    # Only newer pyarrow tells a column of this name from an index.
    assert descriptor["format"] == "parquet" or name == "__index_level_0__", descriptor.get("note")
    assert difference(frame, back) is None
    assert descriptor["rows"] == len(frame) and descriptor["columns"] == frame.shape[1]


@pytest.mark.parametrize("name", PICKLED)
def test_frames_that_parquet_would_change_are_pickled_and_still_tables(roundtrip, tmp_path, name):
    frame = PICKLED[name]
    descriptor, back = roundtrip(frame)
    assert (descriptor["type"], descriptor["kind"], descriptor["format"]) == ("dataitem", "table", "pickle")
    assert descriptor["note"].startswith("pickled: ") and descriptor["rows"] == len(frame)
    assert difference(frame, back) is None
    assert difference(frame, materialize.as_df(descriptor, str(tmp_path))) is None


def test_mixed_missing_values_keep_their_places(roundtrip):
    frame = pd.DataFrame({"o": objects("a", np.nan), "p": objects(None, "b")})
    _, back = roundtrip(frame)
    assert isinstance(back.iat[1, 0], float) and back.iat[0, 1] is None


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([1, 2], name="a"),
        pd.Series([1, 2]),
        pd.Series([1.5], name=("a", 1)),
        pd.Series(["a", None], name=3, index=[5, 6]),
        pd.Series(pd.Categorical(["a"]), name=""),
        pd.Series([], dtype="float64"),
        objects([1], None),
    ],
    ids=repr,
)
def test_series(roundtrip, tmp_path, series):
    descriptor, back = roundtrip(series)
    assert (descriptor["of"], descriptor["format"]) == ("pandas.Series", "parquet")
    assert difference(series, back) is None and back.name == series.name
    assert materialize.as_df(descriptor, str(tmp_path)).shape == (len(series), 1)


def test_a_subclass_is_not_made_a_frame(roundtrip):
    descriptor, back = roundtrip(Frame({"a": [1]}))
    assert descriptor["kind"] == "pickle" and type(back) is Frame


class Frame(pd.DataFrame):
    @property
    def _constructor(self):
        return Frame


def test_schema_and_preview(roundtrip):
    frame = pd.DataFrame({"n": range(100), "t": ["x" * 500] * 100, "f": [np.nan] * 100, "when": pd.Timestamp("2024-01-01")})
    descriptor, _ = roundtrip(frame)
    assert list(descriptor["schema"]) == ["n", "t", "f", "when"] and descriptor["schema"]["n"] == "int64"
    preview = descriptor["preview"]
    assert preview["columns"] == ["n", "t", "f", "when"] and len(preview["rows"]) == 5
    assert preview["rows"][1] == [1, "x" * 79 + "…", "nan", "2024-01-01 00:00:00"]


def test_a_preview_of_a_wide_frame_stays_small(roundtrip):
    frame = pd.DataFrame(np.random.default_rng(0).random((10, 3000)), columns=[f"column number {i}" for i in range(3000)])
    descriptor, _ = roundtrip(frame)
    assert len(json.dumps(descriptor["preview"])) <= 2048 and len(descriptor["preview"]["columns"]) <= 20
    assert descriptor["columns"] == 3000 and len(descriptor["schema"]) == 1000
    wide = pd.DataFrame({f"{'ü' * 300}{i}": ["ü" * 300] for i in range(30)})
    descriptor, _ = roundtrip(wide, "outputs/y")
    assert len(json.dumps(descriptor["preview"])) <= 2048 and descriptor["preview"]["columns"]


def test_a_cell_that_cannot_be_shown(roundtrip):
    descriptor, _ = roundtrip(pd.DataFrame({"o": objects(Shy())}))
    assert descriptor["preview"]["rows"] == [["<Shy>"]]


class Shy:
    def __str__(self):
        raise RuntimeError

    __repr__ = __str__

    def __eq__(self, other):
        return True

    __hash__ = None


def test_without_pyarrow_the_extra_is_named(fails, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    error = fails(pd.DataFrame({"a": [1]}))
    assert "pyarrow, which is not installed" in error.message and "runwright[pandas]" in error.cure


def test_writing_does_not_warn_or_change_the_frame(roundtrip):
    frame = PARQUET["attrs"].copy()
    before = frame.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert roundtrip(frame)[0]["format"] == "parquet"
    assert difference(frame, before) is None


DTYPES = st.sampled_from(
    ["int64", "uint8", "float64", "bool", "Int32", "boolean", "category", "str", "object", "datetime64[ns]", "datetime64[us, UTC]"]
)
CELLS = {
    "int64": st.integers(-(1 << 63), (1 << 63) - 1),
    "uint8": st.integers(0, 255),
    "float64": st.floats(),
    "bool": st.booleans(),
    "Int32": st.none() | st.integers(-(1 << 31), (1 << 31) - 1),
    "boolean": st.none() | st.booleans(),
    "category": st.none() | st.sampled_from("abc"),
    "str": st.none() | st.text(max_size=3),
    "object": st.none()
    | st.integers()
    | st.text(st.characters(exclude_categories=()), max_size=2)
    | st.lists(st.floats(), max_size=2)
    | st.floats(),
    "datetime64[ns]": st.none() | st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1)),
    "datetime64[us, UTC]": st.none() | st.datetimes(timezones=st.just(dt.timezone.utc)),
}


@st.composite
def frames(draw):
    rows = draw(st.integers(0, 4))
    names = draw(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=3) | st.integers(-5, 5), unique=True, max_size=4))
    columns = []
    for _ in names:
        dtype = draw(DTYPES)
        cells = draw(st.lists(CELLS[dtype], min_size=rows, max_size=rows))
        columns.append(pd.Series(cells, dtype=dtype, index=range(rows)))
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=range(rows))
    frame.columns = names
    index = draw(
        st.none()
        | st.lists(st.integers(-3, 3) | st.text(st.characters(exclude_categories=("Cs",)), max_size=2), min_size=rows, max_size=rows)
    )
    if index is not None:
        frame.index = index
    return frame


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(frames())
def test_any_frame_comes_back(tmp_path_factory, frame):
    base = str(tmp_path_factory.getbasetemp())
    back = materialize.read(materialize.write(frame, base, "any"), base)
    assert difference(frame, back) is None
