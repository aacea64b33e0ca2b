"""How the results of a run in a pod come back without a store: in the message, in the stream; and when its container was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from execute_lab import until
from pod_lab import BOOT, Came, Pod, zipped
from pod_results_lab import LIMIT, Folder, Store, refuse


def filled(folder: Folder, size: int) -> None:
    """Make the payload exactly `size` bytes."""
    folder.end["outputs"] = {"x": {"type": "value", "value": ""}}
    encoded = json.dumps({"events": [], "end": folder.end, "files": {}}, separators=(",", ":"))
    folder.end["outputs"]["x"]["value"] = "ä" + "x" * (size - len(encoded) - 2)


@pytest.mark.parametrize(("size", "channel"), [(4095, "message"), (4096, "message"), (4097, "stream")])
def test_the_message_holds_4096_bytes(folder: Folder, size: int, channel: str) -> None:
    filled(folder, size)
    came = folder.back()
    assert came.channel == channel
    assert came.payload == {"events": [], "end": folder.end, "files": {}}
    assert (len(came.message) == size) == (channel == "message")


def test_files_come_in_the_order_of_their_paths(folder: Folder) -> None:
    contents = {"outputs/b/1": b"one", "outputs/a/2": b"", "outputs/c/ü": b"three" * 2000}
    for path, content in contents.items():
        folder.add(path, content)
    folder.add("outputs/.entities/x/e", b"entity", output=False)
    folder.add("outputs/.entities/x/e", b"entity", output=False)
    came = folder.back()
    assert came.files() == {**contents, "outputs/.entities/x/e": b"entity"}
    assert list(came.payload["files"]) == sorted(came.payload["files"])


def test_a_stream_of_just_the_limit(folder: Folder) -> None:
    folder.add("outputs/a/data", os.urandom(LIMIT - 2000))
    total = folder.back().announced["stream"]["bytes"]
    assert folder.back(limit=total).channel == "stream"
    came = folder.back(limit=total - 1)
    assert (came.channel, came.state, came.error["cause"]) == ("message", "ERROR", "ResultTooLarge")
    assert f"{LIMIT - 2000:,} bytes" in came.error["message"]
    assert "RUNWRIGHT_ARTIFACTS" in came.error["cure"]
    assert (came.end["outputs"], came.end["names"], came.payload["files"]) == ({}, [], {})


@pytest.mark.parametrize("end", ["ERROR", "STOPPED", None])
def test_a_run_that_failed_anyway_brings_what_there_is_room_for(folder: Folder, end: str | None) -> None:
    for name, size in (("large", 60_000), ("small", 10), ("middle", 20_000)):
        folder.add(f"outputs/.entities/{name}/data", os.urandom(size), output=False)
    error = {"cause": "UserError", "message": "its own"}
    folder.end = end and {**folder.end, "state": end, "error": error}
    came = folder.back()
    assert came.state == end
    assert end is None or came.error == error
    assert {path.split("/")[2]: len(content) for path, content in came.files().items()} == {"small": 10, "middle": 20_000}


def test_events_without_end_are_cut(folder: Folder) -> None:
    folder.events = [{"type": "metric", "time": 1.0, "name": os.urandom(50).hex(), "value": n} for n in range(5000)]
    came = folder.back()
    assert (came.channel, came.state, came.error["cause"]) == ("stream", "ERROR", "ResultTooLarge")
    assert came.announced["stream"]["bytes"] <= LIMIT
    assert came.events == folder.events[: len(came.events)]
    assert len(came.events) > 50
    assert came.end["dropped"]["events"] == 5000 - len(came.events)


def test_a_result_that_is_too_large_itself(folder: Folder) -> None:
    folder.end["outputs"] = {"x": {"type": "value", "value": os.urandom(100_000).hex()}}
    folder.events = [{"type": "metric", "time": 1.0, "name": "m", "value": 1}]
    came = folder.back()
    assert (came.state, came.error["cause"], came.end["outputs"], came.events) == ("ERROR", "ResultTooLarge", {}, folder.events)


def test_an_error_that_is_too_large_itself(folder: Folder) -> None:
    error = {"cause": "UserError", "message": os.urandom(16_000).hex(), "traceback": os.urandom(100_000).hex(), "attributes": {}, "log": []}
    folder.end = {**folder.end, "state": "ERROR", "error": error}
    came = folder.back()
    assert (came.state, came.error["cause"]) == ("ERROR", "UserError")
    assert came.error["message"][:50] == error["message"][:50]


def test_half_an_event_is_none(folder: Folder) -> None:
    folder.events = [{"type": "metric", "time": 1.0, "name": "m", "value": 1}]
    folder.partial = b'{"type":"metric","ti'
    folder.end = None
    came = folder.back()
    assert (came.state, came.payload) == (None, {"events": folder.events, "end": None, "files": {}})


def test_files_that_are_gone_are_not_named(folder: Folder) -> None:
    folder.add("outputs/a/data", b"1")
    os.unlink(folder.path / "outputs/a/data")
    folder.events.append({"type": "entity", "time": 1.0, "entity": {"output": {"path": None}}})
    folder.events.append({"type": "entity", "time": 1.0, "entity": {}})
    assert folder.back().payload["files"] == {}


def test_a_message_that_cannot_be_written_is_said(folder: Folder, capfd: pytest.CaptureFixture[str]) -> None:
    (folder.root / "termination-job").mkdir()
    with pytest.raises(IsADirectoryError):
        folder.back()  # reading it; it was written before
    assert "the termination message could not be written" in capfd.readouterr().out
    assert (folder.root / "home" / "results").read_text().startswith("t {")


@pytest.mark.parametrize("size", [0, 100, 7_000_000])
def test_a_main_that_was_killed(pod: Pod, size: int) -> None:
    """As the kernel does it where memory ran out: all processes of the container at once."""
    code = f"""
        import os, time
        def f(run):
            run.log_metric("loss", 1.0)
            if {size}: run.log_artifact("kept", data=os.urandom({size}))
            print("ready", flush=True)
            time.sleep(60)
    """
    pod.lay(code)
    results, job = pod.start("results"), pod.start("job")
    assert job.stdout is not None
    assert job.stdout.readline() == "ready\n"
    time.sleep(0.2)  # reports have a pipe of their own
    job.send_signal(signal.SIGKILL)
    came = pod.came(job, results)
    assert (came.code, came.state, came.end) == (-signal.SIGKILL, None, None)
    assert [event["value"] for event in came.events if event["type"] == "metric"] == [1.0]
    assert pod.message("job") == b""
    assert pod.message("results") == came.message
    assert came.channel == ("stream" if size else "message")
    if size:
        assert [len(content) for content in came.files().values()] == [size]


def test_a_main_that_was_killed_while_it_delivered(pod: Pod, store: Store) -> None:
    stuck = threading.Event()

    def hold(request: BaseHTTPRequestHandler) -> None:
        request.rfile.read(int(request.headers["Content-Length"]))
        stuck.set()
        time.sleep(60)

    store.answers = [hold, store.fine]
    pod.lay("def f(): return b'content'", pod={"slots": [store.url]})
    results, job = pod.start("results"), pod.start("job")
    assert stuck.wait(30)
    job.kill()
    came = pod.came(job, results)
    # Its end was written, and its container's exit code says nothing of it.
    assert (came.code, came.state) == (-signal.SIGKILL, "COMPLETED")
    assert [body for _, body in store.seen] == [b"content"]
    assert [facts["slot"] for facts in came.payload["files"].values()] == [0]


def test_a_stop_while_it_delivers_leaves_little_time(pod: Pod, store: Store) -> None:
    failed = threading.Event()

    def no(request: BaseHTTPRequestHandler) -> None:
        refuse(503)(request)
        failed.set()

    store.answers = [no]
    pod.environment["RUNWRIGHT_POD_PATIENCE"] = "3600"
    pod.lay("def f(): return b'content'", pod={"slots": [store.url]})
    results, job = pod.start("results"), pod.start("job")
    assert failed.wait(30)
    job.terminate()
    came = pod.came(job, results)
    assert (came.code, came.error["cause"]) == (1, "OutputError")


def test_results_is_told_to_end_before_the_run_began(pod: Pod) -> None:
    pod.lay("def f(): pass")
    results = pod.start("results")
    # Only then it hears.
    until(lambda: handles_term(results.pid))
    results.terminate()
    told, _ = results.communicate(timeout=10)
    assert (results.returncode, told) == (0, "")


def test_results_that_is_started_again_stays_until_it_is_told(pod: Pod) -> None:
    """The kubelet ends a pod with other sidecars only while this one lives."""
    pod.lay("def f(): return 1")
    results, job = pod.start("results"), pod.start("job")
    first = pod.came(job, results)
    again = pod.start("results")
    with pytest.raises(subprocess.TimeoutExpired):
        again.wait(1.5)
    again.terminate()
    told, _ = again.communicate(timeout=10)
    assert again.returncode == 0
    assert told.splitlines()[-1] == first.printed.splitlines()[-1], "what it said before, for whoever reads only its last log"


def handles_term(pid: int) -> bool:
    """Whether a process has a handler for SIGTERM."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False


