"""A client of a cluster: runs that a queue holds back, so that no pod of them ever runs; and runs that end."""

import asyncio
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from worker import serve

import runwright as rw

IN_FLIGHT = int(sys.argv[2])
runs = []
pool = ThreadPoolExecutor(IN_FLIGHT)


@rw.function
def f(x: int) -> int:
    """The function."""
    return x


@rw.function
def sleep(seconds: float) -> float:
    """End at different times."""
    import time

    time.sleep(seconds)
    return seconds


def held(x=1):
    """One run that a queue holds back: nothing in this cluster serves the queue."""
    return f.run(x=x, queue="nobody")


def job_of(run):
    """The name of its Job."""
    return f"rw-{run.id}"


def warm():
    """Everything is there: the namespace's watches, the runner, the threads. Gives the manifest of such a Job."""
    run = held()
    list(pool.map(lambda _: time.sleep(0.01), range(IN_FLIGHT)))
    return run.manifest()[0]


def loop():
    """One after another, as in a loop."""
    runs.append(held())
    return job_of(runs[-1])


def threads(count):
    """By many threads."""
    runs.extend(pool.map(held, range(count)))
    return job_of(runs[-1])


def asynchronous(count):
    """By one event loop, so many at a time."""

    async def all_of_them():
        gate = asyncio.Semaphore(IN_FLIGHT)

        async def one(x):
            async with gate:
                return await f.run_async(x=x, queue="nobody")

        return await asyncio.gather(*(one(x) for x in range(count)))

    runs.extend(asyncio.run(all_of_them()))
    return job_of(runs[-1])


def memory():
    """Bytes of this process in memory, and those of them that no file backs (the store is mapped)."""
    _, resident, shared, *_ = (int(pages) * os.sysconf("SC_PAGE_SIZE") for pages in Path("/proc/self/statm").read_text().split())
    return {"resident": resident, "own": resident - shared}


def processor():
    """Seconds of processor time that this process has had."""
    return time.process_time()


def ends(count):
    """Real pods that end one after another; gives, by run, when `wait()` returned."""
    started = [sleep.run(seconds=0.5 + 0.25 * at) for at in range(count)]

    def wait(run):
        assert run.wait().state == "COMPLETED", run.error
        return run.id, time.time()

    return dict(pool.map(wait, started))


def mapped(count):
    """A map; gives how many runs it has."""
    return len(f.map([{"x": x} for x in range(count)], queue="nobody"))


serve(
    {"threads": threads, "asynchronous": asynchronous, "ends": ends, "mapped": mapped},
    warm=warm,
    loop=loop,
    memory=memory,
    processor=processor,
)
