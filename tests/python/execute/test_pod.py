"""A run in a pod: what came with its Job, how it goes on, how it ends. How results come back: test_pod_results.py."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from execute_lab import PYTHON, exists, pythons, until
from pod_lab import BOOT, RUN_ID, Pod, annotation, zipped
from test_execute_secrets import PEM, TOKEN, everything, forms

RETURNS = "def f(): return 7"


def of(path: str) -> str:
    return path.rpartition("/versions/")[2].partition("/")[0]


@pytest.mark.parametrize("python", pythons(), ids=of)
def test_every_python_from_3_9_runs_it_out_of_the_zip(pod: Pod, python: str) -> None:
    code = """
        import asyncio, logging, os, sys
        from runwright import log_metric
        async def f(run, a, b=2):
            print("out"); print("err", file=sys.stderr, flush=True); logging.getLogger("x").info("told")
            log_metric("loss", 0.5)
            run.log_artifact("art", data=b"art")
            await asyncio.sleep(0)
            return {"total": a + b, "data": b"bytes", "when": (1, 2), "code": os.path.dirname(__file__)}
    """
    pod.lay(code, parameters={"a": 1})
    pod.python = python
    came = pod.run()
    assert came.code == 0, came.stdout
    assert came.end["state"] == came.state == "COMPLETED"
    assert came.values["total"] == 3
    assert came.values["code"].startswith(f"{pod.root}/home/code/")
    assert sorted(came.stdout.splitlines()) == ["INFO x: told", "err", "out"]
    assert [event["type"] for event in came.events if event["type"] != "mark"] == ["running", "metric", "entity"]
    files = came.files()
    assert files[came.end["outputs"]["data"]["path"]] == b"bytes"
    assert sorted(files) == list(files)
    assert b"art" in files.values()


def test_a_plain_run_costs_no_log_line_but_its_own(pod: Pod) -> None:
    pod.lay(RETURNS)
    came = pod.run()
    assert (came.code, came.channel, came.values, came.stdout) == (0, "message", {"result": 7}, "")
    assert not os.path.exists(pod.root / "home" / "runs" / RUN_ID / "log.jsonl")
    with open(pod.root / "home" / "runs" / RUN_ID / "run.json", encoding="utf-8") as file:
        assert "pod" not in json.load(file)


def test_an_error_of_the_users(pod: Pod) -> None:
    pod.lay("def f():\n    print('before')\n    return 1 / 0")
    came = pod.run()
    assert (came.code, came.error["cause"], came.error["type"]) == (1, "UserError", "ZeroDivisionError")
    assert came.error["log"] == ["before"]
    # Frames of the runner's own, in the zip, are no part of it.
    assert "runner.zip" not in came.error["traceback"]
    assert "return 1 / 0" in came.error["traceback"]


def test_retries_and_records_are_lines(pod: Pod) -> None:
    code = """
        import logging
        def f(run):
            logging.getLogger("a.b").error("one\\ntwo")
            assert run.attempt == 2
    """
    pod.lay(code, retries={"limit": 1, "delay": 0, "factor": 1, "max_delay": 0})
    lines = pod.run().stdout.splitlines()
    assert lines[:2] == lines[3:] == ["ERROR a.b: one", "two"]
    assert lines[2].startswith("runwright: attempt 1 failed (UserError:")


def test_secrets_come_back_nowhere(pod: Pod) -> None:
    code = """
        import base64, logging, os
        def f(run):
            token = os.environ["TOKEN"]
            print(token, repr(token), base64.b64encode(token.encode()).decode())
            print(os.environ["PEM"])
            logging.warning("log %s", token)
            run.log_result("mine", token)
            assert os.environ["SHORT"] == "1"
            error = ValueError("with " + token)
            error.token = token
            raise error
    """
    pod.lay(code, {"TOKEN": TOKEN, "PEM": PEM, "SHORT": "1"})
    came = pod.run()
    assert came.error["message"] == "with ***"
    assert came.error["attributes"] == {"token": "***"}
    seen = (came.stdout + came.printed + json.dumps(came.payload)).encode() + came.message + everything(str(pod.root / "home"))
    assert b"log ***" in seen
    for form in [*forms(TOKEN), *PEM.encode().strip().split(b"\n")]:
        assert form not in seen, form


@pytest.mark.parametrize("late", ["secrets", "code", "luggage", "runner"])
def test_what_comes_late_is_waited_for(pod: Pod, late: str) -> None:
    code = "import os\ndef f(x): return [os.environ['TOKEN'][:3], x]"
    inputs = {"x": {"path": "inputs/x/data.txt", "format": "txt", "kind": "text", "as": "value"}}
    pod.lay(secrets={"TOKEN": "abcdef"}, pod={"code": "volume", "luggage": 2}, inputs=inputs)
    luggage = zipped({"inputs/x/data.txt": "content"})
    places = {
        "secrets": {pod.root / "secrets" / "TOKEN": b"abcdef"},
        "code": {pod.root / "code" / "code.zip": zipped({"functions.py": code})},
        "luggage": {pod.root / "luggage" / str(n) / "luggage": part for n, part in enumerate((luggage[:50], luggage[50:]))},
        "runner": {pod.root / "runner" / "runner.zip": (pod.root / "runner" / "runner.zip").read_bytes()},
    }
    for name, files in places.items():
        for path, content in files.items():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
            if name == late:
                path.rename(f"{path}.later")
    results, job = pod.start("results"), pod.start("job")
    if late != "runner":
        until((pod.root / "home" / "runs" / RUN_ID / "claim").exists)
    with pytest.raises(subprocess.TimeoutExpired):
        job.wait(0.4)
    for path in places[late]:
        Path(f"{path}.later").rename(path)
    assert pod.came(job, results).values["result"] == ["abc", "content"]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"secrets": ["TOKEN", "OTHER"]}, "the secrets TOKEN, OTHER"),
        ({"code": "volume"}, "the code"),
        ({"luggage": 3}, "inputs that travel"),
        ({"luggage": 1, "secrets": ["TOKEN"]}, "the secrets TOKEN and inputs"),
    ],
)
def test_what_does_not_come(pod: Pod, given: dict[str, Any], named: str) -> None:
    pod.lay(RETURNS, pod=given)
    pod.environment["RUNWRIGHT_POD_WAIT"] = "0.3"
    came = pod.run()
    assert (came.code, came.error["cause"], came.end["attempts"]) == (1, "NotStarted", 0)
    assert came.error["message"].startswith(named)
    assert "within 0.3 s" in came.error["message"]
    assert "run it again" in came.error["cure"]


def refused(pod: Pod, **options: Any) -> dict[str, Any]:
    """The error of a run that BOOT itself refuses."""
    results, job = pod.start("results", **options), pod.start("job", **options)
    told, _ = job.communicate(timeout=30)
    message = json.loads(pod.message())
    assert job.returncode == 1
    assert message["end"]["error"]["cause"] == "NotStarted"
    assert told == f"runwright: {message['end']['error']['message']}\n"
    # Were it to end, the kubelet would start it again and again.
    with pytest.raises(subprocess.TimeoutExpired):
        results.wait(0.3)
    results.terminate()
    assert results.wait(10) == 0
    return message["end"]["error"]


def test_a_runner_that_does_not_come(pod: Pod) -> None:
    pod.lay(RETURNS)
    (pod.root / "runner" / "runner.zip").unlink()
    pod.environment["RUNWRIGHT_POD_WAIT"] = "0.2"
    assert "the runner did not arrive" in refused(pod)["message"]


def test_a_python_without_its_whole_library(pod: Pod) -> None:
    pod.lay(RETURNS)
    error = refused(pod, prelude="import sys\nsys.modules['zlib'] = None\n")
    assert "zlib" in error["message"]
    assert error["cure"] == "use an image with a whole Python"


def test_a_python_that_is_too_old(pod: Pod) -> None:
    pod.lay(RETURNS)
    # Its syntax, then what those that are here say.
    ast.parse(BOOT, feature_version=(3, 4))
    old = [path for minor in (6, 7, 8) for path in sorted(Path("~/.pyenv/versions").expanduser().glob(f"3.{minor}.*/bin/python"))]
    preludes = [(str(path), "") for path in old] + [(PYTHON, "import sys\nsys.version_info = (3, 8, 1)\n")]
    for python, prelude in preludes:
        (pod.root / "termination-job").unlink(missing_ok=True)
        error = refused(pod, python=python, prelude=prelude)
        assert error["message"].startswith("the image's python3 is Python 3.")
        assert error["cure"] == "use an image with Python 3.9 or later"


def test_boot_is_short_and_plain() -> None:
    # It stands twice in each Job and each pod; a shell or a locale must find nothing in it to change.
    assert len(BOOT.encode()) < 1536
    assert BOOT.isascii()


@pytest.mark.parametrize("index", [0, 3])
def test_an_item_of_a_map(pod: Pod, index: int) -> None:
    pod.lay("def f(run, a, b): return [a, b, run.id, run.key]", parameters={"a": "of all"})
    items = [{"parameters": {"a": n, "b": n * 2}} for n in range(4)]
    pod.annotate("items", annotation(zlib.compress(json.dumps(items).encode())))
    pod.environment["JOB_COMPLETION_INDEX"] = str(index)
    identity = f"{RUN_ID[:-8]}{index:08x}"
    assert pod.run().values["result"] == [index, index * 2, identity, f"store://demo/run/python/{identity}"]


def test_an_item_that_dies_is_found_by_its_index(pod: Pod) -> None:
    pod.lay("import os, time\ndef f(run): run.log_metric('m', 1); time.sleep(0.5); os.kill(os.getppid(), 9)")
    pod.annotate("items", json.dumps([{}, {}]).encode())
    pod.environment["JOB_COMPLETION_INDEX"] = "1"
    came = pod.run()
    assert came.code == -signal.SIGKILL
    assert [event["type"] for event in came.events][-1] == "metric"


def test_items_and_their_inputs_in_the_luggage(pod: Pod) -> None:
    given = {"path": "inputs/1/x/data.txt", "format": "txt", "kind": "text", "as": "value"}
    pod.lay("def f(x, n): return x * n", pod={"luggage": 1}, parameters={"n": 1})
    (pod.root / "luggage" / "0").mkdir()
    items = [{}, {"parameters": {"n": 2}, "inputs": {"x": given}}]
    lines = "".join(json.dumps(item) + "\n" for item in items)
    (pod.root / "luggage" / "0" / "luggage").write_bytes(zipped({"inputs/1/x/data.txt": "ab", "items.jsonl": lines}))
    # What the map's Job said before its inputs had come.
    pod.annotate("items", b"[{}, {}]")
    pod.environment["JOB_COMPLETION_INDEX"] = "1"
    came = pod.run()
    assert came.code == 0, came.payload
    assert came.values["result"] == "abab"


def test_urls_that_have_expired(pod: Pod) -> None:
    """Nothing of the user's begins whose inputs and results have no way any more."""
    pod.lay("def f(): print('it began')", pod={"until": 1_700_000_000.5, "slots": ["http://127.0.0.1:9/x?signature=hidden"]})
    came = pod.run()
    assert (came.code, came.error["cause"]) == (1, "NotStarted")
    assert "expired (2023-11-14 22:13:20 UTC)" in came.error["message"]
    assert "url_lifetime=" in came.error["cure"]
    assert "it began" not in came.stdout


