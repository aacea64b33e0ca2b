"""The same objects in an event loop."""

from __future__ import annotations

import asyncio

import pytest

import runwright as rw
from runwright import exceptions

pytestmark = pytest.mark.usefixtures("home")


def test_every_verb_is_async_too(add):
    async def main():
        run = await add.run_async(1)
        assert await run is run
        assert await run.result_async() == 2
        lines = [line async for line in run.logs(follow=True)]
        assert lines == ["adding 1 and 1"]
        assert (await run.refresh_async()).is_final
        runs = await add.map(range(3))
        assert runs.results() == [1, 2, 3]
        # A sync call inside the running loop.
        assert add.run(5).result() == 6
        assert (await add.run_async(7, inline=True)).result() == 8
        with pytest.raises(exceptions.InvalidError):
            await add.run_async("x")

    asyncio.run(main())


def test_the_loop_goes_on_while_a_run_is_awaited():
    @rw.function
    def slow():
        import time

        time.sleep(0.5)

    async def main():
        ticks = 0
        waiting = asyncio.ensure_future(slow.run().wait_async())
        while not waiting.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return ticks

    assert asyncio.run(main()) > 10


def test_cancelling_a_wait_leaves_the_run():
    @rw.function
    def slow():
        import time

        time.sleep(1)
        return 1

    async def main():
        run = await slow.run_async()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(run.wait_async(), 0.1)
        with pytest.raises(TimeoutError):
            await run.wait_async(timeout=0.1)
        return await run.result_async()

    assert asyncio.run(main()) == 1


def test_stop_in_a_loop():
    @rw.function
    def slow():
        import time

        time.sleep(60)

    async def main():
        run = await slow.run_async(grace=1)
        return (await run.stop_async()).record["state"]

    assert asyncio.run(main()) == "STOPPED"


def test_each_public_method_has_a_twin(add):
    import inspect

    async def main():
        run = await add.run_async(1)
        assert await run.output_async("result") == 2
        assert await run.results_async() == {"result": 2}
        assert await run.outputs_async() == {}
        runs = await add.map_async([1, 2])
        assert await runs.results_async() == [2, 3]
        again = await run.reproduce_async()
        assert await again.result_async() == 2
        project = await rw.get_or_create_project_async("demo")
        item = await project.log_artifact_async("note", data="x")
        assert await item.load_async() == "x"
        assert [one.id for one in await rw.runs_async(limit=1)] == [again.id]
        assert await rw.attach_async(run.id) == run
        await run.delete_async()
        for thing in (add, run, runs, project, item):
            for name, member in inspect.getmembers(type(thing), inspect.isfunction):
                if not name.startswith("_") and not name.endswith("_async"):
                    assert inspect.iscoroutinefunction(getattr(thing, f"{name}_async")), (thing, name, member)

    asyncio.run(main())
    with pytest.raises(AttributeError, match="nothing_async"):
        add.nothing_async  # noqa: B018
    with pytest.raises(AttributeError, match="log_metric_async"):
        rw.log_metric_async  # noqa: B018
