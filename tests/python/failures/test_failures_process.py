"""The client's own process: Ctrl-C, forks, event loops, threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from failures_lab import WORK, Home, until

WAITS = {
    "wait": "run.wait()",
    "map": "runs = work.map([{}, {}], log=os.environ['LOG'], seconds=1.5); runs.wait()",
    "logs": "list(run.logs(follow=True))",
    "result": "run.result()",
    "async": "import asyncio; asyncio.run(run.wait_async())",
}


def _exit_time() -> float:
    """From SIGINT to exit, of an interpreter that does nothing but sleep."""
    program = "import sys, time\nprint('ready', flush=True)\ntime.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as bare:
        assert bare.stdout is not None
        bare.stdout.readline()
        time.sleep(0.1)
        return _interrupt(bare)


def _interrupt(process: subprocess.Popen) -> float:  # type: ignore[type-arg]
    began = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    process.wait(timeout=20)
    return time.monotonic() - began


@pytest.mark.parametrize("what", list(WAITS))
def test_control_c(home: Home, what: str) -> None:
    """It is heard within 0.25 s, and the run goes on."""
    program = WORK + f'run = work.run(os.environ["LOG"], 1.5)\nprint("ready", flush=True)\n{WAITS[what]}'
    client = home.start(program)
    assert client.stdout is not None
    assert client.stderr is not None
    assert client.stdout.readline() == "ready\n"
    time.sleep(0.3)
    took = _interrupt(client)
    assert client.returncode in (-signal.SIGINT, 130)
    assert "KeyboardInterrupt" in client.stderr.read()
    # The machine is shared: twice the time, and the better of what a bare interpreter takes.
    assert took <= 2 * (0.25 + min(_exit_time(), _exit_time())), took
    records = home.settled()
    assert {record["state"] for record in records.values()} == {"COMPLETED"}
    home.check_once(records)


def test_control_c_while_it_submits(home: Home) -> None:
    """Wherever it falls, in a process that lives on: no run is left that never ends."""
    out = home.run(
        WORK
        + """