def test_an_item_that_the_map_does_not_have(pod: Pod) -> None:
    pod.lay(RETURNS)
    pod.annotate("items", b"[{}]")
    pod.environment["JOB_COMPLETION_INDEX"] = "1"
    error = pod.run().error
    assert (error["cause"], "the map has fewer items than 2" in error["message"]) == ("RunnerError", True)


@pytest.mark.parametrize("content", [b"", b"z:AAAA", b"[1]", b"{", b"\xff"])
def test_a_frozen_run_that_is_none(pod: Pod, content: bytes) -> None:
    pod.annotate("run", content)
    came = pod.run()
    assert (came.code, came.error["cause"], came.end["outputs"]) == (1, "RunnerError", {})
    assert came.stdout.startswith("runwright: the runner itself failed")


def test_a_large_code_zip(pod: Pod) -> None:
    pod.lay(pod={"code": "volume"}, handler="package.module:f")
    files = {f"package/data/{n}.bin": os.urandom(100_000) for n in range(50)}
    code = "import os\ndef f():\n    here = os.path.dirname(__file__) + '/data'\n    return sum(os.path.getsize(f'{here}/{n}') for n in os.listdir(here))"
    (pod.root / "code" / "code.zip").write_bytes(zipped({**files, "package/__init__.py": "", "package/module.py": code}))
    assert pod.run().values["result"] == 5_000_000


