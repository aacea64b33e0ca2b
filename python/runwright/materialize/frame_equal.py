"""Whether a pandas frame is the same as another: types, index, frequency, every cell, and the class of every object."""

from __future__ import annotations

import warnings

from .base import need, type_name
from .errors import first_line

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any


def difference(left: Any, right: Any) -> str | None:
    """What differs between two frames or two series, or None."""
    if type(left) is not type(right):
        return f"it would become a {type_name(right)}"
    if left.attrs != right.attrs:
        return "attrs differ"
    if not hasattr(left, "columns"):
        if not same(left.name, right.name):
            return "its name differs"
        left, right = left.to_frame("value"), right.to_frame("value")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shown = _without_objects(left), _without_objects(right)
            need("pandas.testing", "comparing tables").assert_frame_equal(*shown, check_exact=True)
    except AssertionError as error:
        return " ".join(str(error).split())[:200]
    except Exception as error:
        return first_line(error)
    pairs = [(left.iloc[:, i], right.iloc[:, i]) for i in range(left.shape[1])]
    for axis, other in ((left.index, right.index), (left.columns, right.columns)):
        pairs += [(axis.get_level_values(level), other.get_level_values(level)) for level in range(axis.nlevels)]
    return next(filter(None, (_objects(one, other) for one, other in pairs)), None)


def _without_objects(frame: Any) -> Any:
    """The frame with True in all columns of objects: pandas takes None for NaN there, 1 for True, a list for an array."""
    shown = frame.copy(deep=False)
    for position, dtype in enumerate(frame.dtypes):
        if str(dtype) == "object":
            shown.isetitem(position, [True] * len(frame))
    return shown


def _objects(left: Any, right: Any) -> str | None:
    """What differs between two columns or levels of objects, or the categories of two that have objects for categories."""
    if getattr(left.dtype, "categories", None) is not None:
        left, right = left.dtype.categories, right.dtype.categories
    if str(left.dtype) != str(right.dtype):
        return f"{left.dtype} would become {right.dtype}"
    if str(left.dtype) != "object":
        return None
    for one, other in zip(left, right):  # noqa: B905 (no strict in 3.9; the lengths are equal)
        if not same(one, other):
            return f"{_shown(one)} would become {_shown(other)}"
    return None


def _shown(value: Any) -> str:
    try:
        return f"{type_name(value)} {str(value)[:40]!r}"
    except Exception:  # a class whose __str__ fails
        return type_name(value)


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
        if not bool(one == other):
            return is_nan(one) and is_nan(other)
        if isinstance(one, (set, frozenset)):
            return sorted(map(repr, one)) == sorted(map(repr, other))
        # By text too: Decimal("1.0") equals Decimal("1.00") and 0.0 equals -0.0.
        return type(one) in (int, str, bytes) or str(one) == str(other)
    except Exception:  # a class that cannot be compared
        return False


def is_nan(value: Any) -> bool:
    """Whether it is not even equal to itself: float, Decimal or numpy NaN, NaT."""
    return bool(value != value)  # noqa: PLR0124
