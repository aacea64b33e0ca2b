"""Who writes what: the ordered list of builtins, and the materializers of users.

Order: registered by call (the newest first), builtins, entry points of the group `runwright.materializers`, pickle.
"""

from __future__ import annotations

import sys
import types
from importlib import import_module

from .base import Materializer, roots
from .errors import MaterializeFailed, first_line

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any


class Builtin:
    """One line of the list: where the code is, when it is worth importing, and what it reads.

    Attributes:
        module, attribute (str): where the materializer is.
        roots (tuple[str, ...]): top-level packages of the classes it may write; none: writing.py knows when.
        formats, kinds (tuple[str, ...]): what it reads; none of one: whatever that is.
    """

    __slots__ = ("attribute", "formats", "kinds", "module", "roots")

    def __init__(self, where: str, roots: tuple[str, ...] = (), formats: tuple[str, ...] = (), kinds: tuple[str, ...] = ()) -> None:
        self.module, _, self.attribute = where.partition(":")
        self.roots, self.formats, self.kinds = roots, formats, kinds

    def reads(self, kind: Any, form: str) -> bool:
        """Whether it reads outputs of this kind and format."""
        return (not self.formats or form in self.formats) and (not self.kinds or kind in self.kinds)


# Writing: the first whose `handles` says so. Reading: those of the kind, else those of the format; of several the one whose package is
# that of `of`, else the first whose package is installed.
BUILTINS: tuple[Builtin, ...] = (
    Builtin("values:MATERIALIZER", formats=("json", "tagged")),
    Builtin("text:MATERIALIZER", ("builtins",), ("txt",)),
    Builtin("raw:BYTES", ("builtins",), ("bin",)),
    Builtin("raw:FILE", ("builtins",), kinds=("file", "folder")),
    Builtin("pandas_:MATERIALIZER", ("pandas",), ("parquet",)),
    Builtin("polars_:MATERIALIZER", ("polars",), ("parquet",)),
    Builtin("arrow:MATERIALIZER", ("pyarrow",), ("parquet",)),
    Builtin("array:MATERIALIZER", ("numpy",), ("npy",)),
    Builtin("sparse:MATERIALIZER", ("scipy",), ("npz",)),
    # Its own package too: a `Picture` that was read is written again.
    Builtin("figure:MATERIALIZER", ("matplotlib", "seaborn", "runwright", "_runwright", "materialize"), ("png",), ("figure",)),
    Builtin("image:MATERIALIZER", ("PIL",), ("png",)),
    Builtin("plotly_:MATERIALIZER", ("plotly",), ("plotly",)),
    Builtin("sklearn_:MATERIALIZER", ("sklearn",), ("joblib",)),
    Builtin("torch_:MATERIALIZER", ("torch",), ("pt",)),
    Builtin("pickled:MATERIALIZER", formats=("pickle", "pkl")),
)

ENTRY_POINTS = "runwright.materializers"
_from_entry_points: list[Any] | None = None


def register(materializer: Any) -> Any:
    """Add a materializer (an instance, or a class without arguments) before all others; returns what it was given, so it decorates.

    Raises:
        TypeError: it has not the attributes and methods of `Materializer`.
    """
    found = materializer() if isinstance(materializer, type) else materializer
    for name in ("kind", "format", "type"):
        if not isinstance(getattr(found, name, None), str):
            raise TypeError(f"{found!r} is no materializer: `{name}` must be a str; derive from Materializer")
    if found.type not in ("artifact", "dataitem", "model"):
        raise TypeError(f"the `type` of {found!r} must be 'artifact', 'dataitem' or 'model', not {found.type!r}")
    for name in ("handles", "write", "read"):
        if not callable(getattr(found, name, None)):
            raise TypeError(f"{found!r} is no materializer: `{name}` must be a method; derive from Materializer")
    registered().insert(0, found)
    return materializer


def registered() -> list[Any]:
    """The materializers registered by call, in order.

    Kept outside this module: in the runner this package is there twice, once as the runner's own and once as that of an installed
    Runwright, which is the one the user's code registers with.
    """
    holder = sys.modules.get("_runwright_materializers")
    if holder is None:
        holder = sys.modules.setdefault("_runwright_materializers", types.ModuleType("_runwright_materializers"))
        holder.__dict__.setdefault("registered", [])
    found: list[Any] = holder.__dict__["registered"]
    return found


