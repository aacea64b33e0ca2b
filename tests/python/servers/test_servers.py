"""The test servers really start, answer and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.servers import S3, Postgres
from tests.servers.processes import ProcessRef, private_folder, wait_until
from tests.servers.s3 import Bucket

ROOT = Path(__file__).parents[3]


def test_postgres_answers_and_gives_each_test_its_own_database(postgres_server: Postgres) -> None:
    with postgres_server.fresh_database() as first, postgres_server.fresh_database() as second:
        names = [url.rpartition("/")[2] for url in (first, second)]
        postgres_server.execute("CREATE TABLE t (x int); INSERT INTO t VALUES (41)", names[0])
        assert postgres_server.execute("SELECT x + 1 FROM t", names[0]) == "42"
        assert postgres_server.execute("SELECT to_regclass('t') IS NULL", names[1]) == "t"
    assert postgres_server.execute("SELECT count(*) FROM pg_database WHERE datname LIKE 'test_%'") == "0"


def test_postgres_answers_on_its_unix_socket(postgres_server: Postgres) -> None:
    command = [postgres_server._bin / "psql", "-X", "-A", "-t", "-c", "SELECT inet_client_addr() IS NULL"]
    answer = subprocess.run([*command, postgres_server.socket_url_of("postgres")], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "t"


def test_postgres_is_ready_soon_and_leaves_nothing(postgres_server: Postgres) -> None:
    # The session's server is up already, so a missing package is not counted here.
    begin = time.monotonic()
    with Postgres() as server:
        took = time.monotonic() - begin
        assert server.process is not None
        folder, process = server.folder, server.process
        assert Path(f"/proc/{process.pid}").stat().st_uid != 0
        children = [ProcessRef.of(int(pid)) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
        assert children
    assert took < 3 or os.getloadavg()[0] > 2, f"{took:.1f} s on an idle machine"
    assert not process.alive
    assert not any(child.alive for child in children)
    assert not folder.exists()


def test_s3_keeps_what_signed_requests_put(s3: Bucket) -> None:
    body = os.urandom(100_000)
    s3.signer.send("PUT", f"/{s3.bucket}/a folder/ö.bin", body)
    assert s3.signer.send("GET", f"/{s3.bucket}/a folder/ö.bin") == body
    listing = s3.signer.send("GET", f"/{s3.bucket}", query={"list-type": "2", "prefix": "a folder/"}).decode()
    assert "<KeyCount>1</KeyCount>" in listing


def test_s3_takes_presigned_urls_and_refuses_changed_ones(s3: Bucket) -> None:
    put = s3.signer.presign("PUT", f"/{s3.bucket}/key")
    with urllib.request.urlopen(urllib.request.Request(put, data=b"value", method="PUT"), timeout=10) as answer:
        assert answer.status == 200
    get = s3.signer.presign("GET", f"/{s3.bucket}/key")
    with urllib.request.urlopen(get, timeout=10) as answer:
        assert answer.read() == b"value"
    for url in (get[:-1] + ("0" if get[-1] != "0" else "1"), put, f"{s3.endpoint}/{s3.bucket}/key"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(url, timeout=10)
        assert refused.value.code == 403


def test_s3_leaves_nothing() -> None:
    with S3() as server:
        folder, process = server.folder, server.process
        with server.fresh_bucket() as bucket:
            bucket.signer.send("PUT", f"/{bucket.bucket}/deep/key", b"x")
        assert sorted(path.name for path in (folder / "objects").iterdir()) == [".vgwlocks", "runwright"]
    assert process is not None
    assert not process.alive
    assert not folder.exists()


def test_the_servers_end_with_a_killed_test_run(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom tests.servers import Postgres, S3\n"
        "servers = [Postgres(), S3()]\nfor server in servers: server.start()\n"
        "print(*(server.process.pid for server in servers), *(server.folder for server in servers), flush=True)\ntime.sleep(60)"
    )
    run = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    first, second, *folders = run.stdout.readline().split()
    servers = [ProcessRef.of(int(first)), ProcessRef.of(int(second))]
    assert all(server.alive for server in servers)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert wait_until(lambda: not any(server.alive for server in servers), 10)
    for folder in folders:  # Nobody is left to remove them.
        subprocess.run(["rm", "-rf", folder], check=True)


@pytest.mark.parametrize("name", ["postgres", "s3"])
def test_the_command_line_starts_once_and_stops(name: str, tmp_path: Path) -> None:
    # The servers' state in a folder of this test, the binaries from the usual cache.
    from tests.servers import gobuild

    cache = tmp_path / "cache"
    cache.mkdir()
    for built in gobuild.cache_folder().iterdir():
        if built.name != "running":
            (cache / built.name).symlink_to(built)

    def call(verb: str) -> str:
        command = [sys.executable, "-m", "tests.servers", name, verb]
        environment = {**os.environ, "RUNWRIGHT_TEST_CACHE": str(cache)}
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout

    try:
        assignments = call("start")
        assert f"export RUNWRIGHT_TEST_{name.upper()}_URL=" in assignments
        assert call("start") == assignments
        state = (cache / "running" / f"{name}.json").read_text()
    finally:
        call("stop")
        call("stop")
    assert '"folder": "' in state
    assert list((cache / "running").iterdir()) == []


def test_the_folders_of_killed_servers_are_removed_later() -> None:
    prefix = f"runwright-test-{os.getpid()}-"
    killed, starting, used = (private_folder(prefix) for _ in range(3))
    for old in (killed, used):
        os.utime(old, (0, 0))
    user = subprocess.Popen(["sh", "-c", f"read line; : {used}"], stdin=subprocess.PIPE)
    try:
        # A process has no command line for a moment after it was started.
        assert wait_until(lambda: str(used) in Path(f"/proc/{user.pid}/cmdline").read_text(), 10)
        fresh = private_folder(prefix)
        assert sorted(Path("/tmp").glob(f"{prefix}*")) == sorted([starting, used, fresh])
    finally:
        user.kill()
        user.wait()
        for folder in Path("/tmp").glob(f"{prefix}*"):
            folder.rmdir()
