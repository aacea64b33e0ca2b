"""Values on their way into a run and back: what is plain JSON goes into the record, anything else into a file beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .exceptions import InvalidError, MaterializeError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN = (bool, str, type(None))


def is_plain(value: Any, depth: int = 0) -> bool:
    """Whether a value is JSON as it stands: exact types, finite floats, 64-bit integers, text keys that do not begin with `$`."""
    kind = type(value)
    if kind in _PLAIN:
        return kind is not str or value.isascii() or _is_utf8(value)
    if kind is int:
        return -(1 << 63) <= value < 1 << 63
    if kind is float:
        return bool(value - value == 0.0)
    if depth > 60:
        return False
    if kind is list:
        return all(is_plain(item, depth + 1) for item in value)
    if kind is dict:
        return all(type(key) is str and key[:1] != "$" and is_plain(key) and is_plain(item, depth + 1) for key, item in value.items())
    return False


def _is_utf8(text: str) -> bool:
    from .materialize.values import is_utf8

    return is_utf8(text)


class Arguments:
    """The arguments of one call as the engine takes them: `parameters` (JSON), `inputs` (anything else), if need be a staging folder."""

    def __init__(self) -> None:
        self.parameters: dict[str, Any] = {}
        self.inputs: dict[str, dict[str, Any]] = {}
        self.staging: str | None = None

    def add(self, name: str, value: Any) -> None:
        """Put an argument where it belongs.

        Raises:
            MaterializeError: the value cannot be written; nothing was created.
        """
        from .entities import Entity
        from .run import Output, Run

        if is_plain(value):
            self.parameters[name] = value
        elif isinstance(value, Entity):
            self.inputs[name] = {"from": "entity", "key": value.key, "as_entity": True}
        elif isinstance(value, Run):
            self.inputs[name] = {"from": "run", "run": value.id}
        elif isinstance(value, Output):
            self.inputs[name] = {"from": "run", "run": value.run.id, "output": value.name}
        else:
            self.stage(name, value)

    def add_input(self, name: str, value: Any) -> None:
        """An argument of the platform's `inputs`: a key means what it names.

        Raises:
            InvalidError: text that is no key.
            MaterializeError: as `add`.
        """
        if not isinstance(value, str):
            self.add(name, value)
            return
        if not value.startswith("store://"):
            raise InvalidError(
                f"inputs[{name!r}]={value!r} is not a key",
                field=f"inputs.{name}",
                value=value,
                cure="give a key (store://<project>/dataitem/table/<name>:<id>), an entity or a run; plain values belong into parameters=",
            )
        if "/run/" in value:
            self.inputs[name] = {"from": "run", "run": value.rsplit("/", 1)[-1]}
        else:
            self.inputs[name] = {"from": "entity", "key": value, "as_entity": True}

    def stage(self, name: str, value: Any) -> None:
        from . import materialize

        if self.staging is None:
            self.staging = _staging()
        try:
            descriptor = materialize.write(value, self.staging, f"inputs/{name}", name=name, role="argument")
        except materialize.MaterializeFailed as error:
            self.discard()
            raise MaterializeError(error.message, field=name, value=type(value).__name__, cure=error.cure) from error
        if descriptor["type"] == "value":
            self.parameters[name] = descriptor["value"]
        else:
            self.inputs[name] = {"from": "value", "descriptor": {**descriptor, "as": "value"}}

    def discard(self) -> None:
        """Remove what was staged: the call did not take place."""
        if self.staging is not None:
            import shutil

            shutil.rmtree(self.staging, ignore_errors=True)
            self.staging = None


def _staging() -> str:
    from ._engine import home

    folder = Path(home()).absolute() / "staging" / os.urandom(16).hex()
    folder.mkdir(parents=True)
    return str(folder)


def read_value(plain: Any) -> Any:
    """A plain result as it was returned: tuples, sets, dates and the like are marked in JSON."""
    if isinstance(plain, (dict, list)):
        from .materialize.values import decode

        return decode(plain)
    return plain


def read_descriptor(descriptor: Mapping[str, Any], path: str) -> Any:
    """The value that an output's file holds.

    Raises:
        MaterializeError: it cannot be read here: a library is missing, a pickle is of another Python.
    """
    from . import materialize

    try:
        return materialize.read({**descriptor, "path": path}, "/")
    except materialize.MaterializeFailed as error:
        raise MaterializeError(error.message, cure=error.cure) from error
