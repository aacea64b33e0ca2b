"""A container of podman or docker: it lives outside of the run's processes, so somebody must see to it that it ends with them."""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: S606

from __future__ import annotations

import os
import select

from . import causes, process
from .lean import signal

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

# How long a container may take to be removed. What hangs longer (a daemon that does not answer) must not hold up the end.
_PATIENCE = 30.0
# Exit codes by which podman and docker say that it is not the container that ended.
_NOT_STARTED, _NOT_EXECUTABLE, _NOT_FOUND = 125, 126, 127
_KILLED = 128 + 9


class Warden:
    """A process that removes the container when the supervisor dies, or when it is told that the attempt did not end by itself.

    Its command line (`podman run`) may be killed at any instant, and passes on no KILL; what it started goes on without it.

    Args:
        container: `tool` (the program) and `name`, of the frozen run.
    """

    def __init__(self, container: dict[str, Any]) -> None:
        self._container = container
        reader, self._order = os.pipe2(os.O_CLOEXEC)
        self._gone, writer = os.pipe2(os.O_CLOEXEC)
        signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        self._pid = os.fork()
        if self._pid == 0:
            self._watch(reader, writer)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        os.close(reader)
        os.close(writer)
        process.owned.update((self._order, self._gone))

    def dismiss(self, outcome: Any) -> None:
        """The attempt has ended. Returns when nothing of its container is left, or it cannot be removed."""
        try:
            if outcome.decided is None and outcome.code is not None:
                os.write(self._order, b".")
        except BrokenPipeError:
            pass  # somebody killed it
        os.close(self._order)
        poll = select.poll()
        poll.register(self._gone, select.POLLIN)
        if not poll.poll(_PATIENCE * 1000):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._gone)
        process.owned.difference_update((self._order, self._gone))

    def _watch(self, reader: int, writer: int) -> None:
        """In the warden: wait for the order, or for the supervisor's end. Never returns."""
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            for descriptor in (*process.owned, self._order, self._gone):
                if descriptor >= 0:
                    os.close(descriptor)
            nothing = os.open(os.devnull, os.O_RDWR)
            for place in (0, 1, 2):
                os.dup2(nothing, place)
            if not os.read(reader, 1):
                # `rm --force` alone asks first and waits for seconds.
                for verb in (["kill", "--signal", "KILL"], ["rm", "--force", "--volumes"]):
                    self._tool([*verb, self._container["name"]])
            os.close(writer)
        finally:
            os._exit(0)

    def _tool(self, arguments: list[str]) -> None:
        pid = os.fork()
        if pid == 0:
            try:
                os.execv(self._container["tool"], [self._container["tool"], *arguments])
            finally:
                os._exit(127)
        os.waitpid(pid, 0)


def explain(outcome: Any, memory: causes.OutOfMemory, frozen: dict[str, Any]) -> dict[str, Any]:
    """As `causes.explain`, with what an exit code says of a container."""
    ended = causes.explain(outcome, memory, frozen, False)
    code, image = ended.get("exit_code"), frozen["task"]["container"]["image"]
    if (ended["error"] or {}).get("cause") != "ExitCode" or not code:
        return ended
    if code == _NOT_STARTED:
        message = (
            f"the container could not be started: the image {image} cannot be had, or something asked for is not possible on this machine"
        )
        return {
            **ended,
            "error": {"cause": "ContainerNotStarted", "message": message, "cure": "look at the last log lines: the program says why"},
        }
    if code == _KILLED and memory.happened():
        return {**ended, "error": causes.error("OutOfMemory", "the container was killed because memory ran out")}
    why = "the container failed"
    if code in (_NOT_EXECUTABLE, _NOT_FOUND):
        why = f"so do shells, podman and docker where a command is {'not found' if code == _NOT_FOUND else 'no program'} in the image"
    elif code > 128:
        why = f"as a process has it that was killed by {causes.signal_name(code - 128)}"
    return {**ended, "error": {**ended["error"], "message": f"the container ended with exit code {code} ({why})"}}
