"""The supervisor: takes a run, makes its environment, forks attempts, and writes how it ended, whatever happens to the user's code."""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PLR0917, PTH110, PTH112, PTH208

from __future__ import annotations

import os
import sys

from . import clock, journal, process, queue, quickjson
from .logs import Log, Redactor, Splitter

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

# The same attempt again would fail the same way.
_FINAL_CAUSES = ("BaseImageError", "ConfigError", "ImportFailed", "InstructionError", "OutputError", "RequirementError")


def execute(home: str, run_id: str, frozen: dict[str, Any], slot: Any, wakeup: process.Wakeup, prepare: Any = None) -> Any:
    """Claim the run and carry it to its end.

    Args:
        prepare: called with the run's log before anything else; gives the secrets by name (else they are in the folder), or raises
            `failure.Failed`, with which the run then ends. What it changes in `frozen` counts.

    Returns its state, or None where somebody else has it. Raises OSError where the folder cannot be used.
    """
    folder = f"{home}/runs/{run_id}"
    claimed = journal.claim(folder)
    if claimed is None:
        return None
    queue.forget(home, run_id)
    run = _Run(home, folder, frozen, wakeup, prepare)
    process.owned.add(claimed)
    if slot is not None:
        process.owned.add(slot.descriptor)
    try:
        return run.finish(run.carry_out())
    finally:
        process.owned.discard(claimed)
        if slot is not None:
            process.owned.discard(slot.descriptor)
        run.close()
        os.close(claimed)


