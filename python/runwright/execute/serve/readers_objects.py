"""Readers of values that have members or come from libraries: dataclasses, TypedDicts, named tuples, pydantic models, arrays, tables."""

from __future__ import annotations

from .readers import Mismatch, Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Members(Reader):
    """An object with named members, each of its type: a dataclass, a TypedDict, a named tuple."""

    def __init__(self, cls: Any, members: dict[str, Reader], required: set[str]) -> None:
        self._cls = cls
        self._members = members
        self._required = required
        self.expected = f"{cls.__name__} (an object of {', '.join(members)})" if members else cls.__name__
        properties = {name: reader.schema for name, reader in members.items()}
        self.schema = {"type": "object", "title": cls.__name__, "properties": properties, "required": sorted(required)}

    def read(self, value: Any) -> Any:
        if not isinstance(value, dict):
            raise Mismatch(value, self.expected)
        for name in value:
            if name not in self._members:
                raise Mismatch(value[name], f"no member of that name: {self._cls.__name__} has {', '.join(self._members)}", f".{name}")
        found = {}
        for name, reader in self._members.items():
            if name in value:
                try:
                    found[name] = reader.read(value[name])
                except Mismatch as error:
                    raise error.below(f".{name}") from None
            elif name in self._required:
                raise Mismatch(value, f"{reader.expected}, which is missing", f".{name}")
        try:
            return self._cls(**found)
        except (TypeError, ValueError) as error:  # its own checks
            raise Mismatch(value, f"{self._cls.__name__}: {error}") from None


class Model(Reader):
    """A pydantic model, which reads and checks for itself."""

    def __init__(self, cls: Any) -> None:
        self._cls = cls
        self.expected = cls.__name__
        try:
            schema = cls.model_json_schema() if hasattr(cls, "model_json_schema") else cls.schema()
        except Exception:
            schema = {}
        # References inside it are to its own definitions, which an enclosing schema does not have at that place.
        self.schema = schema if "$defs" not in schema and "definitions" not in schema else {"type": "object", "title": cls.__name__}

    def read(self, value: Any) -> Any:
        try:
            return self._cls.model_validate(value) if hasattr(self._cls, "model_validate") else self._cls.parse_obj(value)
        except Exception as error:
            found = error.errors() if callable(getattr(error, "errors", None)) else []  # type: ignore[attr-defined]
            if not found:
                raise Mismatch(value, f"{self.expected}: {error}") from None
            place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in found[0]["loc"])
            raise Mismatch(found[0].get("input", value), f"{self.expected}: {found[0]['msg']}", place) from None


class Array(Reader):
    """A numpy array, sent as a list (of lists) of numbers, texts or booleans."""

    expected = "a list (of lists of equal length) for a numpy.ndarray"
    schema = {"type": "array"}  # noqa: RUF012

    def read(self, value: Any) -> Any:
        import numpy

        if isinstance(value, list):
            try:
                array = numpy.array(value)
            except ValueError:  # lists of unequal length
                array = None
            if array is not None and array.dtype.kind in "biufU":
                return array
        raise Mismatch(value, self.expected)


class Table(Reader):
    """A pandas DataFrame: a list of one object a row, or an object of one list a column."""

    expected = "a list of one object a row, or an object of one list a column, for a pandas.DataFrame"
    schema = {  # noqa: RUF012
        "anyOf": [{"type": "array", "items": {"type": "object"}}, {"type": "object", "additionalProperties": {"type": "array"}}]
    }

    def read(self, value: Any) -> Any:
        import pandas

        rows = isinstance(value, list) and all(isinstance(row, dict) for row in value)
        columns = isinstance(value, dict) and all(isinstance(column, list) for column in value.values())
        if rows or columns:
            try:
                return pandas.DataFrame(value)
            except ValueError:  # columns of unequal length
                pass
        raise Mismatch(value, self.expected)


class Column(Reader):
    """A pandas Series, sent as a list."""

    expected = "a list for a pandas.Series"
    schema = {"type": "array"}  # noqa: RUF012

    def read(self, value: Any) -> Any:
        import pandas

        if isinstance(value, list):
            return pandas.Series(value)
        raise Mismatch(value, self.expected)
