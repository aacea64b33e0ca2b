"""From what a client sent to what a parameter's annotation says. One reader a type; `hints.py` chooses.

JSON is taken as it is: an int is not taken for a text, nor a text for an int; a whole number is a float, too, as in Python. Values from a
query or a form are texts, and are read as the type says.
"""

from __future__ import annotations

import base64
import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LONGEST = 80


class Mismatch(ValueError):
    """A value is not of its type.

    Attributes:
        where (str): its place below the parameter, e.g. `[3].price`; "" for the parameter itself.
        given (str): what was there, shortened. expected (str): what would be right.
    """

    def __init__(self, value: Any, expected: str, where: str = "") -> None:
        super().__init__(expected)
        self.given = shown(value)
        self.expected = expected
        self.where = where

    def below(self, step: str) -> Mismatch:
        """The same, one step further out."""
        self.where = f"{step}{self.where}"
        return self


def shown(value: Any) -> str:
    """A value as JSON, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


class Reader:
    """Any value, and the base of the others.

    Attributes:
        expected (str): the type for people. schema (dict): the type as JSON Schema.
    """

    expected = "any value"
    schema: dict[str, Any] = {}  # noqa: RUF012 - never changed

    def read(self, value: Any) -> Any:
        """The Python value. Raises Mismatch."""
        return value

    def text(self, text: str) -> Any:
        """The Python value of one text from a query or form: what reads as JSON is that. Raises Mismatch."""
        try:
            return self.read(json.loads(text))
        except Mismatch:
            raise Mismatch(text, self.expected) from None
        except (ValueError, RecursionError):
            return self.read(text)

    def texts(self, texts: list[Any]) -> Any:
        """The value of a name that came once or several times. Raises Mismatch."""
        if len(texts) > 1:
            raise Mismatch(texts, f"{self.expected}, once")
        return self.read(texts[0]) if isinstance(texts[0], bytes) else self.text(texts[0])


class Anything(Reader):
    """No annotation, or one that says nothing about JSON."""

    def texts(self, texts: list[Any]) -> Any:
        return [super(Anything, self).texts([one]) for one in texts] if len(texts) > 1 else super().texts(texts)


class Plain(Reader):
    """int, float, bool and None: exactly what JSON says."""

    def __init__(self, cls: type, expected: str, name: str) -> None:
        self._cls = cls
        self.expected = expected
        self.schema = {"type": name}

    def read(self, value: Any) -> Any:
        if type(value) is self._cls:
            return value
        if self._cls is float and type(value) is int:
            try:
                return float(value)
            except OverflowError:
                pass
        raise Mismatch(value, self.expected)

    def text(self, text: str) -> Any:
        word = text.strip()
        if self._cls is bool:
            word = word.lower()
            if word in ("true", "1", "false", "0"):
                return word in ("true", "1")
        elif self._cls in (int, float):
            try:
                return self._cls(word)
            except ValueError:
                pass
        elif word == "null":
            return None
        raise Mismatch(text, self.expected)


class Text(Reader):
    """str."""

    expected = "str"
    schema = {"type": "string"}  # noqa: RUF012

    def read(self, value: Any) -> Any:
        if type(value) is str:
            return value
        raise Mismatch(value, self.expected)

    def text(self, text: str) -> Any:
        return text


class Parsed(Reader):
    """What JSON says by a text in a given form: a date, a UUID, bytes as base64."""

    def __init__(self, parse: Any, expected: str, form: str, numbers: bool = False) -> None:
        """`numbers`: a number will do, too."""
        self._parse = parse
        self._numbers = numbers
        self.expected = expected
        self.schema = {"type": ["string", "number"] if numbers else "string", "format": form}

    def read(self, value: Any) -> Any:
        if isinstance(value, (bytes, str)) or (self._numbers and type(value) in (int, float)):
            try:
                return self._parse(value)
            except (ValueError, TypeError, ArithmeticError):
                pass
        raise Mismatch(value, self.expected)

    def text(self, text: str) -> Any:
        return self.read(text)


def unbase64(value: Any) -> bytes:
    """bytes of a base64 text; those of an uploaded file as they are. Raises ValueError."""
    return value if isinstance(value, bytes) else base64.b64decode(value, validate=True)


class Items(Reader):
    """A list, set, frozenset or tuple of one type."""

    def __init__(self, make: Any, item: Reader) -> None:
        self._make = make
        self._item = item
        name = {"tuple": f"tuple[{item.expected}, ...]"}.get(make.__name__, f"{make.__name__}[{item.expected}]")
        self.expected = "list" if make is list and type(item) is Anything else name
        self.schema = {"type": "array", "items": item.schema}

    def read(self, value: Any) -> Any:
        if not isinstance(value, list):
            raise Mismatch(value, self.expected)
        read, found = self._item.read, []
        try:
            for item in value:
                found.append(read(item))  # noqa: PERF401 - the place of what is wrong is wanted
        except Mismatch as error:
            raise error.below(f"[{len(found)}]") from None
        try:
            return found if self._make is list else self._make(found)
        except TypeError:
            raise Mismatch(value, f"{self.expected} whose items can be in a set") from None

    def texts(self, texts: list[Any]) -> Any:
        if len(texts) == 1 and isinstance(texts[0], str) and texts[0].lstrip().startswith("["):
            return self.text(texts[0])
        found = [self._item.texts([one]) for one in texts]
        return found if self._make is list else self._make(found)


class Fixed(Reader):
    """A tuple of so many items, each of its type."""

    def __init__(self, items: list[Reader]) -> None:
        self._items = items
        self.expected = f"tuple[{', '.join(item.expected for item in items)}]"
        self.schema = {"type": "array", "prefixItems": [item.schema for item in items], "minItems": len(items), "maxItems": len(items)}

    def read(self, value: Any) -> Any:
        if not isinstance(value, list) or len(value) != len(self._items):
            raise Mismatch(value, self.expected)
        return tuple(_step(reader, item, f"[{place}]") for place, (reader, item) in enumerate(zip(self._items, value)))  # noqa: B905 - Python 3.9


class Mapping(Reader):
    """A dict with keys of one type, read from their texts, and values of one type."""

    def __init__(self, key: Reader, value: Reader) -> None:
        self._key = key
        self._value = value
        plain = type(value) is Anything and isinstance(key, (Anything, Text))
        self.expected = "dict" if plain else f"dict[{'str' if isinstance(key, Anything) else key.expected}, {value.expected}]"
        self.schema = {"type": "object", "additionalProperties": value.schema}

    def read(self, value: Any) -> Any:
        if not isinstance(value, dict):
            raise Mismatch(value, self.expected)
        keyed = isinstance(self._key, (Anything, Text))
        found = {}
        for name, item in value.items():
            try:
                key = name if keyed else self._key.text(name)
            except Mismatch as error:
                raise Mismatch(name, f"{error.expected} as a key") from None
            found[key] = _step(self._value, item, f"[{shown(name)}]")
        return found


class Choice(Reader):
    """One of some values: a Literal, or an Enum by its members' values."""

    def __init__(self, choices: list[tuple[Any, Any]]) -> None:
        """`choices`: what is sent, and what the function gets."""
        self._choices = choices
        self.expected = f"one of {', '.join(shown(sent) for sent, _ in choices)}"
        self.schema = {"enum": [sent for sent, _ in choices]}

    def read(self, value: Any) -> Any:
        for sent, gets in self._choices:
            if sent == value and type(sent) is type(value):
                return gets
        raise Mismatch(value, self.expected)

    def text(self, text: str) -> Any:
        for sent, gets in self._choices:
            if text == (sent if isinstance(sent, str) else json.dumps(sent)):
                return gets
        raise Mismatch(text, self.expected)


class Either(Reader):
    """A union: the first member that takes the value."""

    def __init__(self, members: list[Reader]) -> None:
        self._members = members
        self.expected = " | ".join(member.expected for member in members)
        self.schema = {"anyOf": [member.schema for member in members]}

    def _first(self, way: str, value: Any) -> Any:
        errors = []
        for member in self._members:
            try:
                return getattr(member, way)(value)
            except Mismatch as error:
                errors.append(error)
        # The member that came furthest into the value says most.
        deepest = max(errors, key=lambda error: len(error.where))
        raise deepest if deepest.where else Mismatch(value, self.expected)

    def read(self, value: Any) -> Any:
        return self._first("read", value)

    def text(self, text: str) -> Any:
        return self._first("text", text)

    def texts(self, texts: list[Any]) -> Any:
        return self._first("texts", texts)


def _step(reader: Reader, value: Any, step: str) -> Any:
    try:
        return reader.read(value)
    except Mismatch as error:
        raise error.below(step) from None
