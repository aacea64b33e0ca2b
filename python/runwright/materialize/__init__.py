"""How a Python value becomes an output file (or a small inline value) and back.

Used by the library and by the runner in any process or pod, where Runwright is not installed: this package imports nothing but the
standard library, only from below itself, and only when a name is first used (so importing it costs nothing).

- `write(value, base, relative, *, name="result") -> dict`: writes below `base/relative/`, gives the output descriptor.
- `read(descriptor, base) -> Any`: the value again.
- `as_df(descriptor, base, engine="pandas")`: a table as a data frame of pandas, polars or pyarrow.
- `register(materializer)`, `Materializer`: for values of your own.
- `MaterializeFailed`: what all of these raise, besides `OSError` for a disk that is full or not to be written.

The descriptor is described in docs/decisions/0002-run-folder.md; the list of what can be written is `registry.BUILTINS`.
"""

from __future__ import annotations

# Not from `typing`: importing it would be most of the cost of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .base import Materializer as Materializer
    from .errors import MaterializeFailed as MaterializeFailed
    from .figure import Picture as Picture
    from .frames import as_df as as_df
    from .reading import read as read
    from .registry import register as register
    from .writing import write as write

_HOME = {
    "Materializer": "base",
    "MaterializeFailed": "errors",
    "Picture": "figure",
    "as_df": "frames",
    "read": "reading",
    "register": "registry",
    "write": "writing",
}

__all__ = ["MaterializeFailed", "Materializer", "Picture", "as_df", "read", "register", "write"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module("." + _HOME[name], __name__), name)
    return found
