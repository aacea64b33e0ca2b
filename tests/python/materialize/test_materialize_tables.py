"""polars and pyarrow tables, and reading any table as a frame of any library."""

from __future__ import annotations

import datetime as dt
import decimal

import pytest

from runwright import materialize

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")
pd = pytest.importorskip("pandas")

from polars.testing import assert_frame_equal, assert_series_equal  # noqa: E402

OLD = tuple(map(int, pl.__version__.split(".")[:2])) < (1, 20)

POLARS = {
    "plain": pl.DataFrame({"i": [1, None], "f": [0.5, float("nan")], "s": ["ä", None], "b": [True, None]}),
    "empty": pl.DataFrame(),
    "no rows": pl.DataFrame(schema={"a": pl.Int8, "c": pl.Categorical, "l": pl.List(pl.String)}),
    "categorical": pl.DataFrame({"c": ["b", "a", None]}, schema={"c": pl.Categorical}),
    "enum": pl.DataFrame({"e": ["b", None]}, schema={"e": pl.Enum(["z", "b", "a"])}),
    "times": pl.DataFrame(
        {
            "us": [dt.datetime(2024, 1, 1)],
            "d": [dt.date(2024, 1, 1)],
            "t": [dt.time(1, 2, 3)],
            "td": [dt.timedelta(seconds=1)],
        }
    ).with_columns(
        ms=pl.col("us").dt.cast_time_unit("ms"),
        ns=pl.col("us").dt.cast_time_unit("ns"),
        z=pl.col("us").dt.replace_time_zone("Europe/Berlin"),
    ),
    "nested": pl.DataFrame({"l": [[1, None], []], "s": [{"a": 1, "b": "x"}, {"a": None, "b": None}]}),
    "array": pl.DataFrame({"a": [[1.0, 2.0], None]}, schema={"a": pl.Array(pl.Float32, 2)}),
    "decimal": pl.DataFrame({"d": [decimal.Decimal("1.50"), None]}, schema={"d": pl.Decimal(20, 2)}),
    "binary": pl.DataFrame({"b": [b"\x00", None]}),
    "null": pl.DataFrame({"n": [None, None]}),
    "widths": pl.DataFrame({"a": [1]}, schema={"a": pl.UInt64}).with_columns(b=pl.col("a").cast(pl.Int16), c=pl.col("a").cast(pl.Float32)),
}


@pytest.mark.parametrize("name", POLARS)
def test_polars_frames(roundtrip, name):
    frame = POLARS[name]
    descriptor, back = roundtrip(frame)
    # Older versions lose an Enum and an empty frame: pickled, then.
    form = "pickle" if name in ("enum", "empty") and OLD else "parquet"
    assert (descriptor["type"], descriptor["kind"], descriptor["format"], descriptor["of"]) == (
        "dataitem",
        "table",
        form,
        "polars.DataFrame",
    )
    assert back.schema == frame.schema
    assert_frame_equal(back, frame)
    assert descriptor["rows"] == frame.height and list(descriptor["schema"]) == frame.columns


def test_polars_frames_that_parquet_cannot_hold(roundtrip):
    frame = pl.DataFrame({"o": [object()]}, schema={"o": pl.Object})
    try:
        descriptor, _ = roundtrip(frame)
    except materialize.MaterializeFailed as error:
        assert "polars" in error.message
    else:
        assert descriptor["format"] == "pickle"


def test_polars_series(roundtrip, tmp_path):
    series = pl.Series("größe", ["a", None], dtype=pl.Enum(["b", "a"]))
    descriptor, back = roundtrip(series)
    assert_series_equal(back, series)
    assert materialize.as_df(descriptor, str(tmp_path), "polars").columns == ["größe"]
    assert_series_equal(roundtrip(pl.Series([1]), "outputs/y")[1], pl.Series([1]))


def test_polars_lazy_frames_are_computed_once_and_read_back_lazily(roundtrip):
    calls = []
    lazy = pl.LazyFrame({"a": range(10)}).map_batches(lambda frame: calls.append(1) or frame).filter(pl.col("a") > 2)
    descriptor, back = roundtrip(lazy)
    assert len(calls) == 1
    assert isinstance(back, pl.LazyFrame) and back.collect()["a"].to_list() == list(range(3, 10))
    assert (descriptor["rows"], descriptor["schema"], descriptor["preview"]["rows"][0]) == (7, {"a": "Int64"}, [3])


def test_a_polars_query_that_fails(fails):
    assert "the query fails" in fails(pl.LazyFrame({"a": [1]}).select("b")).message


def test_pyarrow_tables(roundtrip):
    table = pa.table(
        {
            "a": pa.array([1, None], pa.int8()),
            "d": pa.array(["x", "y"]).dictionary_encode(),
            "t": pa.array([1, 2], pa.timestamp("ns", "UTC")),
        }
    )
    table = table.replace_schema_metadata({"k": "v"})
    descriptor, back = roundtrip(table)
    assert (descriptor["of"], descriptor["format"]) == ("pyarrow.Table", "parquet")
    assert back.equals(table, check_metadata=True)
    assert descriptor["schema"]["a"] == "int8" and descriptor["preview"]["rows"][0][:2] == [1, "x"]