def test_results_is_told_to_end_while_the_run_goes_on(pod: Pod) -> None:
    """Clusters before 1.29 tell all containers at once; what main does in its grace must still come back."""
    code = """
        import time
        def f(run):
            run.log_metric("early", 1)
            print("ready", flush=True)
            time.sleep(60)
    """
    pod.lay(code)
    results, job = pod.start("results"), pod.start("job")
    assert job.stdout is not None
    assert job.stdout.readline() == "ready\n"
    until(lambda: (pod.root / "home" / "claim").exists() and handles_term(results.pid))
    results.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        results.wait(1.5)
    job.terminate()
    came = pod.came(job, results)
    assert (came.state, came.error["cause"]) == ("STOPPED", "Stopped")


def test_events_come_while_the_run_goes_on(pod: Pod) -> None:
    code = """
        import os, sys, time
        def f(run, gate):
            for n in range(5): run.log_metric("m", n)
            while not os.path.exists(gate): time.sleep(0.01)
            for n in range(5, 8): run.log_metric("m", n)
    """
    gate = pod.root / "gate"
    pod.lay(code, parameters={"gate": str(gate)})
    results, job = pod.start("results"), pod.start("job")
    assert results.stdout is not None
    live = []
    while len(live) < 7:
        line = results.stdout.readline()
        assert line.startswith("e ")
        live.append(json.loads(line[2:]))
    assert [event.get("value") for event in live if event["type"] == "metric"] == list(range(5))
    gate.touch()
    job.wait(30)
    results.wait(30)
    came = Came(pod.root, 0, "", results.stdout.read())
    assert came.events[: len(live)] == live
    assert len([event for event in came.events if event["type"] == "metric"]) == 8


