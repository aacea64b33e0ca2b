"""numpy arrays as npy (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): no code in it, read by anything."""

# os.path and not pathlib, whose import costs milliseconds in every run
# ruff: noqa: PTH123

from __future__ import annotations

from .base import Materializer, is_a, is_exactly, need
from .errors import Unsuitable

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any


class Array(Materializer):
    """`numpy.ndarray` of any shape, and numpy scalars that no Python value equals (datetime64, longdouble)."""

    kind, format = "array", "npy"

    def handles(self, value: Any) -> bool:
        return is_exactly(value, "numpy", "ndarray", "memmap") or is_a(value, "numpy", "generic")

    def write(self, value: Any, path: str) -> dict[str, Any]:
        numpy = need("numpy", "an array")
        scalar = is_a(value, "numpy", "generic")
        array = numpy.asarray(value)
        if array.dtype.hasobject:
            raise Unsuitable("its elements are Python objects")
        layout = numpy.lib.format
        # Types of other packages (bfloat16) are written as bare bytes without a word.
        if layout.descr_to_dtype(layout.dtype_to_descr(array.dtype)) != array.dtype:
            raise Unsuitable(f"npy has no type for {array.dtype}")
        with open(path, "wb") as file:
            numpy.save(_Writer(file), array, allow_pickle=False)
        return {
            "of": f"numpy.{type(value).__name__}" if scalar else "numpy.ndarray",
            "shape": list(array.shape),
            "dtype": str(array.dtype),
        }

    def read(self, path: str, descriptor: dict[str, Any]) -> Any:
        array = need("numpy", "an array").load(path, allow_pickle=False)
        of = descriptor.get("of") or "numpy.ndarray"
        return array[()] if of.startswith("numpy.") and of != "numpy.ndarray" else array


class _Writer:
    """A file that numpy does not know for one: to a real one it writes by C, and tells a full disk without an errno."""

    def __init__(self, file: Any) -> None:
        self.write = file.write


MATERIALIZER = Array()
