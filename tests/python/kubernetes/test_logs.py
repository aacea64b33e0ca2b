"""What runs on a cluster print: live and afterwards the same, through cut connections, from every container, also after the pod is gone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import runwright as rw
from runwright import _engine
from tests.cluster.faultproxy import FaultProxy
from tests.cluster.kube import Kube
from tests.servers.processes import wait_until


@rw.function
def talk(lines: int, pause: float = 0.0, width: int = 0) -> int:
    """Print lines."""
    import time

    for number in range(lines):
        print(f"line {number}".ljust(width, "."), flush=bool(pause))
        if pause:
            time.sleep(pause)
    return lines


@rw.function
def say_and_wait(what: str, seconds: float) -> str:
    """Print, then sleep; say so where it is told to end."""
    import signal
    import time

    def end(*_: object) -> None:
        print("bye", flush=True)
        raise SystemExit(1)

    signal.signal(signal.SIGTERM, end)
    print(what, flush=True)
    time.sleep(seconds)
    return what


class Follower:
    """Reads a run's log as it comes, beside the test."""

    def __init__(self, run: rw.Run) -> None:
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read, args=(run,), daemon=True)
        self._thread.start()

    def _read(self, run: rw.Run) -> None:
        for line in run.logs(follow=True):
            self.lines.append(line)

    def whole(self) -> list[str]:
        """All of it, when the run has ended."""
        self._thread.join(120)
        assert not self._thread.is_alive()
        return self.lines

    def until(self, line: str) -> None:
        """Wait until it came."""
        assert wait_until(lambda: line in self.lines, 60), self.lines


@pytest.fixture(autouse=True)
def nobody_reads_on() -> Iterator[None]:
    """Threads of a test end with it."""
    before = threading.active_count()
    yield
    wait_until(lambda: threading.active_count() <= before, 10)


def numbered(count: int) -> list[str]:
    """What `talk` prints."""
    return [f"line {number}" for number in range(count)]


def another_client(home: Any) -> None:
    """What follows is done by a client that knows nothing: another store, another home."""
    _engine._engine = None
    rw.use("kubernetes", home=home)


def test_lines_come_while_the_run_goes_on(here: Kube) -> None:
    run = say_and_wait.run("hello", 60)
    follower = Follower(run)
    follower.until("hello")
    assert run.refresh().state == "RUNNING"
    assert "hello" in str(run.logs())
    run.stop()
    assert follower.whole() == ["hello", "bye"], "the last words, too, though the pod is gone with the stop"
    assert wait_until(lambda: here.get("pods") == [], 60)
    assert list(run.logs()) == ["hello", "bye"]


def test_live_and_archived_are_the_same_bytes(here: Kube) -> None:
    run = talk.run(40, pause=0.2)
    follower = Follower(run)
    run.wait(timeout=120)
    assert follower.whole() == numbered(40)
    assert list(run.logs()) == numbered(40)
    times = [record["t"] for record in run.logs().records()]
    assert times == sorted(times)


def test_fifty_thousand_lines(here: Kube) -> None:
    run = talk.run(50_000)
    follower = Follower(run)
    assert run.wait(timeout=120).result() == 50_000
    assert follower.whole() == numbered(50_000)
    assert list(run.logs()) == numbered(50_000)


def test_long_lines_come_whole(here: Kube) -> None:
    run = talk.run(3, width=40_000).wait(timeout=120)
    assert [len(line) for line in run.logs()] == [40_000] * 3


def test_cut_connections_make_no_gap_and_no_repeat(home: Any, faults: FaultProxy, kube: Kube) -> None:
    rw.use("kubernetes")
    run = talk.run(300, pause=0.05)
    follower = Follower(run)
    for number in (20, 60, 100, 140):
        follower.until(f"line {number}")
        faults.disconnect()
    faults.cut(2000, path="/log")
    follower.until("line 200")
    faults.refuse()
    faults.listen()
    assert run.wait(timeout=120).result() == 300
    assert follower.whole() == numbered(300)
    assert list(run.logs()) == numbered(300)


def test_a_log_that_is_refused_for_a_while(home: Any, faults: FaultProxy, kube: Kube) -> None:
    rw.use("kubernetes")
    faults.answer(500, path="/log", times=2)
    faults.close(path="/log", times=1)
    run = talk.run(10)
    assert run.wait(timeout=120).result() == 10
    assert list(run.logs()) == numbered(10)