def test_live_events_are_the_first_and_end_at_256_kib(pod: Pod) -> None:
    code = """
        import os, time
        def f(run, gate):
            for n in range(20):
                run.log_result(f"r{n}", "x" * 40_000)
                time.sleep(0.1)
            while not os.path.exists(gate): time.sleep(0.01)
    """
    gate = pod.root / "gate"
    pod.lay(code, parameters={"gate": str(gate)})
    results, job = pod.start("results"), pod.start("job")
    threading.Timer(4.0, gate.touch).start()
    came = pod.came(job, results)
    assert 4 <= len(came.live) < 20
    assert came.live == came.events[: len(came.live)]
    assert sum(len(line) for line in came.printed.splitlines() if line.startswith("e ")) <= 256 * 1024 + 2 * 20
    assert len(came.events) > 20


def test_results_waits_for_a_run_that_takes_its_time_to_deliver(pod: Pod, store: Store) -> None:
    def slow(request: BaseHTTPRequestHandler) -> None:
        time.sleep(1.5)
        store.fine(request)

    store.answers = [slow]
    pod.lay("def f(): return b'content'", pod={"slots": [store.url]})
    came = pod.run()
    assert (came.code, came.state) == (0, "COMPLETED")


def test_a_disk_without_room_for_the_stream(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.add("outputs/a/data", os.urandom(1000))
    from runwright.execute.pod import payload

    write, tries = payload.write_results, []

    def full(path: str, message: bytes, parts: Any = ()) -> None:
        tries.append(parts)
        if parts:
            raise OSError(28, "No space left on device")
        write(path, message)

    monkeypatch.setattr(payload, "write_results", full)
    came = folder.back()
    assert (came.state, came.error["cause"], len(tries)) == ("ERROR", "DiskFull", 2)


def test_urls_are_nowhere_in_the_runs_folder(pod: Pod, store: Store) -> None:
    pod.lay("def f(): return b'content'", pod={"slots": [store.url]})
    pod.run()
    found = b"".join(path.read_bytes() for path in (pod.root / "home").rglob("*") if path.is_file())
    assert b"hidden" not in found


@pytest.mark.parametrize("dies", [False, True])
def test_an_item_of_a_map_has_slots_of_its_own(pod: Pod, store: Store, dies: bool) -> None:
    """They travel in the luggage, where the other container finds them, too, and come to lie nowhere else."""
    code = "import os, time\ndef f(run):\n    run.log_artifact('a', source=__file__)\n    time.sleep(0.3)\n    "
    pod.lay(code + ("os.kill(os.getppid(), 9)" if dies else "return b'content'"), pod={"luggage": 1})
    (pod.root / "luggage" / "0").mkdir()
    items = [{"slots": []}, {"slots": [store.url, store.url]}]
    content = zipped({"items.jsonl": "".join(json.dumps(item) + "\n" for item in items)})
    (pod.root / "luggage" / "0" / "luggage").write_bytes(content)
    pod.environment["JOB_COMPLETION_INDEX"] = "1"
    came = pod.run()
    assert len(store.seen) == (1 if dies else 2), came.payload
    found = b"".join(path.read_bytes() for path in (pod.root / "home").rglob("*") if path.is_file())
    assert b"hidden" not in found


def test_nothing_is_asked_of_the_network_without_slots(pod: Pod) -> None:
    if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode != 0:
        pytest.skip("no rights to make a namespace of networks")
    pod.lay("def f(): return b'content'")
    results = pod.start("results")
    environment = {**pod.environment, "RUNWRIGHT_TERMINATION": str(pod.root / "termination-job")}
    command = ["unshare", "--net", pod.python, "-I", "-S", "-c", BOOT, "job"]
    job = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert list(pod.came(job, results).files().values()) == [b"content"]