def load(builtin: Builtin) -> Materializer:
    """The materializer of a line of `BUILTINS`."""
    found: Materializer = getattr(import_module("." + builtin.module, __package__), builtin.attribute)
    return found


def by_call(value: Any) -> Any:
    """The materializer registered by call that handles `value`, or None."""
    for materializer in registered():
        if handles(materializer, value):
            return materializer
    return None


def writer(value: Any) -> tuple[Any, bool]:
    """The materializer for `value` but for those registered by call and plain values, and whether it is a builtin."""
    packages = roots(value)
    for builtin in BUILTINS:
        if not packages.isdisjoint(builtin.roots):
            found = load(builtin)
            if found.handles(value):
                return found, True
    for materializer in entry_points():
        if handles(materializer, value):
            return materializer, False
    return load(BUILTINS[-1]), True


def reader(descriptor: dict[str, Any], form: str) -> Any:
    """The materializer that reads `descriptor`, whose format is `form`.

    Raises:
        MaterializeFailed: there is none.
    """
    kind, of = descriptor.get("kind"), str(descriptor.get("of") or "")
    named = descriptor.get("materializer")
    if named:
        return _of_user(named, kind, form)
    found = [builtin for builtin in BUILTINS if builtin.reads(kind, form)]
    if of not in ("bytes", "bytearray"):  # of the kind "file" as paths are
        found = [builtin for builtin in found if builtin.kinds] or found
    if found:
        exact = [builtin for builtin in found if of.partition(".")[0] in builtin.roots]
        installed = [builtin for builtin in found if builtin.roots and _installed(builtin.roots[0])]
        return load((exact or installed or found)[0])
    for materializer in [*registered(), *entry_points()]:
        if materializer.format == form and kind in (None, materializer.kind):
            return materializer
    raise MaterializeFailed(
        f"nothing here reads the format {form!r} (kind {kind!r})", "import or install the package that has its materializer"
    )


def entry_points() -> list[Any]:
    """The materializers that installed packages offer; looked up once, because that reads every package's metadata."""
    global _from_entry_points
    if _from_entry_points is None:
        from importlib import metadata

        every: Any = metadata.entry_points()
        group = every.select(group=ENTRY_POINTS) if hasattr(every, "select") else every.get(ENTRY_POINTS, ())
        _from_entry_points = [found for found in map(_load_point, group) if found is not None]
    return _from_entry_points


def _load_point(point: Any) -> Any:
    try:
        loaded = point.load()
        return loaded() if isinstance(loaded, type) else loaded
    except Exception as error:  # a broken package must not fail runs that do not need it
        import warnings

        warnings.warn(f"The materializer {point.value!r} does not load: {first_line(error)}", RuntimeWarning, stacklevel=4)
        return None


def origin(materializer: Any) -> str:
    """`module:Class` of a user's materializer, by which another process finds it."""
    cls = type(materializer)
    return f"{cls.__module__}:{cls.__qualname__}"


def _of_user(named: str, kind: Any, form: str) -> Any:
    every = [*registered(), *entry_points()]
    for materializer in every:
        if origin(materializer) == named:
            return materializer
    module, _, name = named.partition(":")
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        return found()
    except Exception as error:
        for materializer in every:  # moved to another module since
            if (materializer.kind, materializer.format) == (kind, form):
                return materializer
        raise MaterializeFailed(
            f"it was written by the materializer {named!r}, which cannot be loaded here ({first_line(error)})",
            "make that module importable here, or register the materializer before reading",
        ) from error


def handles(materializer: Any, value: Any) -> bool:
    """What a user's `handles` says; a failure names the materializer."""
    try:
        return bool(materializer.handles(value))
    except Exception as error:
        raise MaterializeFailed(
            f"`handles` of the materializer {origin(materializer)!r} failed ({first_line(error)})", "correct it"
        ) from error


def _installed(package: str) -> bool:
    from importlib.util import find_spec

    return package in sys.modules or find_spec(package) is not None
