"""What user code sees of its run: `run` and `context` objects, and the way from `log_metric` to the record."""

from __future__ import annotations

import sys

from . import clock, quickjson
from .bind import plain_parameters

try:
    from _contextvars import ContextVar
except ImportError:
    from contextvars import ContextVar

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

PYTHON = "{}.{}.{}".format(*sys.version_info[:3])

# In a process of its own there is one run; inline there may be several, in threads and tasks.
_process: Active | None = None
_inline: list[Active] = []
_active: ContextVar[Active | None] = ContextVar("runwright_active", default=None)


class Active:
    """A run in execution, seen from inside. Injected as `run` and `context`.

    Attributes:
        key, id, name, kind, action, version (str), project (Project), parameters (dict), inputs (dict), attempt (int).
    """

    def __init__(self, frozen: dict[str, Any], folder: str, sink: Any, attempt: int, timed: bool = False) -> None:
        """`sink` takes events (dicts); `timed`: they need a time, for nobody adds one on their way."""
        self._frozen = frozen
        self._folder = folder
        self._sink = sink
        self._timed = timed
        self._project: Any = None
        self._inputs: dict[str, Any] | None = None
        self.attempt = attempt

    key = property(lambda self: self._frozen.get("key"), doc="The run's key.")
    id = property(lambda self: self._frozen.get("id"), doc="The run's id.")
    name = property(lambda self: self._frozen.get("name") or self._frozen.get("function"), doc="The name of the function.")
    function = property(lambda self: self._frozen.get("function"), doc="The name of the function.")
    kind = property(lambda self: self._frozen.get("kind"), doc="The kind of the function.")
    action = property(lambda self: self._frozen.get("action"), doc="The action.")
    version = property(lambda self: self._frozen.get("version"), doc="The function version.")
    parameters = property(lambda self: plain_parameters(self._frozen), doc="The parameters, as given.")

    @property
    def code(self) -> Any:
        """The folder of the code, or None where there is none."""
        return ((self._frozen.get("task") or {}).get("call") or {}).get("path") or None

    @property
    def inputs(self) -> dict[str, Any]:
        """The inputs by name: entities as objects, other inputs as described in the frozen run."""
        if self._inputs is None:
            from .inputs import entity_or_description

            base = self._frozen.get("base") or self._folder
            given = self._frozen.get("inputs") or {}
            self._inputs = {name: entity_or_description(name, entry, base) for name, entry in given.items()}
        return self._inputs

    @property
    def project(self) -> Any:
        """The project, a `project.Project`."""
        if self._project is None:
            from .project import Project

            self._project = Project(self)
        return self._project

    @property
    def logger(self) -> Any:
        """A logger of the `logging` module, named as the function."""
        import logging

        return logging.getLogger(self.name or "runwright")

    def log_metric(self, name: str, value: Any, step: Any = None) -> None:
        """Record one value of a metric. Raises TypeError or ValueError where the name, value or step is none."""
        checked_name(name, "metric")
        event = {"type": "metric", "name": name, "value": number(name, value)}
        if step is not None:
            event["step"] = _step(name, step)
        self.emit(event)

    def log_metrics(self, metrics: dict[str, Any], step: Any = None) -> None:
        """Record several metrics: a dict of numbers (or lists of numbers, one for each step) by name."""
        if not isinstance(metrics, dict):
            raise TypeError(f"log_metrics takes a dict of numbers by name, not {type(metrics).__name__}")
        for name, value in metrics.items():
            if isinstance(value, (list, tuple)):
                for place, entry in enumerate(value):
                    self.log_metric(name, entry, place if step is None else step + place)
            else:
                self.log_metric(name, value, step)

    def log_result(self, name: str, value: Any) -> None:
        """Record a small result before the function returns. Raises TypeError where it is not JSON."""
        checked_name(name, "result")
        plain = quickjson.plain(value)
        try:
            quickjson.dumps(value)
        except ValueError:
            value = plain  # NaN and its like become text
        except (TypeError, RecursionError):
            text = f"log_result({name!r}): a {type(value).__name__} is not JSON; return it from the function, or use log_artifact"
            raise TypeError(text) from None
        self.emit({"type": "result", "name": name, "value": value})

    def log_artifact(self, name: str, kind: Any = None, data: Any = None, source: Any = None, **more: Any) -> Any:
        """Track a value or a file as an artifact; see `project.log`."""
        from .project import log

        return log(self, "artifact", name, kind, data, source, more)

    def log_dataitem(self, name: str, kind: Any = None, data: Any = None, source: Any = None, **more: Any) -> Any:
        """Track a value or a file as a dataitem; see `project.log`."""
        from .project import log

        return log(self, "dataitem", name, kind, data, source, more)

    def log_model(self, name: str, kind: Any = None, data: Any = None, source: Any = None, **more: Any) -> Any:
        """Track a value or a file as a model; see `project.log`."""
        from .project import log

        return log(self, "model", name, kind, data, source, more)

    def emit(self, event: dict[str, Any]) -> None:
        """Send an event on its way to the record."""
        if self._timed:
            event["time"] = clock.now()
        self._sink(event)

    def supply(self, name: str) -> Any:
        """The object for an injected parameter."""
        if name == "project":
            return self.project
        return Event(self) if name == "event" else self

    def __repr__(self) -> str:
        return f"<run {self.key}, attempt {self.attempt}>"


