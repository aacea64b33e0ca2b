"""The injected `project`: logs entities, finds those that the run reads, and leaves the rest to the installed library."""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PLR0917, PTH103, PTH118, PTH123

from __future__ import annotations

import os

from . import quickjson

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
_DESCRIBED = ("type", "kind", "format", "path", "size", "sha256", "value")


class Project:
    """The project of the run.

    Attributes:
        name (str).
    """

    def __init__(self, active: Any) -> None:
        self._active = active
        self.name = active._frozen.get("project")

    def log_artifact(self, name: str, kind: Any = None, data: Any = None, source: Any = None, **more: Any) -> Any:
        """See `log`."""
        return log(self._active, "artifact", name, kind, data, source, more)

    def log_dataitem(self, name: str, kind: Any = None, data: Any = None, source: Any = None, **more: Any) -> Any:
        """See `log`."""
        return log(self._active, "dataitem", name, kind, data, source, more)

    def log_model(self, name: str, kind: Any = None, data: Any = None, source: Any = None, **more: Any) -> Any:
        """See `log`."""
        return log(self._active, "model", name, kind, data, source, more)

    def get_artifact(self, name: str, **more: Any) -> Any:
        """An artifact by name or key: one that the run reads or logged, else what the installed library finds."""
        return self._get("artifact", name, more)

    def get_dataitem(self, name: str, **more: Any) -> Any:
        """A dataitem by name or key; see `get_artifact`."""
        return self._get("dataitem", name, more)

    def get_model(self, name: str, **more: Any) -> Any:
        """A model by name or key; see `get_artifact`."""
        return self._get("model", name, more)

    def _get(self, of: str, name: str, more: dict[str, Any]) -> Any:
        for label, entity in self._active.inputs.items():
            if getattr(entity, "type", None) == of and name in (entity.key, entity.name, label):
                return entity
        return getattr(self._library(f"get_{of}({name!r})"), f"get_{of}")(name, **more)

    def _library(self, what: str) -> Any:
        """The project as the installed library has it."""
        import runwright

        if getattr(runwright, "__runwright_shim__", False):
            text = f"project.{what}: it is not among the inputs of this run, and Runwright is not installed where it runs"
            raise LookupError(f"{text}\n  → give it to the run as an input, or add 'runwright' to its requirements")
        return runwright.get_project(self.name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._library(name), name)

    def __repr__(self) -> str:
        return f"<project {self.name}>"


class Logged:
    """What was logged.

    Attributes:
        key, id, name, kind, type (str), metrics (dict), spec (dict).
    """

    def __init__(self, active: Any, of: str, kind: str, name: str, identity: str, output: dict[str, Any]) -> None:
        self._active = active
        self.type = of
        self.kind = kind
        self.name = name
        self.id = identity
        self.spec = output
        self.metrics: dict[str, Any] = {}
        self.key = f"store://{active._frozen.get('project')}/{of}/{kind}/{name}:{identity}"

    def log_metric(self, name: str, value: Any) -> None:
        """Record a metric of this entity."""
        self.log_metrics({name: value})

    def log_metrics(self, metrics: dict[str, Any]) -> None:
        """Record metrics of this entity. Raises TypeError or ValueError."""
        from .context import checked_name, number

        for name, value in metrics.items():
            checked_name(name, "metric")
            self.metrics[name] = [number(name, entry) for entry in value] if isinstance(value, (list, tuple)) else number(name, value)
        self.emit()

    def emit(self) -> None:
        """Tell the record; saying it again with the same id replaces it."""
        entity = {
            "type": self.type,
            "kind": self.kind,
            "name": self.name,
            "id": self.id,
            "output": self.spec,
            "metrics": dict(self.metrics),
        }
        self._active.emit({"type": "entity", "entity": entity})

    def load(self) -> Any:
        """The value again."""
        from ..materialize import read

        return read(self.spec, self._active._folder)

    def __fspath__(self) -> str:
        return str(os.path.join(self._active._folder, self.spec["path"]))

    def __repr__(self) -> str:
        return f"<{self.type} {self.key}>"


def log(active: Any, of: str, name: str, kind: Any, data: Any, source: Any, more: dict[str, Any]) -> Logged:
    """Track a value or a file.

    Args:
        of: `artifact`, `dataitem` or `model`.
        name: of the entity.
        kind: e.g. `table`, `sklearn`; None for the one that fits the data.
        data, source: the value, or the path of a file or folder; one of them.
        more: further JSON-able fields of its description (`metrics` among them).

    Raises:
        TypeError, ValueError: an argument is wrong. materialize.MaterializeFailed: it cannot be written. OSError: the disk is full.
    """
    if not isinstance(name, str) or not 1 <= len(name) <= 63 or not set(name) <= _ALLOWED or name[0] in ".-" or name[-1] in ".-":
        rule = "1 to 63 letters, digits, '_', '-', '.', beginning with a letter, digit or '_' and not ending in '.' or '-'"
        raise ValueError(f"log_{of}: {name!r:.80} is not a name: use {rule}")
    if (data is None) == (source is None):
        raise TypeError(f"log_{of}({name!r}): give one of data= and source=")
    from pathlib import Path
    from uuid import uuid4

    from ..materialize import write

    identity = str(uuid4())
    relative = f"outputs/.entities/{identity}"
    output = write(Path(os.fspath(source)) if source is not None else data, active._folder, relative, name=name)
    if output.get("type") == "value":
        output = _as_file(output, active._folder, relative, name)
    metrics = more.pop("metrics", None) or {}
    for field, value in more.items():
        if field not in _DESCRIBED and value is not None:
            output[field] = quickjson.plain(value)
    output["type"] = of
    logged = Logged(active, of, kind or output.get("kind") or "artifact", name, identity, output)
    if metrics:
        logged.log_metrics(metrics)
    else:
        logged.emit()
    return logged


def _as_file(output: dict[str, Any], folder: str, relative: str, name: str) -> dict[str, Any]:
    """A plain value as a file, for an entity has bytes."""
    import hashlib

    data = quickjson.encode(output["value"])
    path = f"{relative}/{name}.json"
    os.makedirs(os.path.join(folder, relative), exist_ok=True)
    with open(os.path.join(folder, path), "wb") as file:
        file.write(data)
    kept = {field: value for field, value in output.items() if field != "value"}
    return {**kept, "path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
