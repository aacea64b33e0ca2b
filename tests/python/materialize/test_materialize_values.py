"""Plain values come back exactly, as JSON that any other reader can parse."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import enum
import json
import math
import uuid
import zoneinfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runwright import materialize
from runwright.materialize import values
from runwright.materialize.frame_equal import same

PARIS = zoneinfo.ZoneInfo("Europe/Paris")

EXACT = [
    None,
    True,
    0,
    -(1 << 63),
    (1 << 63) - 1,
    1 << 63,
    -(1 << 200),
    10**5000,
    0.1,
    -0.0,
    5e-324,
    math.inf,
    -math.inf,
    math.nan,
    1 + 2j,
    complex(math.nan, -0.0),
    "",
    "größe 🎉\x00\r\n",
    "\ud800 lone",
    (),
    (1, (2, [3, (4,)])),
    [1, [2, {"a": (3,)}]],
    {"a": {"b": [None, False]}},
    {1: "a", "1": "b", None: "c", (1, 2): "d", 2.5: "e", True if False else "x": 1},
    {"$tuple": [1]},
    {"$": 1},
    {"$unknown": {"$x": 1}},
    {"\ud800": 1},
    {1, 2, "a"},
    frozenset({(1, 2), (3,)}),
    {"nested": b"\x00\xff", "array": bytearray(b"x")},
    dt.datetime(2024, 2, 29, 1, 2, 3, 4),
    dt.datetime(2024, 10, 27, 2, 30, tzinfo=PARIS, fold=1),
    dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc),
    dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))),
    dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(seconds=-3601, microseconds=5))),
    dt.date(1, 1, 1),
    dt.time(23, 59, 59, 999999, fold=1),
    dt.timedelta(days=-1, microseconds=7),
    decimal.Decimal("1.00"),
    decimal.Decimal("-0E-10"),
    decimal.Decimal("sNaN123"),
    uuid.UUID(int=7),
]


@pytest.mark.parametrize("value", EXACT, ids=lambda value: repr(value)[:30] if not isinstance(value, int) else hex(value)[:20])
def test_comes_back_exactly(roundtrip, value):
    descriptor, back = roundtrip(value)
    assert descriptor["type"] == "value" and descriptor["kind"] == "json"
    assert same(back, value) or str(back) == str(value) == "sNaN123"


@pytest.mark.parametrize("value", [dt.datetime(2024, 10, 27, 2, 30, tzinfo=PARIS, fold=1), dt.time(1, fold=1)])
def test_fold_and_zone_are_kept(roundtrip, value):
    _, back = roundtrip(value)
    assert back.fold == 1 and back.tzinfo == value.tzinfo and type(back.tzinfo) is type(value.tzinfo)


def test_plain_values_are_plain_in_the_record(roundtrip):
    descriptor, _ = roundtrip({"accuracy": 0.9, "classes": ["a", "b"]})
    assert descriptor == {
        "type": "value",
        "kind": "json",
        "format": "json",
        "value": {"accuracy": 0.9, "classes": ["a", "b"]},
        "of": "dict",
    }


def test_an_order_of_a_set_does_not_show():
    assert values.encode({"b", "a", "c"})[0] == values.encode({"c", "b", "a"})[0] == {"$set": ["a", "b", "c"]}


def test_numpy_scalars_become_python_values(roundtrip):
    numpy = pytest.importorskip("numpy")
    for value, expected in [
        (numpy.float64(0.5), 0.5),
        (numpy.float32(0.5), 0.5),
        (numpy.int8(3), 3),
        (numpy.uint64(2**64 - 1), 2**64 - 1),
        (numpy.bool_(True), True),
        (numpy.str_("a"), "a"),
        (numpy.float64("nan"), math.nan),
    ]:
        descriptor, back = roundtrip(value)
        assert descriptor["type"] == "value"
        assert same(back, expected)
    descriptor, back = roundtrip({"accuracy": numpy.float64(0.25), "n": [numpy.int64(1)]})
    assert descriptor["type"] == "value" and same(back, {"accuracy": 0.25, "n": [1]})


def test_up_to_64_kib_is_inline_and_above_is_a_file(roundtrip):
    inline, _ = roundtrip(["x" * (64 * 1024 - 4)])
    assert inline["type"] == "value"
    value = {"rows": [["x" * 100, 0.5]] * 1000}
    descriptor, back = roundtrip(value)
    assert (descriptor["type"], descriptor["kind"], descriptor["format"]) == ("artifact", "json", "json")
    assert descriptor["path"] == "outputs/x/data.json" and back == value


def test_a_large_tagged_value_says_so(roundtrip, tmp_path):
    value = tuple({i} for i in range(10_000))
    descriptor, back = roundtrip(value)
    assert descriptor["format"] == "tagged" and back == value
    json.loads((tmp_path / descriptor["path"]).read_bytes())


def test_deep_values_are_files_for_other_readers_give_up_at_128_levels(roundtrip):
    def deep(levels):
        value = []
        for _ in range(levels):
            value = [value]
        return value

    assert roundtrip(deep(60))[0]["type"] == "value"
    assert roundtrip(deep(80))[0]["kind"] == "json"
    descriptor, back = roundtrip(deep(150))
    assert descriptor["kind"] == "pickle" and back == deep(150)
    tagged = roundtrip(((((((((((1,),),),),),),),),),), "outputs/y")[0]
    assert tagged["type"] == "value"


def test_a_value_that_holds_itself_is_pickled(roundtrip):
    value = [1]
    value.append(value)
    descriptor, back = roundtrip(value)
    assert descriptor["kind"] == "pickle" and "holds itself" in descriptor["note"]
    assert back[1] is back


class Colour(enum.IntEnum):
    RED = 1


Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    "value",
    [
        Colour.RED,
        Point(1, 2),
        {"p": Point(1, 2)},
        collections.OrderedDict(a=1),
        collections.Counter("aab"),
        dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1), "CET")),
    ],
    ids=repr,
)
def test_subclasses_do_not_become_their_base(roundtrip, value):
    descriptor, back = roundtrip(value)
    assert descriptor["kind"] == "pickle" and descriptor["note"].startswith("pickled: ")
    assert same(back, value)


def test_an_unknown_tag_is_not_taken_for_a_value(tmp_path):
    descriptor = {"type": "value", "kind": "json", "format": "tagged", "value": {"$future": 1}}
    with pytest.raises(materialize.MaterializeFailed, match="newer version"):
        materialize.read(descriptor, str(tmp_path))


def test_an_unknown_time_zone_is_told(tmp_path):
    descriptor = {"type": "value", "format": "tagged", "value": {"$datetime": ["2024-01-01T00:00:00", "Mars/Base", 0]}}
    with pytest.raises(materialize.MaterializeFailed, match="Mars/Base"):
        materialize.read(descriptor, str(tmp_path))


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.binary()
    | st.complex_numbers()
    | st.decimals(allow_nan=False)
    | st.dates()
    | st.timedeltas()
    | st.datetimes(timezones=st.none() | st.just(dt.timezone.utc) | st.timezones())
)
HASHABLE = st.recursive(SCALARS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4)
ANY = st.recursive(
    HASHABLE,
    lambda inner: (
        st.lists(inner, max_size=4) | st.tuples(inner) | st.sets(HASHABLE, max_size=3) | st.dictionaries(HASHABLE, inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(ANY)
def test_any_plain_value_comes_back(value):
    plain, tagged, _ = values.encode(value)
    text = json.dumps(plain, allow_nan=False, ensure_ascii=False)
    text.encode()  # no lone surrogate
    back = values.decode(json.loads(text)) if tagged else json.loads(text)
    assert alike(back, value)


def alike(one, other):
    """`same`, and for sets and keys (whose NaN are not found again) by what they are written as."""
    if type(one) is not type(other):
        return False
    return same(one, other) or values.encode(one)[0] == values.encode(other)[0]
