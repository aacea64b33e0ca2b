"""A lock among forked processes and their threads: a pipe with one byte in it, which who holds the lock has taken out."""

from __future__ import annotations

import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class PipeLock:
    """Made before the processes are forked."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.release()

    def acquire(self, timeout: Any) -> bool:
        """Take it. After `timeout` seconds it is taken as lost with a process that was killed while it held it, and counts as taken."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        while poll.poll(timeout * 1000):
            try:
                os.read(self._reader, 1)
                return True
            except BlockingIOError:
                continue  # another was faster
        return True

    def release(self) -> None:
        """Give it back."""
        os.write(self._writer, b".")
