"""A worker as its service sees it: a forked process, a pipe that it tells by, and a leash that ends it with the service."""

from __future__ import annotations

import fcntl
import os
import signal

from .. import causes, clock, quickjson

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A worker that ends sooner than this after its start is started again only after a pause.
_SHORT_LIFE = 10.0


class Process:
    """One worker's process, and the next one's in its place.

    Attributes:
        number (int): which it is. pid (int | None). report (int): the descriptor to hear it by.
        silent (bool): it will say no more. ready (bool): it answers. answered (bool): it once did.
        pause (float): seconds that its last restart waited. start_at (float | None): when to start it again, on the monotonic clock.
    """

    def __init__(self, number: int, service: Any) -> None:
        self.number = number
        self._service = service
        self.pid: int | None = None
        self.report = self._leash = -1
        self.ready = self.answered = self.silent = False
        self.pause = 0.0
        self.start_at: float | None = None

    def start(self) -> None:
        """Fork it."""
        self.ready = self.answered = self.silent = False
        self.start_at = None
        self._rest = b""
        self._error: dict[str, Any] | None = None
        self._memory = causes.OutOfMemory()
        self._started = clock.monotonic()
        heard, told = os.pipe2(os.O_CLOEXEC)
        held, leash = os.pipe2(os.O_CLOEXEC)
        signals = (signal.SIGTERM, signal.SIGINT)
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        self.pid = os.fork()
        if self.pid == 0:
            os.close(heard)
            os.close(leash)
            self._become(told, held)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        os.close(told)
        os.close(held)
        os.set_blocking(heard, False)
        self.report, self._leash = heard, leash

    def _become(self, told: int, held: int) -> None:
        """In the child. Never returns."""
        code, hangs = 1, False
        try:
            self._service.forked(self)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
            # The kernel kills this process when the other end of the leash closes, which only the service holds.
            fcntl.fcntl(held, fcntl.F_SETOWN, os.getpid())
            if hasattr(fcntl, "F_SETSIG"):
                fcntl.fcntl(held, fcntl.F_SETSIG, signal.SIGKILL)
            fcntl.fcntl(held, fcntl.F_SETFL, fcntl.fcntl(held, fcntl.F_GETFL) | os.O_ASYNC)
            from .worker import Worker, leave

            worker = Worker(self.number, self._service, told)
            code = worker.run()
            hangs = worker.hangs
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            leave(code, hangs)

    def let_go(self) -> None:
        """Close what belongs to the service alone."""
        self.close_report()
        if self._leash >= 0:
            os.close(self._leash)
            self._leash = -1

    def close_report(self) -> None:
        """Hear it no more."""
        if self.report >= 0:
            os.close(self.report)
            self.report = -1

    def hear(self) -> bool:
        """Read what it says; true where it answers from now on, or does so no more."""
        before = self.ready
        while self.report >= 0:
            try:
                data = os.read(self.report, 1 << 16)
            except BlockingIOError:
                break
            if not data:
                self.silent = True
                break
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._said(quickjson.loads(line))
        return self.ready != before

    def _said(self, message: dict[str, Any]) -> None:
        if message["type"] == "failed":
            self._error = message["error"]
        else:
            self.ready = message["type"] == "ready"
            self.answered = self.answered or self.ready

    def is_over(self) -> bool:
        """Whether it has ended and is not reaped yet."""
        return self.pid is not None and os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def reap(self) -> dict[str, Any] | None:
        """Take its end, after the last it said: the error that it told, or that its way of ending says; None where it ended in order."""
        _, status = os.waitpid(self.pid or 0, 0)
        self.pid = None
        self.let_go()
        if self._error is not None or status == 0:
            return self._error
        if os.WIFSIGNALED(status):
            name = causes.signal_name(os.WTERMSIG(status))
            if name == "SIGKILL" and self._memory.happened():
                return causes.error("OutOfMemory", "a worker was killed because memory ran out")
            return causes.error("Signal", f"a worker was killed by {name}, which Runwright did not send")
        code = os.WEXITSTATUS(status)
        return causes.error("ExitCode", f"a worker ended with exit code {code}")

    def lived_long(self) -> bool:
        """Whether it ran long enough to be started again at once."""
        return self.answered and clock.monotonic() - self._started >= _SHORT_LIFE

    def signal(self, number: int) -> None:
        """Send it a signal, if it is there."""
        if self.pid is not None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it now and take its end."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = None
            self.let_go()