@pytest.mark.parametrize(
    "column",
    [pa.array([1], pa.timestamp("s")), pa.array([1], pa.date64()), pa.nulls(2), pa.array(pd.Series([1.5], dtype="float16"))],
    ids=str,
)
def test_pyarrow_types_that_parquet_lacks(roundtrip, column):
    table = pa.table({"a": column})
    _, back = roundtrip(table)
    assert back.equals(table) and back.schema == table.schema


def test_paths_with_patterns_and_partitions(tmp_path):
    base = tmp_path / "a=1" / "[x]*"
    for value in (pl.DataFrame({"b": [1]}), pd.DataFrame({"b": [1]}), pa.table({"b": [1]}), pl.LazyFrame({"b": [1]})):
        descriptor = materialize.write(value, str(base), "o")
        for engine in ("pandas", "polars", "pyarrow"):
            assert materialize.as_df(descriptor, str(base), engine).shape == (1, 1)
        back = materialize.read(descriptor, str(base))
        assert (back.collect() if isinstance(back, pl.LazyFrame) else back).shape == (1, 1)


TABLES = [
    pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
    pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=["k", "l"]),
    pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
    pl.LazyFrame({"a": [1, 2], "b": ["x", "y"]}),
    pa.table({"a": [1, 2], "b": ["x", "y"]}),
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: type(table).__module__)
def test_any_table_as_any_frame(tmp_path, table):
    descriptor = materialize.write(table, str(tmp_path), "o")
    frame = materialize.as_df(descriptor, str(tmp_path))
    assert type(frame) is pd.DataFrame and list(frame["a"]) == [1, 2]
    frame = materialize.as_df(descriptor, str(tmp_path), engine="polars")
    assert type(frame) is pl.DataFrame and frame.to_dict(as_series=False) == {"a": [1, 2], "b": ["x", "y"]}
    frame = materialize.as_df(descriptor, str(tmp_path), engine="pyarrow")
    assert type(frame) is pa.Table and frame.column("b").to_pylist() == ["x", "y"]


@pytest.mark.parametrize("engine", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "a,b\n1,x\n2,y\n"),
        ("a.jsonl", '{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n'),
        ("b.ndjson", '{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n'),
        ("lines.json", '{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n'),
        ("list.json", ' [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]'),
    ],
)
def test_text_tables(tmp_path, engine, name, text):
    (tmp_path / name).write_text(text)
    frame = materialize.as_df({"path": name}, str(tmp_path), engine)
    assert frame.shape == (2, 2)
    assert list(frame["b"].to_list() if engine == "polars" else frame["b"].tolist() if engine == "pandas" else frame["b"].to_pylist()) == [
        "x",
        "y",
    ]


def test_text_tables_as_values(tmp_path):
    (tmp_path / "a.csv").write_text("a\n1\n")
    (tmp_path / "a.json").write_text('[{"a": 1}]')
    assert materialize.read({"path": "a.csv"}, str(tmp_path)).shape == (1, 1)
    assert materialize.read({"path": "a.json", "type": "dataitem", "kind": "table"}, str(tmp_path)).shape == (1, 1)
    assert materialize.read({"path": "a.json", "type": "artifact"}, str(tmp_path)) == [{"a": 1}]


def test_a_parquet_file_from_elsewhere(tmp_path):
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "a.parquet")
    assert type(materialize.read({"path": "a.parquet"}, str(tmp_path))) is pd.DataFrame


def test_a_converted_pickled_table(tmp_path):
    descriptor = materialize.write(pd.DataFrame([[1, 2]], columns=["a", "a"]), str(tmp_path), "o")
    assert materialize.as_df(descriptor, str(tmp_path)).shape == (1, 2)
    descriptor = materialize.write(pd.DataFrame({"c": [1 + 2j]}), str(tmp_path), "p")
    with pytest.raises(materialize.MaterializeFailed, match="p/data"):
        materialize.as_df(descriptor, str(tmp_path), "pyarrow")


def test_what_is_no_table(tmp_path, monkeypatch):
    descriptor = materialize.write(b"abc", str(tmp_path), "o")
    with pytest.raises(materialize.MaterializeFailed, match="'bin' is not a table"):
        materialize.as_df(descriptor, str(tmp_path))
    with pytest.raises(materialize.MaterializeFailed, match="no engine 'spark'"):
        materialize.as_df(descriptor, str(tmp_path), "spark")
    whole = (tmp_path / materialize.write(pa.table({"a": [1, 2]}), str(tmp_path), "t")["path"]).read_bytes()
    for damaged in (b"PAR1 not really", whole[:-60] + b"\x00" * 50 + whole[-10:], whole[: len(whole) // 2]):
        (tmp_path / "a.parquet").write_bytes(damaged)
        for engine in ("pandas", "polars", "pyarrow"):
            with pytest.raises(materialize.MaterializeFailed, match=r"a\.parquet"):
                materialize.as_df({"path": "a.parquet"}, str(tmp_path), engine)
        with pytest.raises(materialize.MaterializeFailed, match=r"a\.parquet: cannot be read as parquet"):
            materialize.read({"path": "a.parquet"}, str(tmp_path))
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(materialize.MaterializeFailed, match=r"a\.parquet"):
        materialize.as_df({"path": "a.parquet"}, str(tmp_path))
    import sys

    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(materialize.MaterializeFailed, match="polars, which is not installed"):
        materialize.as_df({"path": "a.parquet"}, str(tmp_path), "polars")
