"""What a run printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._engine import engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from .run import Run

Record = dict[str, Any]


class Logs:
    """The log of a run. Iterating reads piece by piece; `async for` does so in an event loop."""

    def __init__(self, run: Run, follow: bool) -> None:
        self._run = run
        self._follow = follow

    def records(self) -> Iterator[Record]:
        """Every line as `{"t": seconds, "s": stream, "a": attempt, "m": text}`, those of `logging` with `level` and `logger`, those of a
        service on Kubernetes with `p`, the pod that printed it."""
        start, complete = 0, False
        while not complete:
            lines, start, complete = engine().log(self._run.id, start, self._follow).wait()
            yield from lines
            if not self._follow:
                return

    async def records_async(self) -> AsyncIterator[Record]:
        """As `records`, in the running event loop."""
        start, complete = 0, False
        while not complete:
            lines, start, complete = await engine().log(self._run.id, start, self._follow)
            for line in lines:
                yield line
            if not self._follow:
                return

    def __iter__(self) -> Iterator[str]:
        return (line["m"] for line in self.records())

    async def __aiter__(self) -> AsyncIterator[str]:
        async for line in self.records_async():
            yield line["m"]

    def __str__(self) -> str:
        return "\n".join(self)

    def __contains__(self, text: str) -> bool:
        return text in str(self)

    def __repr__(self) -> str:
        return str(self)
