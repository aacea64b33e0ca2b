"""Who writes what: the ordered list of builtins, and the materializers of users.

Order: registered by call (the newest first), builtins, entry points of the group `runwright.materializers`, pickle.
"""

from __future__ import annotations

import sys
import types
import warnings
from importlib import import_module
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from .base import Materializer, roots
from .errors import MaterializeFailed, first_line


class Builtin(NamedTuple):
    """One line of the list: where the code is, and when it is worth importing."""

    module: str
    attribute: str
    roots: Tuple[str, ...]  # top-level packages of the classes it may handle
    formats: Tuple[str, ...]  # what it reads, by `format`
    kinds: Tuple[str, ...] = ()  # what it reads, by `kind`, whatever the format


# The first that handles a value writes it. Where several read one format, `of` decides, then the first whose package is installed.
BUILTINS: Tuple[Builtin, ...] = (
    Builtin("values", "MATERIALIZER", ("builtins",), ("json", "tagged")),
    Builtin("text", "MATERIALIZER", ("builtins",), ("txt",)),
    Builtin("raw", "BYTES", ("builtins",), ("bin",)),
    Builtin("raw", "FILE", ("builtins",), (), ("file", "folder")),
    Builtin("pandas_", "MATERIALIZER", ("pandas",), ("parquet",)),
    Builtin("polars_", "MATERIALIZER", ("polars",), ("parquet",)),
    Builtin("arrow", "MATERIALIZER", ("pyarrow",), ("parquet",)),
    Builtin("array", "MATERIALIZER", ("numpy",), ("npy",)),
    Builtin("sparse", "MATERIALIZER", ("scipy",), ("npz",)),
    Builtin("figure", "MATERIALIZER", ("matplotlib", "seaborn", "runwright", "_runwright"), ("figure",)),
    Builtin("image", "MATERIALIZER", ("PIL",), ("png",)),
    Builtin("plotly_", "MATERIALIZER", ("plotly",), ("plotly",)),
    Builtin("sklearn_", "MATERIALIZER", ("sklearn",), ("joblib",)),
    Builtin("torch_", "MATERIALIZER", ("torch",), ("pt",)),
    Builtin("pickled", "MATERIALIZER", (), ("pickle", "pkl")),
)

ENTRY_POINTS = "runwright.materializers"
_from_entry_points: Optional[List[Any]] = None


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


def registered() -> List[Any]:
    """The materializers registered by call, in order.

    Kept outside this module: in the runner this package is there twice, once as the runner's own and once as that of an installed
    Runwright, which is the one the user's code registers with.
    """
    holder = sys.modules.get("_runwright_materializers")
    if holder is None:
        holder = sys.modules.setdefault("_runwright_materializers", types.ModuleType("_runwright_materializers"))
        holder.__dict__.setdefault("registered", [])
    found: List[Any] = holder.__dict__["registered"]
    return found


def load(builtin: Builtin) -> Materializer:
    """The materializer of a line of `BUILTINS`."""
    found: Materializer = getattr(import_module("." + builtin.module, __package__), builtin.attribute)
    return found


def writer(value: Any) -> Tuple[Any, bool]:
    """The materializer for `value`, and whether it is a builtin."""
    for materializer in registered():
        if _handles(materializer, value):
            return materializer, False
    packages = roots(value)
    for builtin in BUILTINS:
        if not packages.isdisjoint(builtin.roots):
            found = load(builtin)
            if found.handles(value):
                return found, True
    for materializer in entry_points():
        if _handles(materializer, value):
            return materializer, False
    return load(BUILTINS[-1]), True


def reader(descriptor: Dict[str, Any], form: str) -> Any:
    """The materializer that reads `descriptor`, whose format is `form`.

    Raises:
        MaterializeFailed: there is none.
    """
    kind, of = descriptor.get("kind"), str(descriptor.get("of") or "")
    named = descriptor.get("materializer")
    if named:
        return _of_user(named, kind, form)
    found = [b for b in BUILTINS if kind in b.kinds] if form != "pickle" else []
    found = found or [b for b in BUILTINS if form in b.formats]
    if found:
        package = of.partition(".")[0]
        exact = [b for b in found if package in b.roots]
        # `bytes` is of no package, and of the kind "file" like a path.
        if kind == "file" and of in ("bytes", "bytearray"):
            exact = [b for b in BUILTINS if b.attribute == "BYTES"]
        installed = [b for b in found if b.roots and _installed(b.roots[0])]
        return load((exact or installed or found)[0])
    for materializer in [*registered(), *entry_points()]:
        if materializer.format == form and kind in (None, materializer.kind):
            return materializer
    raise MaterializeFailed(
        f"nothing here reads the format {form!r} (kind {kind!r})", "import or install the package that has its materializer"
    )


def entry_points() -> List[Any]:
    """The materializers that installed packages offer; looked up once, because that reads every package's metadata."""
    global _from_entry_points
    if _from_entry_points is None:
        from importlib import metadata

        found: List[Any] = []
        every: Any = metadata.entry_points()
        group = every.select(group=ENTRY_POINTS) if hasattr(every, "select") else every.get(ENTRY_POINTS, ())
        for point in group:
            try:
                loaded = point.load()
                found.append(loaded() if isinstance(loaded, type) else loaded)
            except Exception as error:  # a broken package must not fail runs that do not need it
                warnings.warn(f"The materializer {point.value!r} does not load: {first_line(error)}", RuntimeWarning, stacklevel=2)
        _from_entry_points = found
    return _from_entry_points


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


def _handles(materializer: Any, value: Any) -> bool:
    try:
        return bool(materializer.handles(value))
    except Exception as error:
        raise MaterializeFailed(
            f"`handles` of the materializer {origin(materializer)!r} failed ({first_line(error)})", "correct it"
        ) from error


def _installed(package: str) -> bool:
    from importlib.util import find_spec

    return package in sys.modules or find_spec(package) is not None