import signal, threading
work.run(os.environ["LOG"]).wait()
interrupted = 0
for number in range(12):
    timer = threading.Timer(number * 0.003, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        work.run(os.environ["LOG"])
        work.map([{}] * 3, log=os.environ["LOG"])
        work.run(os.environ["LOG"], inline=True, parameters={"seconds": 0.05})
        timer.join(); time.sleep(0.01)
    except KeyboardInterrupt:
        interrupted += 1
    except rw.RunwrightError as error:
        print(error)
    try:
        timer.join(); time.sleep(0.01)
    except KeyboardInterrupt:
        pass
until = time.monotonic() + 40
while rw.runs(open=True, limit=None) and time.monotonic() < until:
    time.sleep(0.05)
for run in rw.runs(open=True): print(run.record)
print(len(rw.runs(open=True)), interrupted)
""",
        timeout=80,
    )
    open_, interrupted = out.splitlines()[-1].split()
    assert open_ == "0", out
    assert int(interrupted) > 0


def test_cancelled_while_it_submits(home: Home) -> None:
    """An awaited submission that is cancelled half-way is carried through."""
    home.run(
        WORK
        + """
import asyncio
async def main():
    await work.run_async(os.environ["LOG"])
    for number in range(20):
        task = asyncio.ensure_future(work.run_async(os.environ["LOG"]))
        await asyncio.sleep(number * 0.0015)
        task.cancel()
        try: await task
        except asyncio.CancelledError: pass
    until = time.monotonic() + 40
    while rw.runs(open=True, limit=None) and time.monotonic() < until:
        await asyncio.sleep(0.05)
    assert not rw.runs(open=True), rw.runs(open=True)
asyncio.run(main())
"""
    )
    home.check_once(home.settled())


CHILD = """
def child():
    run = work.run(os.environ["LOG"]).wait(30)
    assert run.state == "COMPLETED", run.error
    assert work.run(os.environ["LOG"], inline=True, parameters={}).record["state"] in ("COMPLETED", "ERROR")
    assert rw.runs(limit=1)
    async def main():
        run = await work.run_async(os.environ["LOG"])
        return (await run).record["state"]
    import asyncio
    assert asyncio.run(main()) == "COMPLETED"
"""


def test_fork(home: Home) -> None:
    """A child, and a child's child, while threads of the parent are at work; the parent goes on."""
    home.run(
        WORK
        + CHILD
        + """
import threading, traceback
waiting = work.run(os.environ["LOG"], 3.0)
stop = False
def write():
    while not stop:
        nothing.run(inline=True)
        rw.runs(limit=1)
@rw.function
def nothing(): return 1
nothing.run(inline=True)
threads = [threading.Thread(target=write) for _ in range(3)]
for thread in threads: thread.start()
def fork(body):
    pid = os.fork()
    if pid == 0:
        import signal
        signal.alarm(40)  # a hang is a failure
        code = 1
        try:
            body(); code = 0
        except BaseException: traceback.print_exc()
        finally: os._exit(code)
    return pid
pids = [fork(child) for _ in range(3)] + [fork(lambda: (child(), os.waitpid(fork(child), 0)))]
for pid in pids:
    assert os.waitpid(pid, 0)[1] == 0
stop = True
for thread in threads: thread.join(20); assert not thread.is_alive()
assert waiting.wait(30).state == "COMPLETED"
assert work.run(os.environ["LOG"]).wait(30).state == "COMPLETED"
""",
        timeout=90,
    )
    records = home.settled()
    assert len([record for record in records.values() if record["function"] == "work" and record["backend"] == "local"]) == 2 + 5 * 2


def test_a_child_that_ends_leaves_its_parent_alive(home: Home) -> None:
    """The end of the child's interpreter takes nothing that is the parent's; a dead parent is not kept alive by its child."""
    client = home.start(
        """
        import os, sys, time
        import runwright as rw
        @rw.function
        def inner():
            pid = os.fork()
            if pid == 0:
                sys.exit(0)
            os.waitpid(pid, 0)
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
            print("ready", flush=True)
            time.sleep(60)
        inner.run(inline=True)
        """
    )
    assert client.stdout is not None
    assert client.stdout.readline() == "ready\n"
    states = "import json, runwright as rw; print(json.dumps([run.record['state'] for run in rw.runs()]))"
    assert home.json(states) == ["RUNNING"]
    os.kill(client.pid, signal.SIGKILL)
    assert until(lambda: client.poll() is not None)
    assert home.json(states) == ["ERROR"]
    os.killpg(client.pid, signal.SIGKILL)


def test_multiprocessing(home: Home) -> None:
    home.run(
        WORK
        + CHILD
        + """
import multiprocessing
assert work.run(os.environ["LOG"]).wait().state == "COMPLETED"
context = multiprocessing.get_context("fork")
processes = [context.Process(target=child) for _ in range(3)]
for process in processes: process.start()
for process in processes:
    process.join(40)
    assert process.exitcode == 0, process
assert work.run(os.environ["LOG"]).wait(30).state == "COMPLETED"
""",
        timeout=90,
    )
    assert not {record["state"] for record in home.settled().values() if record["backend"] == "local"} - {"COMPLETED"}


def test_in_an_event_loop(home: Home) -> None:
    """A sync call inside a running loop; 200 awaited at once; the loop is never blocked for long by those."""
    home.run(
        WORK
        + """
import asyncio
@rw.function
def echo(i): return i
async def main():
    assert work.run(os.environ["LOG"]).wait().state == "COMPLETED"
    runs = await asyncio.gather(*[echo.run_async(i) for i in range(200)])
    assert len({run.id for run in runs}) == 200
    for run in runs[20:]:
        asyncio.ensure_future(run.stop_async()) if False else None
    ended = await asyncio.wait_for(asyncio.gather(*[run.wait_async() for run in runs]), 100)
    assert [await run.result_async() for run in ended] == list(range(200))
asyncio.run(main())
""",
        timeout=110,
    )


def test_threads(home: Home) -> None:
    home.run(
        WORK
        + """
from concurrent.futures import ThreadPoolExecutor
@rw.function
def echo(i): return i
with ThreadPoolExecutor(16) as pool:
    assert list(pool.map(lambda i: echo.run(i).result(), range(48))) == list(range(48))
    assert list(pool.map(lambda i: echo.run(i, inline=True).result(), range(160))) == list(range(160))
"""
    )
    assert {record["state"] for record in home.settled().values()} == {"COMPLETED"}


def test_a_fork_waits_for_the_imports_of_other_threads(home: Home) -> None:
    """A module half imported by a thread that the child does not have would be waited for there for ever; one that forks itself is not waited for."""
    home.run(
        """
import os, sys, threading, time, types
import runwright as rw
rw.runs(limit=1)
folder = os.environ["RUNWRIGHT_HOME"]
open(folder + "/slowly.py", "w").write("import time; started = True; time.sleep(1.0); done = True")
open(folder + "/forks.py", "w").write("import os; child = os.fork(); child or os._exit(0); status = os.waitpid(child, 0)[1]")
sys.path.insert(0, folder)
thread = threading.Thread(target=lambda: __import__("slowly"))
thread.start()
while not hasattr(sys.modules.get("slowly"), "started"): time.sleep(0.01)
pid = os.fork()
if pid == 0:
    import signal
    signal.alarm(30)
    import slowly
    os._exit(0 if slowly.done else 1)
assert os.waitpid(pid, 0)[1] == 0
thread.join()
rw._engine._IMPORTS = 300.0  # longer than this test may take
import forks
assert forks.status == 0
""",
        timeout=60,
    )
