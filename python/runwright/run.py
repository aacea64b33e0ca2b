"""Run: one execution of one action, as Python sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._engine import engine
from .asynchronous import AsyncVerbs
from .exceptions import InvalidError, NotFoundError, RunError
from .records import FINAL, answers, duration, error_of, failing, is_awaited
from .run_logs import Logs

if TYPE_CHECKING:
    from collections.abc import Generator

    from .entities import Entity
    from .functions import Function
    from .manifests import Manifests
    from .response import Response

Record = dict[str, Any]


class Run(AsyncVerbs):
    """A tracked execution. It goes on without this object and without this process; only `stop()` stops it.

    Attributes (of the record as it was last seen; `refresh()` looks again):
        id (str), key (str), project (str), name (str, of the function), action (str), version (str), state (str), spec (dict), history (list[dict]),
        provenance (dict), record (dict).
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        # The value of an inline run, which is still at hand.
        self._value: tuple[Any] | None = None

    # ---- what it is

    @property
    def id(self) -> str:
        return str(self.record["id"])

    @property
    def key(self) -> str:
        return str(self.record["key"])

    @property
    def project(self) -> str:
        return str(self.record["project"])

    @property
    def name(self) -> str:
        return str(self.record["function"])

    @property
    def action(self) -> str:
        return str(self.record["action"])

    @property
    def version(self) -> str:
        return str(self.record["version"])

    @property
    def spec(self) -> Record:
        return dict(self.record["spec"])

    @property
    def parameters(self) -> Record:
        """The plain parameters, as they were given."""
        from .values import read_value

        return {name: read_value(value) for name, value in self.record["spec"]["parameters"].items()}

    @property
    def state(self) -> str:
        """Where it is now: CREATED, PENDING, RUNNING, COMPLETED, ERROR or STOPPED."""
        return str(self.refresh().record["state"])

    @property
    def is_final(self) -> bool:
        """Whether the record, as last seen, has ended."""
        return self.record["state"] in FINAL

    @property
    def history(self) -> list[Record]:
        return list(self.record["history"])

    @property
    def provenance(self) -> Record:
        return dict(self.record["provenance"])

    @property
    def metrics(self) -> dict[str, Any]:
        """By name: the value of a metric logged once, else the list of its values in their order."""
        points = self.refresh().record["metrics"]
        return {name: series[0]["value"] if len(series) == 1 else [point["value"] for point in series] for name, series in points.items()}

    @property
    def seconds(self) -> float | None:
        """How long it executed, or has executed so far; None before it began."""
        return duration(self.record)

    @property
    def error(self) -> RunError | None:
        """Why it did not complete: an exception with cause, evidence and cure; None if it did or goes on."""
        return error_of(self.record) if self.refresh().is_final else None

    # ---- how it goes

    def refresh(self) -> Run:
        """Look at it again; gives itself."""
        if not self.is_final:
            self.record = engine().run(self.id).wait()
        return self

    async def refresh_async(self) -> Run:
        """As `refresh`, in the running event loop."""
        if not self.is_final:
            self.record = await engine().run(self.id)
        return self

    def wait(self, timeout: float | None = None, *, progress: bool | None = None) -> Run:
        """Return when it has ended, a service also when it answers; gives itself, however it ended (`result()` raises).

        Args:
            timeout: seconds to wait at most; it goes on afterwards.
            progress: show how it goes. By default in a notebook and in a terminal, when it takes over a second.

        Raises:
            TimeoutError: it goes on after `timeout` seconds.
            RunError: a service that goes on does not come to answer: the version that `update` gave it does not start, say.
        """
        if self.is_final:
            return self
        from .display.progress import waiting

        self.record = waiting([self.record], timeout, progress)[0]
        return self._ended(timeout)

    async def wait_async(self, timeout: float | None = None) -> Run:
        """As `wait`, in the running event loop. `await run` is the same without a timeout."""
        if not self.is_final:
            self.record = await engine().wait(self.id, timeout)
        return self._ended(timeout)

    def __await__(self) -> Generator[Any, None, Run]:
        return self.wait_async().__await__()

    def _ended(self, timeout: float | None) -> Run:
        error = failing(self.record)
        if error is not None:
            raise error
        if is_awaited(self.record):
            from .display.facts import notice

            last = notice(self.record)
            raise TimeoutError(
                f"run {self.id} is {self.record['state']} after {timeout} s{f' ({last})' if last else ''}; it goes on: wait again, or stop() it"
            )
        return self

    def stop(self) -> Run:
        """Stop it: TERM, then KILL after its grace. Gives itself when it has ended; one that had ended already stays as it was.

        Raises:
            ConflictError: it runs where it cannot be stopped from here.
        """
        self.record = engine().stop(self.id).wait()
        return self

    async def stop_async(self) -> Run:
        """As `stop`, in the running event loop."""
        self.record = await engine().stop(self.id)
        return self

    # ---- of a service

    @property
    def is_ready(self) -> bool:
        """Whether it is a service of which all replicas answer, as the record says."""
        return answers(self.record)

    @property
    def url(self) -> str | None:
        """Where a service answers, seen from where it executes. None before it does, and for what is no service."""
        return (self.record.get("service") or {}).get("url")

    def invoke(self, path: str = "/", **request: Any) -> Response:
        """Ask a service; waits until it is ready. On Kubernetes through the API server, so that no ingress is needed.

        Args:
            path: below the service's URL, with a query if need be.
            request: `method` ("POST" with a body, else "GET"), `json` (anything JSON), `data` (bytes or text), `headers` (dict),
                `params` (dict), `timeout` (seconds).

        Raises:
            InvalidError: it is no service. ConflictError: it has ended. BackendError: it cannot be reached.
        """
        from .invoke import invoke

        return invoke(self, path, request)

    def scale(self, replicas: int) -> Run:
        """Have so many replicas of a service; returns at once, `wait()` waits until they answer.

        Raises:
            InvalidError: not a number of replicas. ConflictError: it is no service that goes on, or executes where there is only one.
        """
        self.record = engine().scale(self.id, replicas).wait()
        return self

    def update(self, function: Function | str | None = None) -> Run:
        """Serve another version of the function: new replicas answer before old ones end, and none ends that has a request in flight.

        Returns at once; `wait()` waits until all are of the new version, and raises where that does not start: the old one goes on answering then,
        and `update` takes it, too.

        Args:
            function: the version, or its digest. None: the newest.

        Raises:
            NotFoundError: there is no such version. ConflictError: it is no service that goes on, or executes where that cannot be done.
        """
        version: Any = getattr(function, "version", function)
        self.record = engine().update_service(self.id, version).wait()
        return self

    def resume(self) -> Run:
        """Let it begin anew after it was stopped, as the same run (on Kubernetes; elsewhere `reproduce` makes another). Returns at once.

        Raises:
            ConflictError: it was not stopped, or cannot be resumed where it executed.
        """
        self.record = engine().resume(self.id).wait()
        return self

    async def resume_async(self) -> Run:
        """As `resume`, in the running event loop."""
        self.record = await engine().resume(self.id)
        return self

    def delete(self) -> None:
        """Delete its record and its log. What it made stays.

        Raises:
            ConflictError: it goes on.
        """
        engine().delete_run(self.id).wait()

    # ---- what it gave

    def result(self, name: str | None = None) -> Any:
        """What the function returned, or its result of that name. Waits for the end.

        Raises:
            RunError: it did not complete (a subclass says why, with the user's traceback).
            NotFoundError: there is no result of that name.
            MaterializeError: the value cannot be read here.
        """
        return self.wait()._result(name)

    async def result_async(self, name: str | None = None) -> Any:
        """As `result`, in the running event loop (values that are files are read in a thread)."""
        import asyncio

        await self.wait_async()
        return await asyncio.to_thread(self._result, name)

    def output(self, name: str) -> Any:
        """An output: the `Artifact`, `Dataitem` or `Model` of that name, or the plain value. Waits for the end.

        Raises: as `result`.
        """
        self.wait()._check()
        record = self.record
        if name in record["outputs"]:
            from .entities import by_key

            return by_key(record["outputs"][name])
        return self._part(name)

    def outputs(self) -> dict[str, Entity]:
        """Every artifact, dataitem and model that it gave, by name. Waits for the end."""
        self.wait()._check()
        from .entities import by_key

        return {name: by_key(key) for name, key in self.record["outputs"].items()}

    def results(self) -> dict[str, Any]:
        """Every plain value that it gave, by name. Waits for the end."""
        from .values import read_value

        self.wait()._check()
        return {name: read_value(value) for name, value in self.record["results"].items()}

    def __getitem__(self, name: str) -> Output:
        """An output of a run that need not have ended: to be given to another run."""
        if self.is_final:
            self._check()
            self._name(name)
        return Output(self, name)

    def _result(self, name: str | None) -> Any:
        self._check()
        if name is not None:
            return self._part(name)
        if self._value is not None:
            return self._value[0]
        record = self.record
        names, shape = record["names"], record["shape"]
        if shape == "single":
            return self._part(names[0])
        if shape == "tuple":
            return tuple(self._part(name) for name in names)
        if shape == "dict":
            return {name: self._part(name) for name in names}
        return None

    def _part(self, name: str) -> Any:
        from .values import read_value

        self._name(name)
        if name in self.record["results"]:
            return read_value(self.record["results"][name])
        from .entities import by_key

        return by_key(self.record["outputs"][name]).load()

    def _name(self, name: str) -> None:
        known = [*self.record["results"], *self.record["outputs"]]
        if name not in known:
            import difflib

            close = difflib.get_close_matches(name, known, 1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise NotFoundError(
                f"run {self.id} of {self.name} has no output {name!r}{hint}",
                field="name",
                value=name,
                cure=f"it has {', '.join(known) or 'none'}",
            )

    def _check(self) -> None:
        error = error_of(self.record)
        if error is not None:
            raise error

    # ---- what it did

    def logs(self, follow: bool = False) -> Logs:
        """What it printed: iterate for lines, `str()` for all. With `follow` the iteration goes on until the run ends."""
        return Logs(self, follow)

    def log_metric(self, name: str, value: float, step: int | None = None) -> None:
        """Log a value of a metric, from inside the run itself.

        Raises:
            InvalidError: it is called elsewhere than in the run.
        """
        from .tracking import current

        active = current()
        if active is None or active.key != self.key:
            raise InvalidError(
                "metrics are logged by the run itself",
                field="name",
                value=name,
                cure="call rw.log_metric(…) (or run.log_metric(…)) inside the function",
            )
        active.log_metric(name, value, step)

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """As `log_metric`, several at once."""
        for name, value in metrics.items():
            self.log_metric(name, value, step)

    def timeline(self) -> list[Record]:
        """Its phases in order, without overlap: `{"phase", "start" (datetime), "seconds"}`; of one that goes on, until now."""
        from .timeline import timeline

        return timeline(self.record)

    def manifest(self) -> Manifests:
        """What was handed over, as it is there now: the objects of the cluster, or what a local runner reads. Values of secrets are `***`.

        Raises:
            NotFoundError: it was removed.
        """
        from .manifests import Manifests

        return Manifests(engine().manifest(self.id).wait())

    def lineage(self) -> Record:
        """`{"reads": [keys], "makes": [keys]}`."""
        made = [record["key"] for record in engine().entities(producer=self.key).wait()]
        return {"reads": list(self.record["reads"]), "makes": made}

    @property
    def function(self) -> Function:
        """The version that it ran."""
        from .functions import _of

        return _of(engine().function(self.project, self.name, self.version).wait())

    def reproduce(self, **options: Any) -> Run:
        """Run the same version with the same parameters, inputs and options again; `options` replace its own (as for `Function.run`).

        Raises:
            NotFoundError: the version or an input was deleted. InvalidError: an option is wrong.
        """
        from .reproduce import reproduce

        return reproduce(self, options)

    def diff(self, other: Run | str) -> Any:
        """What tells it from another run."""
        from .session import diff

        return diff(self, other)

    def to_dict(self) -> Record:
        """The whole record, plain data."""
        return {"entity": "run", **self.record}

    def export(self, path: str | None = None) -> str:
        """Write the record as YAML (to `run-<id>.yaml` by default) and return the path."""
        from .exports import export

        return export(self.to_dict(), path or f"run-{self.id}.yaml")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        from .display.text import run_text

        return run_text(self._newest())

    def _repr_html_(self) -> str:
        from .display.html import run_html

        return run_html(self._newest(), self._log_tail())

    def _newest(self) -> Record:
        """The record as it is now; as it was last seen where the store cannot be asked: a repr must not fail."""
        from contextlib import suppress

        with suppress(Exception):
            self.refresh()
        return self.record

    def _log_tail(self) -> list[str]:
        try:
            lines, _, _ = engine().log(self.id, 0, False).wait()
        except Exception:  # as in `_newest`
            return []
        return [line["m"] for line in lines[-10:]]


class Output:
    """One output of a run, to be given to another run before it exists."""

    def __init__(self, run: Run, name: str) -> None:
        self.run = run
        self.name = name

    def get(self) -> Any:
        """The output itself. Waits for the run's end."""
        return self.run.output(self.name)

    def __repr__(self) -> str:
        return f"Output({self.run.key}, {self.name!r})"
