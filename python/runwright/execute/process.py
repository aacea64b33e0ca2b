"""One child process: fork, pipes, what it prints and reports, timeout, stop, and the end of it and of all it started.

The supervisor waits in one `poll` for everything: output, reports, signals (a wake-up pipe) and deadlines. Nothing here sleeps or spins.
"""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PTH110, SIM105

from __future__ import annotations

import errno
import fcntl
import gc
import os
import select

from . import clock, quickjson
from .lean import signal

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

_CHUNK = 256 * 1024
# How long what a finished child left behind may still hold its output open.
_LINGER = 1.0
# How long after a hand-over a TERM counts only where the `stop` file is there.
_HAND_OVER = 5.0

# Descriptors that only the supervisor may hold; a child closes them first thing.
owned: set[int] = set()


class Wakeup:
    """Signals as something to poll for. TERM asks for a stop; HUP and INT belong to terminals and are ignored."""

    def __init__(self, stop_file: str, handed_over: bool = False) -> None:
        """`handed_over`: this process was the runner of another run an instant ago, so a TERM may still be meant for that one."""
        self.stop = False
        self._stop_file = stop_file
        self._doubtful_until = clock.monotonic() + _HAND_OVER if handed_over else 0.0
        self.reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        owned.update((self.reader, writer))
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._terminate)
        signal.signal(signal.SIGCHLD, _nothing)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        # Whoever started us may have left them blocked.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def _terminate(self, _number: int, _frame: object) -> None:
        if clock.monotonic() >= self._doubtful_until or os.path.exists(self._stop_file):
            self.stop = True

    def drain(self) -> None:
        """Empty the pipe."""
        try:
            while len(os.read(self.reader, 4096)) == 4096:
                pass
        except BlockingIOError:
            pass

    def sleep(self, seconds: float) -> None:
        """Wait, or until a stop is asked for."""
        end = clock.monotonic() + seconds
        poll = select.poll()
        poll.register(self.reader, select.POLLIN)
        while not self.stop and (left := end - clock.monotonic()) > 0:
            if poll.poll(left * 1000 + 1):
                self.drain()


def _nothing(_number: int, _frame: object) -> None:
    """SIGCHLD must have a handler to reach the wake-up pipe."""


class Outcome:
    """How a child ended."""

    def __init__(self) -> None:
        self.code: int | None = None  # exit code, or None where a signal ended it
        self.signal: int | None = None  # number of that signal
        self.summary: dict[str, Any] | None = None  # what the child said of its own end, a dict
        self.decided: str | None = None  # "stop" or "timeout", where we ended it before it said anything


