"""Tracking from inside a run, without the injected objects: `rw.log_metric(…)` and the like."""

from __future__ import annotations

import sys
from typing import Any

from .exceptions import InvalidError


def current() -> Any:
    """The context of the run that this code is part of; None outside one."""
    # In a run's own process the runner is `_runwright`; inline it is this package's.
    for name in ("_runwright.execute.context", f"{__package__}.execute.context"):
        module = sys.modules.get(name)
        if module is not None:
            try:
                return module.current()
            except RuntimeError:
                continue
    return None


def _active(what: str) -> Any:
    active = current()
    if active is None:
        raise InvalidError(f"{what} was called outside a run", field=what, cure="call it inside a function that .run() executes")
    return active


def log_metric(name: str, value: float, step: int | None = None) -> None:
    """Log a value of a metric of the current run.

    Raises:
        InvalidError: outside a run.
    """
    _active("log_metric").log_metric(name, value, step)


def log_metrics(metrics: dict[str, float], step: int | None = None) -> None:
    """Log several metrics of the current run."""
    _active("log_metrics").log_metrics(metrics, step)


def log_artifact(name: str, data: Any = None, *, source: Any = None, kind: str | None = None) -> Any:
    """Save an artifact made by the current run: of a value, or of a file or folder."""
    return _active("log_artifact").project.log_artifact(name, data=data, source=source, kind=kind)


def log_dataitem(name: str, data: Any = None, *, source: Any = None, kind: str | None = None) -> Any:
    """Save a dataitem made by the current run."""
    return _active("log_dataitem").project.log_dataitem(name, data=data, source=source, kind=kind)


def log_model(name: str, data: Any = None, *, source: Any = None, kind: str | None = None) -> Any:
    """Save a model made by the current run."""
    return _active("log_model").project.log_model(name, data=data, source=source, kind=kind)
