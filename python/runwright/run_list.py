"""Several runs: of a fan-out, or as they were listed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .asynchronous import AsyncVerbs
from .exceptions import RunError
from .records import error_of, is_awaited
from .run import Run

if TYPE_CHECKING:
    from collections.abc import Generator


class RunList(AsyncVerbs, list[Run]):
    """Runs, in an order that means something; a table in a notebook."""

    def wait(self, timeout: float | None = None, *, progress: bool | None = None) -> RunList:
        """Return when all have ended, however each did; a service also when it answers.

        Raises:
            TimeoutError: some go on after `timeout` seconds.
        """
        from .display.progress import waiting

        for run, record in zip(self, waiting([run.record for run in self], timeout, progress), strict=True):
            run.record = record
        going = [run for run in self if is_awaited(run.record)]
        if going:
            raise TimeoutError(f"{len(going)} of {len(self)} runs go on after {timeout} s; wait again, or stop() them")
        return self

    async def wait_async(self, timeout: float | None = None) -> RunList:
        """As `wait`, in the running event loop."""
        import asyncio

        await asyncio.wait_for(asyncio.gather(*(run.wait_async() for run in self)), timeout)
        return self

    def __await__(self) -> Generator[Any, None, RunList]:
        return self.wait_async().__await__()

    def results(self, *, failed: Any = RunError) -> list[Any]:
        """What each returned, in order. Waits for all.

        Args:
            failed: what stands for a run that did not complete; by default the first such error is raised.

        Raises:
            RunError: some did not complete: says how many, and which.
        """
        self.wait()
        bad = self.failed
        if bad and failed is RunError:
            first = error_of(bad[0].record)
            assert first is not None
            places = ", ".join(str(self.index(run)) for run in bad[:10]) + (", …" if len(bad) > 10 else "")
            raise RunError(
                f"{len(bad)} of {len(self)} runs did not complete (items {places}); the first: {first.message}",
                key=first.key,
                state=first.state,
                cause=first.cause,
                traceback=first.traceback,
                cure="the others' results: .results(failed=None); try those again: .rerun_failed()",
            ) from first
        return [failed if run in bad else run.result() for run in self]

    @property
    def failed(self) -> RunList:
        """Those that have ended otherwise than completed."""
        return RunList(run for run in self if run.refresh().is_final and run.record["state"] != "COMPLETED")

    def rerun_failed(self, **options: Any) -> RunList:
        """Run again those that failed, and only those; gives the whole list, the new runs in their places."""
        failed = set(self.failed)
        return RunList(run.reproduce(**options) if run in failed else run for run in self)

    def stop(self) -> RunList:
        """Stop all."""
        for run in self:
            run.stop()
        return self

    def to_df(self) -> Any:
        """A pandas data frame: one row a run, with its state, times, parameters, results and metrics."""
        import pandas as pd

        from .display.table import row

        return pd.DataFrame([row(run.record) for run in self])

    def __repr__(self) -> str:
        from .display.text import runs_text

        return runs_text([run._newest() for run in self])

    def _repr_html_(self) -> str:
        from .display.html import runs_html

        return runs_html([run._newest() for run in self])
