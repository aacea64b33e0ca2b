"""scikit-learn estimators, and those of others that derive from them (xgboost, lightgbm), with joblib.

As https://scikit-learn.org/stable/model_persistence.html says, only the version that saved a model is sure to load it: the versions
are kept, and reading with others warns.
"""

from __future__ import annotations

import sys
import warnings

from . import pickled, sources
from .base import Materializer, is_a, need
from .errors import MaterializeFailed, Unsuitable, disk_error, first_line

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

_PACKAGES = ("sklearn", "numpy", "scipy", "joblib")


class Sklearn(Materializer):
    """Any `BaseEstimator`."""

    kind, format, type = "sklearn", "joblib", "model"

    def handles(self, value: Any) -> bool:
        return is_a(value, "sklearn", "BaseEstimator")

    def write(self, value: Any, path: str) -> dict[str, Any]:
        extra = {"versions": versions(value), "python": pickled.python_version()}
        try:
            need("joblib", "a scikit-learn model").dump(value, path)
        except (MemoryError, MaterializeFailed):
            raise
        except Exception as error:
            disk = disk_error(error)
            if disk is not None:
                raise disk from error
            # A lambda or a class of __main__ in a step: cloudpickle may.
            raise Unsuitable(f"joblib cannot ({first_line(error)})", {"type": self.type, "kind": self.kind, **extra}) from error
        if pickled.names_main(path):
            raise Unsuitable("it has a class of __main__", {"type": self.type, "kind": self.kind, **extra})
        return {**extra, **sources.named_in(path)}

    def read(self, path: str, descriptor: dict[str, Any]) -> Any:
        check_versions(descriptor)
        try:
            joblib = need("joblib", "a scikit-learn model")
            return sources.read_with(descriptor.get("code"), lambda: joblib.load(path))
        except (ImportError, AttributeError) as error:
            raise MaterializeFailed(
                f"the model cannot be loaded here ({first_line(error)})",
                f"install what it was written with: {_wanted(descriptor) or 'its packages'}",
            ) from error


def versions(value: Any, packages: tuple[str, ...] = _PACKAGES) -> dict[str, str]:
    """Versions of the packages that a model is made of: `packages` and the one of its class."""
    every = {*packages, type(value).__module__.partition(".")[0]}
    found = {name: getattr(sys.modules.get(name), "__version__", None) for name in sorted(every)}
    return {("scikit-learn" if name == "sklearn" else name): version for name, version in found.items() if isinstance(version, str)}


def check_versions(descriptor: dict[str, Any]) -> None:
    """Warn where a package or Python differs from the one that wrote the model."""
    other = []
    for name, written in (descriptor.get("versions") or {}).items():
        if name in ("numpy", "scipy", "joblib"):  # they are there for whoever must build the same environment
            continue
        module = need("sklearn" if name == "scikit-learn" else name, "the model", f"install {name}=={written}")
        here = getattr(module, "__version__", None)
        if here != written:
            other.append(f"{name} {written} (here {here})")
    if descriptor.get("python") not in (None, pickled.python_version()):
        other.append(f"Python {descriptor['python']} (here {pickled.python_version()})")
    if other:
        warnings.warn(
            f"The model {descriptor.get('path')} was written with {', '.join(other)}; it may not load, or predict otherwise. "
            f"Install what it was written with: {_wanted(descriptor)}.",
            UserWarning,
            stacklevel=5,
        )


def _wanted(descriptor: dict[str, Any]) -> str:
    return " ".join(f"{name}=={version}" for name, version in (descriptor.get("versions") or {}).items())


MATERIALIZER = Sklearn()