def test_a_log_that_may_not_be_read(here: Kube) -> None:
    rules = [rule for rule in here.get("role", "runwright")["rules"] if rule["resources"] != ["pods/log"]]
    here.kubectl("patch", "role", "runwright", "--type=merge", "--patch", json.dumps({"rules": rules}))
    run = talk.run(3)
    assert run.wait(timeout=120).result() == 3
    (record,) = run.logs().records()
    assert record["s"] == "runner"
    assert 'resources: ["pods/log"]' in record["m"]


def test_another_client_reads_the_same(here: Kube, tmp_path: Any) -> None:
    run = say_and_wait.run("hello", 8)
    Follower(run).until("hello")
    another_client(tmp_path / "elsewhere")
    found = rw.attach(run.key)
    assert list(found.logs()) == ["hello"], "while it goes on"
    follower = Follower(found)
    assert found.wait(timeout=120).result() == "hello"
    assert follower.whole() == ["hello"]
    another_client(tmp_path / "late")
    late = rw.attach(run.key)
    assert late.wait(timeout=60).state == "COMPLETED"
    assert list(late.logs()) == ["hello"], "long after"


def test_what_a_vanished_pod_printed(here: Kube, tmp_path: Any) -> None:
    run = say_and_wait.run("first", 6)
    Follower(run).until("first")
    pod = here.get("pods")[0]["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": here.namespace}}
    here.api.request("POST", f"/api/v1/namespaces/{here.namespace}/pods/{pod}/eviction", eviction)
    assert run.wait(timeout=120).result() == "first"
    assert list(run.logs()) == ["first", "bye", "first"], "of both attempts"
    assert [record["a"] for record in run.logs().records()] == [1, 1, 2]
    # Whoever comes after the pod went is told that there was more, if there is anything left that tells.
    here.kubectl("delete", "pods", "--all", "--wait=true")
    another_client(tmp_path / "late")
    late = rw.attach(run.key)
    late.wait(timeout=60)
    assert [record["s"] for record in late.logs().records()] in ([], ["runner"])


def test_more_than_the_kubelet_keeps(here: Kube, tmp_path: Any) -> None:
    run = talk.run(30_000, pause=0.001, width=1000)
    run.wait(timeout=180)
    assert [line.rstrip(".") for line in run.logs()] == numbered(30_000), "read as it came"
    another_client(tmp_path / "late")
    late = rw.attach(run.key)
    late.wait(timeout=60)
    first, *others = late.logs().records()
    assert (first["s"], "rotated" in first["m"]) == ("runner", True)
    assert [record["m"].rstrip(".") for record in others] == numbered(30_000)[-len(others) :]
    assert 0 < len(others) < 30_000


def test_logs_of_a_fan_out(here: Kube) -> None:
    runs = talk.map([{"lines": 2}, {"lines": 3}])
    assert runs.results() == [2, 3]
    assert [list(run.logs()) for run in runs] == [numbered(2), numbered(3)]


def test_init_containers_come_first(here: Kube) -> None:
    confined = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    prepare = {
        "name": "prepare",
        "image": here.image("busybox:1"),
        "command": ["sh", "-c", "echo preparing; sleep 3; echo prepared"],
        "securityContext": confined,
    }
    run = talk.run(2, pod_template={"spec": {"initContainers": [prepare]}})
    follower = Follower(run)
    follower.until("preparing")
    assert run.refresh().state == "PENDING"
    run.wait(timeout=120)
    assert follower.whole() == ["preparing", "prepared", *numbered(2)]
    assert [record.get("c") for record in run.logs().records()] == ["prepare", "prepare", None, None]


def test_a_resumed_run_goes_on_with_its_log(here: Kube) -> None:
    run = say_and_wait.run("hello", 5)
    Follower(run).until("hello")
    run.stop()
    assert list(run.logs()) == ["hello", "bye"]
    run.resume()
    follower = Follower(run)
    assert run.wait(timeout=120).result() == "hello"
    assert follower.whole() == ["hello", "bye", "hello"]
    assert list(run.logs()) == ["hello", "bye", "hello"]
    run.delete()
    assert not list(here.kubeconfig.parent.glob("home/artifacts/*/run/*/log*")), "nothing is left of it"