@pytest.mark.parametrize("name", ["../escaped", "a/../../escaped", "/escaped", "..\\escaped", "link"])
@pytest.mark.parametrize("what", ["code", "luggage"])
def test_a_zip_that_leads_out_of_its_folder(pod: Pod, name: str, what: str) -> None:
    bad = zipped({"functions.py": RETURNS}, {"link": "/etc"}) if name == "link" else zipped({"functions.py": RETURNS, name: "x"})
    pod.lay(RETURNS, pod={"luggage": 1} if what == "luggage" else {})
    (pod.root / "luggage" / "0").mkdir()
    (pod.root / "luggage" / "0" / "luggage").write_bytes(bad)
    if what == "code":
        pod.annotate("code", annotation(bad))
    error = pod.run().error
    assert (error["cause"], "leads out of the folder" in error["message"]) == ("NotStarted", True)
    assert not list(pod.root.parent.rglob("escaped"))
    assert not os.path.exists("/escaped")


@pytest.mark.parametrize("content", [b"", b"z:", b"z:AAAA", annotation(zipped({"functions.py": RETURNS})[:-30]), b"plain"])
def test_code_that_is_damaged(pod: Pod, content: bytes) -> None:
    pod.lay(RETURNS)
    pod.annotate("code", content)
    error = pod.run().error
    assert error["cause"] == "NotStarted"
    assert error["message"].startswith("the code cannot be unpacked: ")


