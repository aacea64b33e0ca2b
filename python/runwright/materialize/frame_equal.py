"""Whether a pandas frame is the same as another: types, index, frequency, every cell, and the class of every object."""

from __future__ import annotations

import warnings

from .base import need, type_name
from .errors import first_line

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any


def difference(left: Any, right: Any) -> str | None:
    """What differs between two frames or series, or None."""
    testing = need("pandas.testing", "comparing tables")
    check = testing.assert_frame_equal if hasattr(left, "columns") else testing.assert_series_equal
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check(left, right, check_exact=True)
    except AssertionError as error:
        return " ".join(str(error).split())[:200]
    except Exception as error:
        return first_line(error)
    if left.attrs != right.attrs:
        return "attrs differ"
    axes = [(left.index, right.index)]
    if hasattr(left, "columns"):
        axes.append((left.columns, right.columns))
        columns = [(left.iloc[:, i], right.iloc[:, i]) for i in range(left.shape[1])]
    else:
        columns = [(left, right)]
    for axis, other in axes:
        for level in range(axis.nlevels):
            columns.append((axis.get_level_values(level), other.get_level_values(level)))
    for one, other in columns:
        why = _objects(one, other)
        if why:
            return why
    return None


def _objects(left: Any, right: Any) -> str | None:
    """`assert_frame_equal` takes None for NaN, 1 for True and a list for an array; those that hold objects are told apart here."""
    if isinstance(getattr(left.dtype, "categories", None), type(None)):
        if left.dtype != object:
            return None
    else:
        left, right = left.dtype.categories, right.dtype.categories
    for one, other in zip(left, right):  # noqa: B905 (no strict in 3.9; the lengths are equal)
        if not same(one, other):
            return f"{type_name(one)} {str(one)[:40]!r} would become {type_name(other)} {str(other)[:40]!r}"
    return None


def same(one: Any, other: Any) -> bool:
    """Equal and of the same classes, all the way down; NaN is the same as NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other))  # noqa: B905
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if hasattr(one, "dtype") and hasattr(one, "tolist"):
        return bool(one.dtype == other.dtype) and same(one.tolist(), other.tolist())
    return one is other or _equal(one, other)


def _equal(one: Any, other: Any) -> bool:
    try:
        if bool(one == other):
            # By text too: Decimal("1.0") equals Decimal("1.00") and 0.0 equals -0.0.
            return type(one) in (int, str, bytes) or str(one) == str(other)
        return is_nan(one) and is_nan(other)
    except Exception:  # a class that cannot be compared
        return False


def is_nan(value: Any) -> bool:
    """Whether it is not even equal to itself: float, Decimal or numpy NaN, NaT."""
    return bool(value != value)  # noqa: PLR0124
