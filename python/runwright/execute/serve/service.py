"""The service: opens the port, starts the workers, starts those that end again, and stops them all in order."""

from __future__ import annotations

import logging
import os
import select
import signal

from .. import clock
from ..failure import Failed
from ..logs import Redactor
from .doorman import Doorman
from .listen import allow_many_files, listen, url_of
from .metrics import Shared
from .process import Process
from .settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

log = logging.getLogger("runwright.serve")
# So many starts in a row that do not come to answer, with no other worker answering, and the service is given up.
_MOST_FAILURES = 5
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.25, 30.0
# Beyond its grace, what a worker may take to end.
_MERCY = 3.0


class ServiceFailed(Failed):
    """The service does not start, or does not stay up.

    Attributes:
        described (dict): the `error` of its end, as the worker described it.
    """

    def __init__(self, described: dict[str, Any]) -> None:
        super().__init__(described["cause"], described["message"], described.get("cure"))
        self.described = described


class Service:
    """A service, in the process that watches over its workers.

    Attributes:
        settings (Settings), load, active, bound: see `serve_from`. listener (socket): shared by all. shared (Shared): the numbers.
        files (int): how many files a process may open. hide: takes the secrets out of a text.
    """

    def __init__(self, load: Any, settings: dict[str, Any], announce: Any, *, active: Any, secrets: Any, bound: Any) -> None:
        self.load = load
        self.settings = Settings(settings)
        self.active = active
        self.bound = bound
        self.hide = Redactor(secrets).text
        self.files = allow_many_files()
        self.listener = listen(self.settings.host, self.settings.port)
        self.shared = Shared(self.settings.workers)
        self._announce = announce
        self._poll = select.poll()
        self._doorman = Doorman(self.listener, self._poll)
        self._workers: list[Process] = []
        self._stopping = False
        self._stop_at: float | None = None
        self._announced = self._was_ready = False
        self._failures = 0

    def run(self) -> int:
        """Serve until a TERM or INT; returns 0. Raises ServiceFailed."""
        wakeup, told = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        handlers = {number: signal.signal(number, self._signalled) for number in (signal.SIGTERM, signal.SIGINT)}
        handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _nothing)
        self._poll.register(wakeup, select.POLLIN)
        try:
            self._doorman.on_duty(True)
            self._workers = [Process(number, self) for number in range(self.settings.workers)]
            for worker in self._workers:
                self._start(worker)
            while not self._is_over():
                self._look(wakeup)
        finally:
            for worker in self._workers:
                worker.kill()
            self._doorman.tidy(everybody=True)
            self.listener.close()
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)
            os.close(wakeup)
            os.close(told)
        return 0

    def _signalled(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _is_over(self) -> bool:
        return self._stopping and not any(worker.pid for worker in self._workers)

    def forked(self, process: Process) -> None:
        """In a new worker: nothing of the service's own stays open."""
        signal.set_wakeup_fd(-1)
        self._doorman.tidy(everybody=True)
        for other in self._workers:
            if other is not process:
                other.let_go()

    def _start(self, worker: Process) -> None:
        worker.start()
        self._poll.register(worker.report, select.POLLIN)

    def _look(self, wakeup: int) -> None:
        """Wait for the next thing that happens, and deal with it."""
        if self._stopping and self._stop_at is None:
            self._begin_to_stop()
        now = clock.monotonic()
        times = [self._stop_at, self._doorman.due(), *(worker.start_at for worker in self._workers)]
        due = min((time for time in times if time is not None), default=None)
        for descriptor, _ in self._poll.poll(None if due is None else max(0.0, due - now) * 1000 + 1):
            if descriptor == wakeup:
                _drain(wakeup)
            elif not self._doorman.handles(descriptor):
                # None where an event before this one sent that guest of the doorman's away.
                worker = next((one for one in self._workers if one.report == descriptor), None)
                if worker is not None:
                    self._hear(worker)
        for worker in self._workers:
            if worker.is_over():
                self._hear(worker)
                self._unheard(worker)
                self._ended(worker, worker.reap())
        self._doorman.tidy()
        now = clock.monotonic()
        for worker in self._workers:
            if worker.start_at is not None and worker.start_at <= now:
                self._start(worker)
            if self._stop_at is not None and self._stop_at <= now:
                worker.signal(signal.SIGKILL)

    def _hear(self, worker: Process) -> None:
        if worker.hear():
            if worker.ready:
                self._failures = 0
            self._tell()
        if worker.silent:
            self._unheard(worker)

    def _unheard(self, worker: Process) -> None:
        """It will say no more. That alone is no end: what it forked may hold its pipe, too, and longer."""
        if worker.report >= 0:
            self._poll.unregister(worker.report)
            worker.close_report()

    def _tell(self) -> None:
        """Announce what changed for clients: the service answers, or does so no more."""
        ready = sum(worker.ready for worker in self._workers)
        self._doorman.on_duty(ready == 0 and not self._stopping)
        if self._announced is False and ready == len(self._workers):
            url, port = url_of(self.settings.host, self.listener)
            self._announced = True
            self._was_ready = True
            self._announce({"type": "ready", "time": clock.now(), "url": url, "port": port, "workers": ready})
        elif self._announced and (ready > 0) != self._was_ready:
            self._was_ready = ready > 0
            url, port = url_of(self.settings.host, self.listener)
            event: dict[str, Any] = {"type": "ready" if ready else "unready", "time": clock.now(), "url": url, "port": port}
            self._announce(event)

    def _ended(self, worker: Process, error: dict[str, Any] | None) -> None:
        """A worker is gone; `error` says why where it was not told to go."""
        if self._stopping:
            return
        answered, worker.ready = worker.answered, False
        part = self.shared.of(worker.number)
        part.begin(0)
        self._tell()
        error = error or {
            "cause": "ExitCode",
            "message": "a worker ended by itself",
            "cure": "look at the last log lines",
            "attributes": {},
        }
        if not self._announced:
            raise ServiceFailed(error)
        self._failures = 0 if answered else self._failures + 1
        if self._failures >= _MOST_FAILURES and not any(one.ready for one in self._workers):
            raise ServiceFailed(error)
        worker.pause = min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, worker.pause * 2)) if not worker.lived_long() else 0.0
        worker.start_at = clock.monotonic() + worker.pause
        part.restarted()
        again = f"in {worker.pause:g} s" if worker.pause else "at once"
        log.error("worker %d ended (%s: %s); it is started again %s", worker.number, error["cause"], self.hide(error["message"]), again)

    def _begin_to_stop(self) -> None:
        self._stop_at = clock.monotonic() + self.settings.drain + self.settings.grace + _MERCY
        self._doorman.on_duty(False)
        for worker in self._workers:
            worker.start_at = None
            worker.signal(signal.SIGTERM)


def _nothing(_number: int, _frame: object) -> None:
    """SIGCHLD must have a handler to wake the poll."""


def _drain(descriptor: int) -> None:
    try:
        while len(os.read(descriptor, 4096)) == 4096:
            pass
    except BlockingIOError:
        pass
