"""The run folder: who may run it (the claim), what happened (events), and how it ended, written so that it can be neither lost nor doubled.

See docs/decisions/0002-run-folder.md. Readers on the other side are Rust and Python clients.
"""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PTH104, PTH108, PTH110, PTH116, PTH123

from __future__ import annotations

import errno
import fcntl
import os

from . import clock, quickjson

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

RESERVED = 64 * 1024
_TOO_LONG_FOR_A_FULL_DISK = 4000


def read_frozen(folder: str) -> dict[str, Any]:
    """The frozen run. Raises OSError where it was not handed over, ValueError where it is damaged."""
    path = f"{folder}/run.json"
    frozen = quickjson.read(path)
    if not isinstance(frozen, dict):
        raise ValueError("run.json holds no object")
    clock.not_before(os.stat(path).st_mtime)
    return frozen


def read_end(folder: str) -> Any:
    """The end of a run as a dict, or None where it has not ended (a damaged file, left by a crash of the machine, is no end)."""
    try:
        end = quickjson.read(f"{folder}/end.json")
    except (OSError, ValueError):
        return None
    return end if isinstance(end, dict) else None


def take_secrets(folder: str) -> dict[str, str]:
    """The secret environment, read once: the file is gone when this returns. Raises ValueError where it is damaged."""
    path = f"{folder}/secrets.json"
    try:
        with open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        return {}
    os.unlink(path)
    try:
        return {str(name): str(value) for name, value in quickjson.loads(content).items()}
    except (ValueError, AttributeError):
        # Not `from`: the parser's message may quote the content.
        raise ValueError("secrets.json is damaged") from None


def claim(folder: str) -> Any:
    """Take the run for this process: the locked descriptor, to be kept open while supervising, or None where somebody was first.

    The claim is written and locked under another name and then linked, so that whoever sees it sees it whole and locked. Raises OSError.
    """
    pid = os.getpid()
    path, draft = f"{folder}/claim", f"{folder}/.claim.{pid}"
    if os.path.exists(path):
        return None
    content = {"pid": pid, "host": os.uname().nodename, "time": clock.now(), "start_ticks": start_ticks(pid)}
    descriptor = os.open(draft, os.O_CREAT | os.O_RDWR | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, quickjson.encode(content))
        try:
            os.link(draft, path)
        except FileExistsError:
            os.close(descriptor)
            return None
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS):
                raise
            # A file system without links: the window between creation and lock is then open for an instant.
            os.close(descriptor)
            return _claim_without_link(path, content)
    finally:
        os.unlink(draft)
    return descriptor


def _claim_without_link(path: str, content: dict[str, Any]) -> Any:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return None
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(descriptor, quickjson.encode(content))
    return descriptor


def start_ticks(pid: int) -> Any:
    """When a process started, in ticks since boot: with the pid, its identity. None where there is no /proc."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None


def bury(folder: str) -> bool:
    """Record the end of a run whose runner died (claimed, not locked, no end). True where it has ended, by this call or before."""
    if read_end(folder) is not None:
        return True
    try:
        descriptor = os.open(f"{folder}/claim", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False  # alive
        if read_end(folder) is None:
            message = "the process that ran this died without writing an end (it was killed, or the machine restarted)"
            error = {"cause": "RunnerLost", "message": message, "cure": "run it again", "log": []}
            Ending(folder).write({"state": "ERROR", "time": clock.now(), "error": error, "shape": "none", "outputs": {}, "attempts": 1})
        return True
    finally:
        os.close(descriptor)


class Appender:
    """A file that only grows by whole lines; a full disk drops lines and counts them, never leaves half of one."""

    def __init__(self, path: str) -> None:
        """Open for appending. A disk too full even for that leaves a file that drops all."""
        self.dropped = 0
        self.descriptor = -1
        self._path = path
        self._size = 0
        self._open()

    def _open(self) -> None:
        try:
            self.descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o644)
            self._size = os.fstat(self.descriptor).st_size
        except OSError:
            self.descriptor = -1

    def append(self, data: bytes, lines: int = 1) -> None:
        """Append `data`, which is whole lines."""
        if self.descriptor < 0:
            self._open()
            if self.descriptor < 0:
                self.dropped += lines
                return
        written = 0
        try:
            while written < len(data):
                written += os.write(self.descriptor, data[written:] if written else data)
            self._size += written
        except OSError:
            self.dropped += lines
            if written:
                os.ftruncate(self.descriptor, self._size)


class Ending:
    """end.json: its room is reserved at the start, so that a disk that fills up meanwhile cannot lose it."""

    def __init__(self, folder: str) -> None:
        """Reserve. A disk too full already is no error here: `write` does what can be done."""
        self._path = f"{folder}/end.json"
        self._draft = f"{folder}/.end.{os.getpid()}"
        self.descriptor = os.open(self._draft, os.O_CREAT | os.O_RDWR | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        for size in (RESERVED, 4096):
            try:
                os.posix_fallocate(self.descriptor, 0, size)
                break
            except OSError:
                continue

    def write(self, end: dict[str, Any]) -> dict[str, Any]:
        """Write the end, once and whole; what does not fit on a full disk is left out. Returns what was written. Raises OSError."""
        for attempt in (end, _shortened(end), shortest(end)):
            data = quickjson.encode(attempt) + b"\n"
            try:
                written = 0
                while written < len(data):
                    written += os.pwrite(self.descriptor, data[written:], written)
            except OSError as error:
                if attempt is not end and len(data) < _TOO_LONG_FOR_A_FULL_DISK:
                    raise
                failure = error
                continue
            os.ftruncate(self.descriptor, len(data))
            os.rename(self._draft, self._path)
            os.close(self.descriptor)
            return attempt
        raise failure


def _shortened(end: dict[str, Any]) -> dict[str, Any]:
    """The end without what is only convenient: previews, the log's tail, the middle of a long traceback."""
    error = dict(end.get("error") or {})
    if error:
        error.update(
            log=[], attributes={}, traceback=_middle_out(error.get("traceback"), 16_000), message=_middle_out(error.get("message"), 4000)
        )
    outputs = {name: {**descriptor, "preview": None, "schema": None} for name, descriptor in (end.get("outputs") or {}).items()}
    return {**end, "error": error or None, "outputs": outputs}


def shortest(end: dict[str, Any]) -> dict[str, Any]:
    """The end that fits in any reservation; results that find no room make the run fail, for they are lost."""
    error = dict(end.get("error") or {})
    if end.get("outputs"):
        error = {
            "cause": "DiskFull",
            "message": "the disk is full: there was no room left to write the results",
            "cure": "free some space and run it again",
        }
    error.update(log=[], attributes={}, traceback=_middle_out(error.get("traceback"), 1500), message=_middle_out(error.get("message"), 800))
    state = "ERROR" if end.get("outputs") else end["state"]
    return {**end, "state": state, "error": error if state != "COMPLETED" else None, "outputs": {}, "names": [], "shape": "none"}


def _middle_out(text: Any, limit: int) -> Any:
    if not isinstance(text, str) or len(text) <= limit:
        return text
    return f"{text[: limit // 2]}\n… {len(text) - limit} characters left out …\n{text[-limit // 2 :]}"
