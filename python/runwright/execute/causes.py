"""Why an attempt ended, from what was seen of its process."""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PTH110, PTH123

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

_CURES = {
    "Timeout": "raise `timeout`, or make the function faster",
    "OutOfMemory": 'give it more memory (`resources={"mem": …}`), or let it need less',
    "Signal": "look at the last log lines; a SIGSEGV or SIGABRT comes from native code of a library",
    "ExitCode": "look at the last log lines",
}
_MACHINE = "/proc/vmstat"


class OutOfMemory:
    """The kernel's counters of processes killed because memory ran out: in our control group, or with `everywhere` on the whole machine."""

    def __init__(self, everywhere: bool = False) -> None:
        places = [_MACHINE] if everywhere else _places()
        self._counters = {path: value for path in places if (value := _count(path)) is not None}

    def happened(self) -> bool:
        """Whether one of the counters was raised since this object was made."""
        return any((_count(path) or 0) > value for path, value in self._counters.items())


def _places() -> list[str]:
    """The files that count: our control group's (version 2, then 1); where there is none, the machine's."""
    groups = []
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            for line in file:
                _, controllers, path = line.rstrip("\n").split(":", 2)
                if not controllers:
                    groups += [f"/sys/fs/cgroup{path}/memory.events", "/sys/fs/cgroup/memory.events"]
                elif "memory" in controllers.split(","):
                    groups += [f"/sys/fs/cgroup/memory{path}/memory.oom_control", "/sys/fs/cgroup/memory/memory.oom_control"]
    except (OSError, ValueError):
        pass
    found = [path for path in groups if os.path.exists(path)]
    return found or [_MACHINE]


def _count(path: str) -> Any:
    try:
        with open(path, "rb") as file:
            for line in file.read().split(b"\n"):
                if line.startswith(b"oom_kill "):
                    return int(line.split()[1])
    except (OSError, ValueError, IndexError):
        pass
    return None


def signal_name(number: int) -> str:
    """`SIGSEGV` for 11."""
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def explain(outcome: Any, memory: OutOfMemory, frozen: dict[str, Any], python: bool) -> dict[str, Any]:
    """The end of an attempt: `state`, `error`, and for a finished one its outputs.

    Args:
        outcome: a `process.Outcome`.
        memory: counters, read before the attempt.
        frozen: the frozen run.
        python: whether the child was ours (`call`), which says its own end, or a program (`command`).
    """
    name = None if outcome.signal is None else signal_name(outcome.signal)
    ended = {"exit_code": outcome.code, "signal": name}
    summary = outcome.summary
    if outcome.decided == "stop":
        return {"state": "STOPPED", "error": {"cause": "Stopped", "message": "stopped on request"}, **ended}
    if outcome.decided == "timeout":
        message = f"an attempt took longer than its timeout of {frozen.get('timeout'):g} s"
        return {"state": "ERROR", "error": error("Timeout", message), **ended}
    if summary is not None:
        summary.pop("type")
        return {**ended, **summary}
    if outcome.signal is not None:
        if name == "SIGKILL" and memory.happened():
            return {"state": "ERROR", "error": error("OutOfMemory", "the process was killed because memory ran out"), **ended}
        return {"state": "ERROR", "error": error("Signal", f"the process was killed by {name}, which Runwright did not send"), **ended}
    if python or outcome.code != 0:
        how = "os._exit was called: the function never returned" if python else "the command failed"
        return {"state": "ERROR", "error": error("ExitCode", f"the process ended with exit code {outcome.code} ({how})"), **ended}
    return {"state": "COMPLETED", "error": None, **ended}


def error(cause: str, message: str) -> dict[str, Any]:
    """The `error` of an end, with what helps against it."""
    return {"cause": cause, "message": message, "cure": _CURES[cause]}