def served(answer: Callable[[BaseHTTPRequestHandler], None]) -> HTTPServer:
    class Handler(BaseHTTPRequestHandler):
        do_GET = answer

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.mark.parametrize("changed", [False, True])
def test_code_behind_a_url(pod: Pod, changed: bool) -> None:
    code = zipped({"functions.py": RETURNS})

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(code)))
        request.end_headers()
        request.wfile.write(code)

    server = served(answer)
    digest = hashlib.sha256(code + b"x" * changed).hexdigest()
    url = f"http://127.0.0.1:{server.server_port}/bucket/code.zip?signature=hidden"
    pod.lay(pod={"code": {"url": url, "sha256": digest}})
    came = pod.run()
    server.shutdown()
    if changed:
        assert came.error["cause"] == "NotStarted"
        assert came.error["message"].startswith("the code cannot be fetched from http://127.0.0.1:")
        assert "hidden" not in json.dumps(came.payload) + came.stdout
    else:
        assert came.values == {"result": 7}


def test_a_stop(pod: Pod) -> None:
    pod.lay("import time\ndef f(run):\n    run.log_metric('m', 1)\n    print('begun', flush=True)\n    time.sleep(60)")
    results, job = pod.start("results"), pod.start("job")
    assert job.stdout is not None
    assert job.stdout.readline() == "begun\n"
    job.terminate()
    came = pod.came(job, results)
    assert (came.code, came.state, came.error["cause"]) == (143, "STOPPED", "Stopped")
    assert "metric" in [event["type"] for event in came.events]


def test_a_stop_while_it_waits(pod: Pod) -> None:
    pod.lay(RETURNS, pod={"secrets": ["NEVER"]})
    results, job = pod.start("results"), pod.start("job")
    until((pod.root / "home" / "runs" / RUN_ID / "claim").exists)
    job.terminate()
    came = pod.came(job, results)
    assert (came.code, came.state, came.end["attempts"]) == (143, "STOPPED", 0)


def test_a_stop_before_the_runner_is_there(pod: Pod) -> None:
    pod.lay(RETURNS)
    (pod.root / "runner" / "runner.zip").unlink()
    job, results = pod.start("job"), pod.start("results")
    with pytest.raises(subprocess.TimeoutExpired):
        job.wait(0.5)
    for process, code in ((job, 143), (results, 0)):
        process.terminate()
        assert process.wait(10) == code


