"""Values on their way in (annotations) and out (JSON), each type by itself."""

from __future__ import annotations

import builtins
import dataclasses
import datetime
import decimal
import enum
import functools
import json
import typing
import uuid
from typing import Any, NamedTuple, TypedDict

import numpy
import pandas
import pytest

from runwright.execute.serve import hints, jsonable, readers


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Item:
    name: str
    price: float
    tags: list[str] = dataclasses.field(default_factory=list)


class Node(TypedDict):
    value: int
    below: list[Node]


class Place(TypedDict):
    x: int
    y: int


class Point(NamedTuple):
    x: float
    y: float = 0.5


_MODULES = {"datetime": datetime, "decimal": decimal, "functools": functools, "numpy": numpy, "pandas": pandas, "uuid": uuid}
_NAMES = {**vars(builtins), **vars(typing), **globals(), **_MODULES}


@pytest.mark.parametrize(
    ("type_", "sent", "got", "wrong", "expected"),
    [
        ("int", 1 << 70, repr(1 << 70), "1", "int"),
        ("float", 1, "1.0", True, "float"),
        ("str", "é\n", repr("é\n"), 1, "str"),
        ("bytes", "YWI=", "b'ab'", "a!", "bytes"),
        ("None", None, "None", 0, "null"),
        ("List[int]", [1], "[1]", {"a": 1}, "list[int]"),
        ("list", [1, "a"], "[1, 'a']", "ab", "list"),
        ("Set[int]", [1, 1], "{1}", [[1]], "int"),
        ("Tuple[int, str]", [1, "a"], "(1, 'a')", [1], "tuple[int, str]"),
        ("Tuple[int, ...]", [1, 2], "(1, 2)", ["a"], "int"),
        ("Dict[str, int]", {"a": 1}, "{'a': 1}", {"a": "1"}, "int"),
        ("Dict[int, int]", {"7": 1}, "{7: 1}", {"a": 1}, "int as a key"),
        ("Sequence[float]", [1], "[1.0]", [None], "float"),
        ("Literal['a', 1]", 1, "1", True, 'one of "a", 1'),
        ("Union[int, str]", "x", "'x'", 1.5, "int | str"),
        ("Optional[Dict[str, List[int]]]", {"a": [1]}, "{'a': [1]}", {"a": ["x"]}, "int"),
        ("Colour", "red", "<Colour.RED: 'red'>", "green", 'one of "red", "blue"'),
        ("datetime.datetime", "2024-01-02T03:04:05Z", None, "yesterday", "a date and time"),
        ("datetime.date", "2024-01-02", "datetime.date(2024, 1, 2)", 5, "a date"),
        ("datetime.timedelta", 90, "datetime.timedelta(seconds=90)", "x", "a number of seconds"),
        ("decimal.Decimal", "1.10", "Decimal('1.10')", "x", "a number"),
        ("uuid.UUID", "00000000-0000-0000-0000-000000000001", None, "x", "a UUID"),
        ("Item", {"name": "a", "price": 1}, "Item(name='a', price=1.0, tags=[])", {"name": "a"}, "float, which is missing"),
        ("List[Item]", [{"name": "a", "price": 1}], None, [{"name": "a", "price": "b"}], "float"),
        ("Place", {"x": 1, "y": 2}, "{'x': 1, 'y': 2}", {"x": 1, "y": 2, "z": 3}, "no member of that name"),
        ("Point", {"x": 1}, "Point(x=1.0, y=0.5)", [1], "Point"),
        ("numpy.ndarray", [[1, 2], [3, 4]], "array([[1, 2],\n       [3, 4]])", [[1, 2], [3]], "a list"),
        ("pandas.DataFrame", [{"a": 1}], "   a\n0  1", [1], "a list of one object a row"),
        ("pandas.Series", [1.5], None, "x", "a list for a pandas.Series"),
        ("'List[int]'", [1], "[1]", "x", "list[int]"),
        ("'no_such_name'", [1], "[1]", None, None),
        ("Annotated[int, 'x']", 1, "1", "x", "int"),
        ("NewType('Id', int)", 1, "1", "x", "int"),
        ("object", {"a": 1}, "{'a': 1}", None, None),
        ("Callable", 1, "1", None, None),
        ("Node", {"value": 1, "below": [{"value": 2, "below": []}]}, None, {"value": 1, "below": 3}, "list"),
        ("Item | None", None, "None", {"name": 1, "price": 1}, "str"),
    ],
)
def test_each_annotation_takes_its_values_only(type_: str, sent: Any, got: str | None, wrong: Any, expected: str | None) -> None:
    reader = hints.reader_of(eval(type_, _NAMES), _NAMES)
    value = reader.read(sent)
    if got is not None:
        assert repr(value) == got
    if expected is not None:
        with pytest.raises(readers.Mismatch) as refused:
            reader.read(wrong)
        assert refused.value.expected.startswith(expected)
    json.dumps(reader.schema)


