"""A stand-in for the module `runwright` where it is not installed, so that code that imports it runs unchanged."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any


def offer() -> None:
    """Let `import runwright` give the stand-in if nothing else is found. Costs nothing until then."""
    sys.meta_path.append(_LastFinder)


class _LastFinder:
    """Asked by the import machinery when all others found nothing."""

    @staticmethod
    def find_spec(name: Any, _path: Any = None, _target: Any = None) -> Any:
        if name != "runwright":
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec("runwright", _LastFinder)  # type: ignore[arg-type]

    @staticmethod
    def create_module(_spec: Any) -> Any:
        return None

    @staticmethod
    def exec_module(module: Any) -> None:
        from . import context, inputs

        module.__doc__ = __doc__
        module.__runwright_shim__ = True
        for name in ("function", "handler"):
            setattr(module, name, _decorator(name))
        for entity in (inputs.Artifact, inputs.Dataitem, inputs.Model):
            setattr(module, entity.__name__, entity)
        for name in ("log_metric", "log_metrics", "log_result", "log_artifact", "log_dataitem", "log_model"):
            setattr(module, name, _of_current(name))
        module.current = context.current
        module.__getattr__ = _missing


def _decorator(name: str) -> Any:
    def decorate(fn: Any = None, **options: Any) -> Any:
        """Leaves the function as it is; declared outputs are noted."""

        def apply(fn: Any) -> Any:
            if options.get("outputs"):
                fn.__runwright_outputs__ = list(options["outputs"])
            if name == "function":
                for verb in ("run", "run_async", "map"):
                    setattr(fn, verb, _away(f"{fn.__name__}.{verb}()"))
            return fn

        return apply if fn is None else apply(fn)

    decorate.__name__ = decorate.__qualname__ = name
    return decorate


def _away(what: str) -> Any:
    def away(*_arguments: Any, **_named: Any) -> Any:
        raise RuntimeError(f"{what} needs Runwright, which is not installed where this runs; add 'runwright' to the requirements")

    return away


def _of_current(name: str) -> Any:
    def log(*arguments: Any, **named: Any) -> Any:
        """The method of that name of the run in execution."""
        from .context import current

        return getattr(current(), name)(*arguments, **named)

    log.__name__ = log.__qualname__ = name
    return log


def _missing(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise AttributeError(
        f"runwright.{name} is not available here: Runwright is not installed where this runs; add 'runwright' to the requirements"
    )