def test_a_container_that_is_started_anew(pod: Pod) -> None:
    pod.lay("import os\ndef f(): os.kill(os.getppid(), 9)")
    first = pod.start("job")
    assert first.wait(30) == -signal.SIGKILL
    # Not twice.
    assert pod.start("job").wait(30) == 1
    assert json.loads(pod.message())["end"]["error"]["cause"] == "RunnerLost"


def test_a_user_without_a_name_or_a_home() -> None:
    python = "/usr/bin/python3"
    version = subprocess.run([python, "-c", "import sys; print(sys.version_info >= (3, 9))"], capture_output=True, text=True).stdout
    if os.geteuid() != 0 or version != "True\n":
        pytest.skip("needs root, and a system's Python from 3.9 on that other users may run")
    code = """
        import getpass, os, tempfile
        def f():
            open("written", "w").close()
            folder = tempfile.mkdtemp()
            return [os.getuid(), getpass.getuser(), os.path.expanduser("~"), os.path.dirname(folder), os.getcwd()]
    """
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        pod = Pod(Path(folder) / "runwright", python)
        pod.lay(code)
        os.chmod(pod.root / "home", 0o777)
        os.chmod(pod.root, 0o777)  # the termination messages
        for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "TMPDIR"):
            pod.environment.pop(name, None)
        options: dict[str, Any] = {"user": 54_321, "group": 54_321, "extra_groups": [], "cwd": "/", "env": {"HOME": "/"}}
        results, job = pod.start("results", **{**options, "env": {}}), pod.start("job", **options)
        home = f"{pod.root}/home"
        assert pod.came(job, results).values["result"] == [54_321, "runwright", home, f"{home}/tmp", f"{home}/work"]


def test_the_images_home_and_working_folder_stay_where_they_are_of_use(pod: Pod, tmp_path: Path) -> None:
    pod.lay("import os\ndef f(): return [os.path.expanduser('~'), os.getcwd()]")
    results, job = pod.start("results"), pod.start("job", cwd=tmp_path, env={"HOME": str(tmp_path)})
    assert pod.came(job, results).values["result"] == [str(tmp_path), str(tmp_path)]


def test_orphans_are_buried_by_the_first_process(pod: Pod) -> None:
    if subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True).returncode != 0:
        pytest.skip("no rights to make a namespace of processes")
    code = """
        import os, subprocess, time
        def f():
            for _ in range(20):
                subprocess.run(["sh", "-c", "sleep 0.01 & sleep 0.01 &"])
            time.sleep(0.5)
            dead = [pid for pid in os.listdir("/proc") if pid.isdigit() and open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] == "Z"]
            return [os.getppid(), len(dead)]
    """
    pod.lay(code)
    results = pod.start("results")
    command = ["unshare", "--pid", "--fork", "--mount-proc", pod.python, "-I", "-S", "-c", BOOT, "job"]
    environment = {**pod.environment, "RUNWRIGHT_TERMINATION": str(pod.root / "termination-job")}
    job = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert pod.came(job, results).values["result"] == [1, 0]


def test_a_command_runs_too(pod: Pod) -> None:
    pod.lay(task={"command": ["sh", "-c", "echo to $WHOM; exit 3"]}, envs={"WHOM": "all"}, pod={"code": None})
    came = pod.run()
    assert (came.code, came.stdout, came.error["cause"], came.end["exit_code"]) == (1, "to all\n", "ExitCode", 3)


def test_nothing_of_a_stopped_run_stays(pod: Pod) -> None:
    pod.lay("import subprocess, time\ndef f():\n    print(subprocess.Popen(['sleep', '60']).pid, flush=True)\n    time.sleep(60)")
    results, job = pod.start("results"), pod.start("job")
    assert job.stdout is not None
    pid = int(job.stdout.readline())
    job.terminate()
    pod.came(job, results)
    until(lambda: not exists(pid))


def test_base64_of_annotations_may_be_wrapped(pod: Pod) -> None:
    pod.lay(RETURNS)
    code = base64.encodebytes(zipped({"functions.py": RETURNS}))
    pod.annotate("code", b"z:" + code)
    assert pod.run().values == {"result": 7}