@pytest.mark.parametrize(
    ("expression", "json_"),
    [
        ("None", None),
        ("'text'", "text"),
        ("numpy.float32(1.5)", 1.5),
        ("numpy.int64(3)", 3),
        ("numpy.bool_(True)", True),
        ("numpy.array([[1, 2], [3, 4]])", [[1, 2], [3, 4]]),
        ("numpy.array(['2024-01-02'], dtype='datetime64[D]')", ["2024-01-02"]),
        ("{'a': numpy.float64('nan'), 'b': [float('inf'), 1.0]}", {"a": None, "b": [None, 1.0]}),
        (
            "{1: 'a', None: 'b', True: 'c', numpy.int64(5): 'd', datetime.date(2024, 1, 2): 'e'}",
            {"1": "c", "null": "b", "5": "d", "2024-01-02": "e"},
        ),
        ("pandas.DataFrame({'a': [1, 2], 'b': ['x', None]})", [{"a": 1, "b": "x"}, {"a": 2, "b": None}]),
        ("pandas.Series([1, 2])", [1, 2]),
        ("pandas.Series([1, 2], index=['a', 'b'])", {"a": 1, "b": 2}),
        ("pandas.Series([pandas.Timestamp('2024-01-02'), pandas.NaT])", ["2024-01-02T00:00:00", None]),
        ("[pandas.NA, pandas.Index([1, 2])]", [None, [1, 2]]),
        ("(1, {2}, frozenset([3]), range(2), {4: 5}.keys())", [1, [2], [3], [0, 1], [4]]),
        ("[datetime.datetime(2024, 1, 2, 3, 4, 5), datetime.timedelta(minutes=1)]", ["2024-01-02T03:04:05", 60.0]),
        ("[decimal.Decimal('1.10'), uuid.UUID(int=1), Colour.RED, b'ab']", ["1.10", "00000000-0000-0000-0000-000000000001", "red", "YWI="]),
        ("Item('a', 1.5)", {"name": "a", "price": 1.5, "tags": []}),
        ("Point(1.0)", [1.0, 0.5]),
        ("'\\ud800'", "\ud800"),
        ("10 ** 30", 10**30),
    ],
)
def test_what_is_returned_becomes_json_that_any_client_reads(expression: str, json_: Any) -> None:
    assert json.loads(jsonable.dump(eval(expression, _NAMES)), parse_constant=pytest.fail) == json_


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("object()", "it is a value of type object, which is not JSON"),
        ("{'a': [1, {'b': len}]}", "at ['a'][1]['b'] there is a value of type builtin_function_or_method"),
        ("{(1, 2): 3}", "a key that is a tuple"),
        ("1j", "complex"),
        ("(lambda found: found.append(found) or found)([])", "holds itself"),
        ("__import__('functools').reduce(lambda inner, _: [inner], range(3000), 1)", "nested too deep"),
    ],
)
def test_what_is_not_json_is_named_with_its_place(expression: str, words: str) -> None:
    with pytest.raises(jsonable.Unserialisable) as refused:
        jsonable.dump(eval(expression, _NAMES))
    assert words in str(refused.value)
