"""The base class of a materializer and the helpers to look at a value without importing its library."""

from __future__ import annotations

from importlib import import_module

from .errors import MaterializeFailed

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any


class Materializer:
    """Writes values of some type as one file and reads them back. Derive, set the attributes, `register` an instance.

    Attributes:
        kind (str): the output's kind, e.g. `"table"`.
        format (str): the file's format; chooses who reads it back, and is the file's extension.
        type (str): `artifact`, `dataitem` or `model`.
    """

    kind: str = "file"
    format: str = "bin"
    type: str = "artifact"

    def handles(self, value: Any) -> bool:
        """Whether this is for `value`. Called for values of every type: look at type names (see `is_a`), import nothing."""
        raise NotImplementedError

    def write(self, value: Any, path: str) -> dict[str, Any]:
        """Write `value` to the new file `path`; return more fields for the descriptor (JSON values only, may be empty)."""
        raise NotImplementedError

    def read(self, path: str, descriptor: dict[str, Any]) -> Any:
        """The value in the file `path` that `write` wrote with this `descriptor`."""
        raise NotImplementedError

    def file_name(self, value: Any) -> str:
        """Name of the file to write."""
        return f"data.{self.format}"


def is_a(value: Any, package: str, name: str) -> bool:
    """Whether `value` is an instance of a class called `name` of `package` (`is_a(x, "pandas", "DataFrame")`), or of a subclass."""
    return any(cls.__qualname__ == name and _root(cls) == package for cls in type(value).__mro__)


def is_exactly(value: Any, package: str, *names: str) -> bool:
    """Like `is_a` for one of `names`, but no subclass: a format that knows the class would lose what a subclass adds."""
    cls = type(value)
    return cls.__qualname__ in names and _root(cls) == package


def roots(value: Any) -> set[str]:
    """The top-level packages of the classes of `value`, e.g. `{"pandas", "builtins"}`."""
    return {_root(cls) for cls in type(value).__mro__}


def _root(cls: Any) -> str:
    module = cls.__module__
    return module.partition(".")[0] if isinstance(module, str) else ""


def type_name(value: Any) -> str:
    """The class of `value` for people and for `of`: `dict`, `sklearn.svm._classes.SVC`."""
    cls = type(value)
    return str(cls.__qualname__) if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def need(module: str, what: str, cure: str | None = None) -> Any:
    """The imported `module`, or a clear failure that says what it is needed for.

    Raises:
        MaterializeFailed: it is not installed, or its import fails.
    """
    try:
        return import_module(module)
    except Exception as error:
        root = module.partition(".")[0]
        absent = isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == root
        why = "is not installed" if absent else f"does not import ({error})"
        raise MaterializeFailed(
            f"{what} needs {root}, which {why} here", cure or f"add {root!r} to `requirements`, or install it"
        ) from error
