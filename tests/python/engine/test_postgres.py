"""What a database on a server does that a file does not: it goes away and comes back, and it lets others wait."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import runwright as rw
from runwright import _engine
from runwright._engine import engine
from tests.servers import Postgres
from tests.servers.processes import wait_until


@pytest.fixture
def url(home, postgres_url, monkeypatch) -> Iterator[str]:
    monkeypatch.setenv("RUNWRIGHT_STORE", postgres_url)
    yield postgres_url
    # Before the database goes.
    _engine._engine = None


@pytest.fixture
def locked(url, postgres_server) -> Iterator[threading.Event]:
    """Another client holds the table of projects: writes to it wait until this is set."""
    rw.get_or_create_project("there")
    command = [postgres_server._bin / "psql", "-X", "-q", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        other.stdin.write("BEGIN; LOCK TABLE projects IN EXCLUSIVE MODE;\n")
        other.stdin.flush()
        name, held = url.rpartition("/")[2], "SELECT 1 FROM pg_locks WHERE mode = 'ExclusiveLock' AND relation = 'projects'::regclass"
        assert wait_until(lambda: postgres_server.execute(held, name) == "1", 10)
        release = threading.Event()

        def end():
            release.wait(20)
            other.communicate("COMMIT;\n")

        thread = threading.Thread(target=end)
        thread.start()
        yield release
        release.set()
        thread.join()


def test_reads_do_not_wait_for_a_write_that_waits(locked):
    with ThreadPoolExecutor() as pool:
        write = pool.submit(rw.get_or_create_project, "new")
        time.sleep(0.3)
        before = time.monotonic()
        assert engine().project("there", False).wait()["name"] == "there"
        assert time.monotonic() - before < 2
        assert not write.done()
        locked.set()
        assert write.result(20).name == "new"


def test_a_write_that_is_cancelled_leaves_no_transaction_open(locked, url, postgres_server):
    async def cancelled():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(engine().project("half", True), 0.5)

    asyncio.run(cancelled())
    locked.set()
    rw.get_or_create_project("whole")
    name = url.rpartition("/")[2]
    # On another connection: what is in an open transaction is not seen there.
    assert postgres_server.execute("SELECT name FROM projects ORDER BY name", name).splitlines() == ["there", "whole"]
    assert postgres_server.execute("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'") == "0"


def test_a_server_that_restarts_is_waited_for(home, add):
    with Postgres() as server:
        rw.use(store=server.url)
        add.run(a=1, wait=True)
        server.pause()
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(lambda: add.run(a=2, wait=True).result())
            time.sleep(1.5)
            server.resume()
            assert waiting.result(30) == 3
        assert len(rw.runs()) == 2
        _engine._engine = None


def test_a_server_that_is_not_there_is_told_at_once(home):
    before = time.monotonic()
    with pytest.raises(rw.exceptions.StoreError, match="refused"):
        rw.use(store="postgresql://nobody@127.0.0.1:1/nowhere")
    assert time.monotonic() - before < 5