class Event:
    """What started the run, for functions written as event handlers: `body` holds the parameters."""

    def __init__(self, active: Active) -> None:
        self.body = active.parameters
        self.trigger = active._frozen.get("trigger")
        self.id = active.id


def current() -> Active:
    """The run in execution here. Raises RuntimeError where there is none."""
    active = _active.get() or _process or (_inline[0] if len(_inline) == 1 else None)
    if active is None and not __name__.startswith("_runwright."):
        # In a process of its own the runner's files are a package of another name, and the installed library asks here.
        runner = sys.modules.get("_runwright.execute.context")
        active = getattr(runner, "_process", None)
    if active is None:
        raise RuntimeError("no run is in execution here; call this inside a function that was started with .run()")
    return active


def enter(active: Active) -> Any:
    """Make it the current run of this thread or task."""
    _inline.append(active)
    return _active.set(active)


def leave(token: Any, active: Active) -> None:
    """Undo `enter`."""
    _active.reset(token)
    _inline.remove(active)


def become(active: Active) -> None:
    """Make it the run of this whole process."""
    global _process
    _process = active


def checked_name(name: Any, what: str) -> None:
    """Raises TypeError or ValueError where that is no name."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a {what} is a str, not {type(name).__name__}")
    if not name or len(name) > 250:
        raise ValueError(f"the name of a {what} has 1 to 250 characters, not {len(name)}")


def number(name: str, value: Any) -> Any:
    """A metric's value as JSON can say it: numbers of numpy and torch become plain ones, NaN and infinities become text."""
    if type(value) is float or type(value) is int:
        return quickjson.plain(value)
    if isinstance(value, bool):
        return int(value)
    item = getattr(value, "item", None)
    try:
        plain = item() if callable(item) else value
        plain = plain if isinstance(plain, (int, float)) else float(plain)
    except (TypeError, ValueError):
        plain = None
    if plain is None or isinstance(value, (str, bytes)):
        raise TypeError(f"the metric {name!r} is a number, not {type(value).__name__} {value!r:.80}")
    return quickjson.plain(int(plain) if isinstance(plain, bool) else plain)


def _step(name: str, step: Any) -> int:
    try:
        if int(step) == step:
            return int(step)
    except (TypeError, ValueError, OverflowError):
        pass
    raise TypeError(f"the step of metric {name!r} is a whole number, not {step!r:.80}")