class _Run:
    """One run under supervision."""

    def __init__(self, home: str, folder: str, frozen: dict[str, Any], wakeup: process.Wakeup, prepare: Any) -> None:
        self.home = home
        self.prepare = prepare
        self.folder = folder
        self.frozen = frozen
        self.wakeup = wakeup
        self.ending = journal.Ending(folder)
        self.started = clock.now()
        self._start = clock.monotonic()
        self.attempts = 0
        self.redactor = Redactor(())
        self.log = Log(f"{folder}/log.jsonl", self.redactor, echo=os.environ.get("RUNWRIGHT_ECHO") == "1")
        self.events = journal.Appender(f"{folder}/events.jsonl")
        self.secrets: dict[str, str] = {}
        self.venv: str | None = None
        process.owned.update((self.ending.descriptor, self.log.file.descriptor, self.events.descriptor))

    def close(self) -> None:
        for descriptor in (self.log.file.descriptor, self.events.descriptor):
            process.owned.discard(descriptor)
            if descriptor >= 0:
                os.close(descriptor)
        process.owned.discard(self.ending.descriptor)

    def event(self, event: dict[str, Any]) -> None:
        """Append an event; the time is ours, so that times never go backwards."""
        kind = event.pop("type")
        self.events.append(quickjson.encode({"type": kind, "time": clock.now(), **self.redactor.event(event)}) + b"\n")

    def carry_out(self) -> dict[str, Any]:
        """Everything between the claim and the end; returns the end."""
        try:
            self.secrets = self.prepare(self.log) if self.prepare else journal.take_secrets(self.folder)
            if self.secrets:
                self.redactor = self.log.redactor = Redactor(self.secrets.values())
            refusal = self._refusal()
            if refusal is not None:
                return self._ended("ERROR", refusal)
            if self._stop_asked():
                return self._ended("STOPPED", _stopped("before it began"))
            if self.frozen.get("requirements"):
                end = self._requirements()
                if end is not None:
                    return end
            return self._attempts()
        except Exception as error:
            import traceback

            from .failure import Failed, describe

            if isinstance(error, Failed):
                return self._ended("ERROR", describe(error))
            text = f"the runner itself failed: {type(error).__name__}: {error}"
            return self._ended(
                "ERROR", {"cause": "RunnerError", "message": text, "traceback": traceback.format_exc(), "cure": "please report this"}
            )

    def _stop_asked(self) -> bool:
        return self.wakeup.stop or os.path.exists(f"{self.folder}/stop")

    def _refusal(self) -> Any:
        """Why this run cannot be executed at all, as an error, or None."""
        frozen = self.frozen
        if frozen.get("protocol") != 1:
            return _error(
                "RunnerError",
                f"this runner knows protocol 1; the run was frozen with {frozen.get('protocol')!r}",
                "use one version of runwright",
            )
        python = frozen.get("python")
        if python and not os.access(python, os.X_OK):
            return _error(
                "RunnerError",
                f"the interpreter of this run, {python}, does not exist or is no program",
                "run it again from an environment that exists",
            )
        task = frozen.get("task") or {}
        if bool(task.get("call")) == bool(task.get("command")):
            return _error("RunnerError", "`task` must have exactly one of `call` and `command`", "please report this")
        upstream = queue.failed_upstream(self.home, frozen.get("needs") or ())
        if upstream is not None:
            need, state, why = upstream
            return _error(
                "UpstreamFailed",
                f"run {need}, which this one needs, did not complete ({state}; {why})",
                "repair that run, then run this one again",
            )
        return None

    def _requirements(self) -> dict[str, Any] | None:
        """Make or find the virtual environment; returns the end where that fails."""
        from . import requirements

        begin = clock.monotonic()
        self.venv = requirements.find(self.home, self.frozen["requirements"])
        if self.venv is None:
            environment = {**(self.frozen.get("envs") or {}), **self.secrets}
            outcome = self._follow(lambda report: requirements.make(self.home, self.frozen["requirements"], environment), None, runner=True)
            if outcome.decided == "stop":
                return self._ended("STOPPED", _stopped("while its requirements were installed"))
            self.venv = requirements.find(self.home, self.frozen["requirements"])
            if self.venv is None:
                return self._ended("ERROR", requirements.failure(self.frozen["requirements"], self.log.tail))
        self.event({"type": "mark", "name": "requirements", "seconds": round(clock.monotonic() - begin, 6)})
        return None

    def _attempts(self) -> dict[str, Any]:
        """Attempt after attempt until one completes, none is left, or a stop is asked for."""
        retries = self.frozen.get("retries") or {}
        limit, delay = int(retries.get("limit") or 0), float(retries.get("delay") or 0.0)
        while True:
            end = self._attempt()
            error = end["error"]
            if end["state"] != "ERROR" or self.attempts > limit or error["cause"] in _FINAL_CAUSES:
                return end
            if self._stop_asked():
                return self._ended("STOPPED", _stopped("before it was tried again"))
            pause = min(delay, float(retries.get("max_delay") or delay))
            self.event({"type": "retry", "attempt": self.attempts, "error": error, "delay": pause})
            self.log.say(f"attempt {self.attempts} failed ({error['cause']}: {error['message'][:500]}); trying again in {pause:g} s")
            self.wakeup.sleep(pause)
            if self._stop_asked():
                return self._ended("STOPPED", _stopped("while it waited to be tried again"))
            delay *= float(retries.get("factor") or 1.0)
            self._clear_outputs()

    def _attempt(self) -> dict[str, Any]:
        from . import causes, child

        self.attempts += 1
        self.log.attempt = self.attempts
        self.log.tail = []
        context = child.Job(self.home, self.folder, self.frozen, self.secrets, self.venv, self.attempts)
        task = self.frozen["task"]
        if "container" in task:
            ended = self._container(context, task["container"])
        else:
            memory = causes.OutOfMemory()
            outcome = self._follow(context.run, self.frozen.get("timeout"))
            ended = causes.explain(outcome, memory, self.frozen, "call" in task)
        return self._ended(ended.pop("state"), ended.pop("error"), **ended)

    def _container(self, context: Any, asked: dict[str, Any]) -> dict[str, Any]:
        """An attempt whose command runs a container. Returns how it ended."""
        from . import causes, container

        memory = causes.OutOfMemory(everywhere=True)
        warden = container.Warden(asked)
        outcome = self._follow(context.run, self.frozen.get("timeout"))
        warden.dismiss(outcome)
        return container.explain(outcome, memory, self.frozen)

    def _follow(self, body: Any, timeout: Any, runner: bool = False) -> Any:
        """Fork `body` and follow it. With `runner`, what it prints is the runner's own."""
        splitters = {stream: Splitter(self.log, "runner" if runner else stream) for stream in ("stdout", "stderr")}

        def on_output(stream: str, data: Any) -> None:
            if data is None:
                splitters[stream].close()
            else:
                splitters[stream].feed(data)

        forked = process.Child(body, on_output, self._report)
        if not runner:
            self.event({"type": "running", "attempt": self.attempts, "pid": forked.pid, "python": _version()})
        grace = self.frozen.get("grace")
        return forked.wait(self.wakeup, timeout, 30.0 if grace is None else float(grace))

    def _report(self, report: dict[str, Any]) -> None:
        if report.get("type") == "log":
            self.log.record(str(report.get("level")), str(report.get("logger")), str(report.get("m")))
        elif report.get("type") in ("mark", "metric", "result", "entity", "ready", "unready"):
            self.event(report)

    def _clear_outputs(self) -> None:
        """What a failed attempt left must not pass for the next one's; entities it logged stay."""
        folder = f"{self.folder}/outputs"
        if os.path.isdir(folder):
            import shutil

            for name in os.listdir(folder):
                if name != ".entities":
                    shutil.rmtree(f"{folder}/{name}", ignore_errors=True)

    def _ended(self, state: str, error: Any, **more: Any) -> dict[str, Any]:
        if error is not None:
            error = {"type": None, "module": None, "traceback": None, "attributes": {}, **error}
            error.setdefault("log", list(self.log.tail))
        end = {"exit_code": None, "signal": None, "shape": "none", "outputs": {}, "names": [], "distributions": None, **more}
        return {"state": state, "error": error, "python": _version(), **end}

    def finish(self, end: dict[str, Any]) -> str:
        """Write the end. Raises OSError where even the reservation is of no use."""
        stamp = clock.now()
        times = {"time": stamp, "started": self.started, "seconds": round(clock.monotonic() - self._start, 6), "attempts": self.attempts}
        end = {"state": end["state"], **times, **self.redactor.end(end)}
        if self.log.file.dropped or self.events.dropped:
            end["dropped"] = {"log": self.log.file.dropped, "events": self.events.dropped}
        return str(self.ending.write(end)["state"])


def _version() -> str:
    return "{}.{}.{}".format(*sys.version_info[:3])


def _error(cause: str, message: str, cure: str) -> dict[str, Any]:
    return {"cause": cause, "message": message, "cure": cure}


def _stopped(when: str) -> dict[str, Any]:
    return {"cause": "Stopped", "message": f"stopped on request {when}"}
