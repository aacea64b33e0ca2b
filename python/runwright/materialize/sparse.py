"""scipy sparse matrices and arrays as npz, by scipy's own `save_npz` (which says csr, csc, coo, bsr and dia only)."""

from __future__ import annotations

from .base import Materializer, is_exactly, need
from .errors import Unsuitable

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

_NAMES = tuple(f"{form}_{kind}" for form in ("csr", "csc", "coo", "bsr", "dia", "lil", "dok") for kind in ("matrix", "array"))


class Sparse(Materializer):
    """`scipy.sparse` matrices and arrays."""

    kind, format = "array", "npz"

    def handles(self, value: Any) -> bool:
        return is_exactly(value, "scipy", *_NAMES)

    def write(self, value: Any, path: str) -> dict[str, Any]:
        if value.format in ("lil", "dok") or value.dtype.hasobject:
            raise Unsuitable(f"npz cannot hold the sparse format {value.format!r} of {value.dtype}")
        need("scipy.sparse", "a sparse matrix").save_npz(path, value)
        return {
            "of": f"scipy.sparse.{type(value).__name__}",
            "shape": list(value.shape),
            "dtype": str(value.dtype),
            "stored": int(value.nnz),
        }

    def read(self, path: str, descriptor: dict[str, Any]) -> Any:
        if not str(descriptor.get("of") or "").startswith("scipy."):
            # An npz from elsewhere: numpy's bundle of named arrays, unless scipy's marks are in it.
            with need("numpy", "an array").load(path, allow_pickle=False) as bundle:
                if "format" not in bundle.files:
                    return {name: bundle[name] for name in bundle.files}
        return need("scipy.sparse", "a sparse matrix").load_npz(path)


MATERIALIZER = Sparse()
