"""What Prometheus asks for: counted in memory that all workers share, so that each of them can answer for all.

Every worker writes its own part only, from its event loop only, so nothing is locked; a restarted worker goes on with the numbers of
the one before, so that counters never fall.
"""

from __future__ import annotations

import mmap
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "OTHER")
_PLACES = {method: place for place, method in enumerate(METHODS)}
_STATUSES = range(100, 600)
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

# The places in a worker's part, each a double.
_PID, _READY, _RESTARTS, _IN_FLIGHT, _WAITING, _LOST, _SUM = range(7)
_BUCKETS = 8
_COUNTS = _BUCKETS + len(BOUNDS) + 1
_SIZE = _COUNTS + len(METHODS) * len(_STATUSES)


class Shared:
    """The memory; made before the workers are."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._memory = mmap.mmap(-1, workers * _SIZE * 8)
        self._values = memoryview(self._memory).cast("d")

    def of(self, worker: int) -> Part:
        """The part of one worker."""
        return Part(self, self._values[worker * _SIZE : (worker + 1) * _SIZE])


class Part:
    """What one worker counts."""

    def __init__(self, shared: Shared, values: Any) -> None:
        self._shared = shared
        self._values = values

    def begin(self, pid: int) -> None:
        """A worker starts in this place: what it holds is nothing yet."""
        self._values[_PID] = pid
        for place in (_READY, _IN_FLIGHT, _WAITING, _LOST):
            self._values[place] = 0

    def restarted(self) -> None:
        """The worker of this place is started anew."""
        self._values[_RESTARTS] += 1

    def ready(self, ready: bool) -> None:
        """Whether it answers."""
        self._values[_READY] = ready

    def enter(self) -> None:
        """A request begins."""
        self._values[_IN_FLIGHT] += 1

    def leave(self, method: str, status: int, seconds: float) -> None:
        """A request was answered; status 0 where nobody was left to answer."""
        values = self._values
        values[_IN_FLIGHT] -= 1
        if not 100 <= status < 600:
            return
        values[_SUM] += seconds
        place = 0
        for bound in BOUNDS:
            if seconds <= bound:
                break
            place += 1
        values[_BUCKETS + place] += 1
        values[_COUNTS + _PLACES.get(method, len(METHODS) - 1) * len(_STATUSES) + status - 100] += 1

    def slots(self, waiting: int, lost: int) -> None:
        """How many wait for their turn, and how many places are held by calls that were given up."""
        self._values[_WAITING], self._values[_LOST] = waiting, lost

    def text(self) -> bytes:
        """All workers' numbers in the text format of Prometheus."""
        parts = [self._shared.of(worker)._values for worker in range(self._shared.workers)]
        lines: list[str] = []
        for write in (_requests, _durations, _gauges, _processes):
            write(parts, lines)
        return ("\n".join(lines) + "\n").encode()


def _family(lines: list[str], name: str, kind: str, what: str) -> None:
    lines.extend((f"# HELP {name} {what}", f"# TYPE {name} {kind}"))


def _requests(parts: list[Any], lines: list[str]) -> None:
    name = "http_requests_total"
    _family(lines, name, "counter", "Requests answered.")
    for method, place in _PLACES.items():
        base = _COUNTS + place * len(_STATUSES)
        for status in _STATUSES:
            count = sum(part[base + status - 100] for part in parts)
            if count:
                lines.append(f'{name}{{method="{method}",status="{status}"}} {count:.0f}')


def _durations(parts: list[Any], lines: list[str]) -> None:
    name = "http_request_duration_seconds"
    _family(lines, name, "histogram", "Seconds from a request's first lines to its answer.")
    total = 0.0
    for place, bound in enumerate((*(f"{bound:g}" for bound in BOUNDS), "+Inf")):
        total += sum(part[_BUCKETS + place] for part in parts)
        lines.append(f'{name}_bucket{{le="{bound}"}} {total:.0f}')
    lines.extend((f"{name}_sum {sum(part[_SUM] for part in parts):.9g}", f"{name}_count {total:.0f}"))


def _gauges(parts: list[Any], lines: list[str]) -> None:
    for name, kind, place, what in (
        ("http_requests_in_progress", "gauge", _IN_FLIGHT, "Requests that are being answered."),
        ("service_requests_waiting", "gauge", _WAITING, "Requests that wait for their turn."),
        ("service_calls_given_up", "gauge", _LOST, "Calls that go on although their request timed out."),
        ("service_workers_ready", "gauge", _READY, "Worker processes that answer."),
        ("service_worker_restarts_total", "counter", _RESTARTS, "Worker processes started anew after one ended."),
    ):
        _family(lines, name, kind, what)
        lines.append(f"{name} {sum(part[place] for part in parts):.0f}")


def _processes(parts: list[Any], lines: list[str]) -> None:
    page, tick = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
    families = (
        ("process_resident_memory_bytes", "gauge", "Memory of a worker process.", lambda pid: _words(f"/proc/{pid}/statm")[1] * page),
        ("process_cpu_seconds_total", "counter", "Processor time of a worker process.", lambda pid: _processor(pid) / tick),
        ("process_open_fds", "gauge", "Files and connections that a worker process has open.", _files),
    )
    for name, kind, what, read in families:
        _family(lines, name, kind, what)
        for worker, part in enumerate(parts):
            try:
                lines.append(f'{name}{{worker="{worker}"}} {read(int(part[_PID])):.10g}')
            except (OSError, ValueError, IndexError):
                continue  # it has just ended


def _words(path: str) -> list[int]:
    with open(path, encoding="ascii") as file:  # noqa: PTH123
        return [int(word) for word in file.read().split()]


def _processor(pid: int) -> int:
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
        words = file.read().rpartition(b")")[2].split()
    return int(words[11]) + int(words[12])


def _files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208