class Child:
    """A forked process with its streams.

    Args:
        body: called in the child with the descriptor for reports; what it returns is the exit code.
        on_output: called with ("stdout" | "stderr", bytes).
        on_report: called with each report, a dict.
    """

    def __init__(self, body: Any, on_output: Any, on_report: Any) -> None:
        self._on_output = on_output
        self._on_report = on_report
        self._rest = b""
        # What is there already is not looked at (and so not copied) by the child's garbage collector.
        gc.freeze()
        pipes = [os.pipe2(os.O_CLOEXEC) for _ in range(4)]
        self.started = clock.monotonic()
        parent = os.getpid()
        # Until the child has its own handlers, a signal to it must wait.
        signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        self.pid = os.fork()
        if self.pid == 0:
            _become(body, pipes, parent)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        for reader, writer in pipes[:3]:
            os.close(writer)
            os.set_blocking(reader, False)
        os.close(pipes[3][0])
        self._streams = {pipes[0][0]: "stdout", pipes[1][0]: "stderr", pipes[2][0]: "report"}
        self._leash = pipes[3][1]
        owned.update((*self._streams, self._leash))

    def wait(self, wakeup: Wakeup, timeout: Any, grace: float) -> Outcome:
        """Follow the child until it and what it left behind are gone."""
        outcome = self._outcome = Outcome()
        deadline = None if timeout is None else self.started + timeout
        kill_at = linger = None
        poll = select.poll()
        for descriptor in (wakeup.reader, *self._streams):
            poll.register(descriptor, select.POLLIN)
        while True:
            now = clock.monotonic()
            if linger is None and os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                linger = now + _LINGER
            if linger is not None and (not self._streams or now >= linger):
                break
            if outcome.decided is None and linger is None and outcome.summary is None:
                if wakeup.stop:
                    outcome.decided = "stop"
                elif deadline is not None and now >= deadline:
                    outcome.decided = "timeout"
            # What hangs after it has said its end (a thread that does not finish) is ended, too, but its end stands.
            if kill_at is None and linger is None and (wakeup.stop or (deadline is not None and now >= deadline)):
                self._signal(signal.SIGTERM)
                kill_at = now + grace
            if kill_at is not None and linger is None and now >= kill_at:
                self._signal(signal.SIGKILL)
                kill_at = now + 1.0
            due = linger if linger is not None else kill_at if kill_at is not None else deadline
            for descriptor, _ in poll.poll(None if due is None else max(0.0, due - now) * 1000 + 1):
                if descriptor == wakeup.reader:
                    wakeup.drain()
                    self._bury_strangers()
                elif self._read(descriptor):
                    poll.unregister(descriptor)
        self._finish(poll)
        return outcome

    def _bury_strangers(self) -> None:
        """The first process of a container inherits what lost its parent; the dead among it would fill the table of processes."""
        if os.getpid() == 1:
            while (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and found.si_pid != self.pid:
                os.waitpid(found.si_pid, 0)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            # Not yet the leader of its group.
            os.kill(self.pid, number)

    def _finish(self, poll: Any) -> None:
        """Kill the rest of the group while the zombie still holds its number, take what is left in the pipes, and reap."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        for descriptor in list(self._streams):
            self._read(descriptor, whole=True)
        for descriptor in list(self._streams):
            self._close(descriptor)
        os.close(self._leash)
        owned.discard(self._leash)
        for stream in ("stdout", "stderr"):
            self._on_output(stream, None)
        _, status = os.waitpid(self.pid, 0)
        if os.WIFSIGNALED(status):
            self._outcome.signal = os.WTERMSIG(status)
        else:
            self._outcome.code = os.WEXITSTATUS(status)

    def _read(self, descriptor: int, whole: bool = False) -> bool:
        """Pass on what one stream has; true at its end."""
        while True:
            try:
                data = os.read(descriptor, _CHUNK)
            except BlockingIOError:
                return False
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                data = b""
            stream = self._streams[descriptor]
            if not data:
                self._close(descriptor)
                return True
            if stream == "report":
                self._reports(data)
            else:
                self._on_output(stream, data)
            if not whole:
                return False

    def _close(self, descriptor: int) -> None:
        del self._streams[descriptor]
        owned.discard(descriptor)
        os.close(descriptor)

    def _reports(self, data: bytes) -> None:
        if b"\n" not in data:
            self._rest += data
            return
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            try:
                report = quickjson.loads(line)
            except ValueError:
                # Two processes of the user's wrote more than a pipe takes in one piece.
                self._on_output("stderr", line + b"\n")
                continue
            if isinstance(report, dict):
                if report.get("type") == "summary":
                    self._outcome.summary = self._outcome.summary or report
                else:
                    self._on_report(report)


def _become(body: Any, pipes: Any, parent: int) -> None:
    """In the child: a session and signals of its own, the pipes in place, nothing of the supervisor's; then the body. Never returns."""
    code = 70
    try:
        gc.enable()
        os.setsid()
        for descriptor in owned:
            if descriptor >= 0:
                os.close(descriptor)
        owned.clear()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(pipes[3][1])
        _leash(pipes[3][0])
        nothing = os.open(os.devnull, os.O_RDONLY)
        for descriptor, place in ((nothing, 0), (pipes[0][1], 1), (pipes[1][1], 2)):
            os.dup2(descriptor, place)
        for descriptor in (nothing, *pipes[0], *pipes[1], pipes[2][0]):
            if descriptor > 2:
                os.close(descriptor)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if os.getppid() != parent:
            os.killpg(0, signal.SIGKILL)
        code = body(pipes[2][1])
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def _leash(reader: int) -> None:
    """Let the kernel kill this process's whole group when the supervisor is gone, however it died.

    The supervisor alone holds the other end of this pipe; when that end closes, Linux signals the owner of this one.
    """
    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(reader, fcntl.F_SETOWN, -os.getpid())
        fcntl.fcntl(reader, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(reader, fcntl.F_SETFL, fcntl.fcntl(reader, fcntl.F_GETFL) | os.O_ASYNC)
        # A program that replaces this process (`command`) stays on the leash.
        os.set_inheritable(reader, True)
