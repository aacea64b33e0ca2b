"""A run that serves: under the supervisor, with its record."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from execute_lab import Lab, exists, until

from runwright.exceptions import BackendError
from runwright.response import request

_CODE = """
import os, signal
import runwright as rw

@rw.function
def f(run, x: int, do: str = ""):
    if do == "metric":
        rw.log_metric("seen", x)
    if do == "eat":
        bytearray(b"x") * (512 << 20)
    if do == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if do == "raise":
        raise ValueError(f"no entry with {os.environ['TOKEN']}")
    print(f"called with {x}")
    return {"pid": os.getpid(), "x": x, "run": run.key, "pad": do * 2000}

def handler(context, event, project, run):
    return [context.run.key == run.key, project.name, context.parameters, context.project is project]

def broken(context, event): ...

def init_broken(context):
    raise LookupError("no model")
"""


def _serve(lab: Lab, handler: str = "functions:f", python: str | None = None, **more: Any) -> tuple[str, subprocess.Popen[str], str]:
    """Start a run that serves; its id, process and URL."""
    settings = {"port": 0, **more.pop("serve", {})}
    run_id = lab.prepare(_CODE, handler=handler, serve=settings, action="serve", grace=10, **({"python": python} if python else {}), **more)
    process = lab.start(run_id, python)
    until(lambda: lab.at(run_id).events("ready") or process.poll() is not None, timeout=60)
    ready = lab.at(run_id).events("ready")
    return run_id, process, ready[0]["url"] if ready else ""


def test_a_run_serves_until_it_is_stopped(lab: Lab) -> None:
    run_id, process, url = _serve(lab, serve={"workers": 2})
    answer = request(url, json={"x": 3}).json()
    assert (answer["x"], answer["run"]) == (3, f"store://demo/run/python/{run_id}")
    assert request(url, json={"x": "3"}).status_code == 422
    lab.stop(run_id)
    ended = lab.ended(run_id, process)
    assert (ended.end["state"], ended.error["cause"], ended.stderr) == ("STOPPED", "Stopped", "")
    assert [event["type"] for event in ended.events()][-1] == "unready"
    assert ended.events("ready")[0]["port"] == int(url.rpartition(":")[2])
    assert ended.log() == ["called with 3"]
    records = [line for line in ended.lines("log.jsonl") if line["s"] == "logging"]
    assert [line["m"][:10] for line in records] == ["POST / 200", "POST / 422"]
    assert {line["logger"] for line in records} == {"runwright.serve"}
    with pytest.raises(BackendError):
        request(url)


def test_what_handlers_log_is_recorded_whichever_worker_it_was(lab: Lab) -> None:
    run_id, process, url = _serve(lab, serve={"workers": 2, "log_requests": False})
    for number in range(30):
        assert request(url, json={"x": number, "do": "metric"}).status_code == 200
    lab.stop(run_id)
    ended = lab.ended(run_id, process)
    assert sorted(event["value"] for event in ended.events("metric")) == list(range(30))


def test_parameters_and_inputs_of_the_run_are_given_to_every_call(lab: Lab) -> None:
    code = """
    def scale(rows: list, factor, model):
        return [factor * model["weight"] * row for row in rows]

    def init(context, model):
        context.model = model

    def handler(context, event):
        return context.model["weight"] * context.parameters["factor"]

    def prepared(rows: list, context, factor=1):
        return [context.model["weight"] * factor * row for row in rows]
    """
    inputs = {"model": {"type": "value", "value": {"weight": 5}}}
    for handler, body, answer in [
        ("scale", {"rows": [1, 2]}, [10, 20]),
        ("handler", None, 10),
        ("prepared", {"rows": [1, 2]}, [10, 20]),
    ]:
        run_id = lab.prepare(code, handler=f"functions:{handler}", serve={"port": 0}, parameters={"factor": 2}, inputs=inputs)
        process = lab.start(run_id)
        until(lambda lab=lab, run_id=run_id, process=process: lab.at(run_id).events("ready") or process.poll() is not None)
        url = lab.at(run_id).events("ready")[0]["url"]
        assert request(url, json=body).json() == answer
        if handler == "scale":
            assert [one["name"] for one in request(url).json()["parameters"]] == ["rows"]
            assert "no parameter 'factor'" in request(url, json={"rows": [], "factor": 3}).json()["message"]
        lab.stop(run_id)
        assert lab.ended(run_id, process).end["state"] == "STOPPED"
    run_id = lab.prepare(code, handler="functions:scale", serve={"port": 0}, parameters={"fcator": 2}, inputs=inputs)
    error = lab.ended(run_id, lab.start(run_id)).error
    assert (error["cause"], error["message"]) == ("InputError", "f() has no parameter 'fcator'")


def test_long_records_of_several_workers_stay_whole(lab: Lab) -> None:
    code = """
    import logging
    def f(n: int):
        logging.getLogger("mine").info("%d %s", n, chr(65 + n) * 30_000)
    """
    run_id = lab.prepare(code, serve={"port": 0, "workers": 3, "log_requests": False})
    process = lab.start(run_id)
    until(lambda: lab.at(run_id).events("ready") or process.poll() is not None)
    url = lab.at(run_id).events("ready")[0]["url"]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda n: request(url, json={"n": n}), range(24)))
    assert [answer.status_code for answer in answers] == [200] * 24
    lab.stop(run_id)
    ended = lab.ended(run_id, process)
    found = sorted((line["m"] for line in ended.lines("log.jsonl") if line.get("logger") == "mine"), key=lambda text: int(text.split()[0]))
    assert found == [f"{n} {chr(65 + n) * 30_000}" for n in range(24)]


def test_a_handler_of_events_gets_the_run(lab: Lab) -> None:
    _, _, url = _serve(lab, handler="functions:handler", parameters={"a": 1})
    assert request(url).json() == [True, "demo", {"a": 1}, True]


def test_secrets_are_in_no_answer_and_no_log(lab: Lab) -> None:
    run_id, process, url = _serve(lab, secrets={"TOKEN": "very-secret-value"})
    answer = request(url, json={"x": 1, "do": "raise"})
    assert answer.json() == {"error": "ValueError", "message": "no entry with ***"}
    lab.stop(run_id)
    ended = lab.ended(run_id, process)
    assert any("no entry with ***" in line["m"] for line in ended.lines("log.jsonl"))


def test_a_worker_that_dies_is_said_and_replaced(lab: Lab) -> None:
    run_id, process, url = _serve(lab)
    with pytest.raises(BackendError):
        request(url, json={"x": 1, "do": "die"})
    until(lambda: len(lab.at(run_id).events("ready")) == 2)
    assert request(url, json={"x": 1}).status_code == 200
    lab.stop(run_id)
    ended = lab.ended(run_id, process)
    assert [event["type"] for event in ended.events() if "ready" in event["type"]] == ["ready", "unready", "ready", "unready"]
    assert any("killed by SIGKILL" in line["m"] for line in ended.lines("log.jsonl"))


def test_a_handler_that_eats_all_memory_costs_its_worker_only(lab: Lab, small_group: str) -> None:
    lab.enter_group(small_group)
    run_id, process, url = _serve(lab)
    with pytest.raises(BackendError):
        request(url, json={"x": 1, "do": "eat"})
    until(lambda: len(lab.at(run_id).events("ready")) == 2)
    assert request(url, json={"x": 1}).status_code == 200
    lab.stop(run_id)
    ended = lab.ended(run_id, process)
    assert ended.end["state"] == "STOPPED"
    assert any("OutOfMemory" in line["m"] for line in ended.lines("log.jsonl"))


def test_what_keeps_it_from_starting_is_the_error_of_the_run(lab: Lab) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for handler, settings, cause, kind, words in [
            ("functions:f", {"port": port}, "PortInUse", "OSError", f"port {port} of 127.0.0.1 is in use"),
            ("functions:g", {}, "ImportFailed", None, "has no 'g'"),
            ("functions:broken", {"init": "init_broken"}, "UserError", "LookupError", "no model"),
            ("functions:f", {"concurrency": 0}, "InputError", None, "concurrency is 0"),
        ]:
            run_id, process, url = _serve(lab, handler=handler, serve=settings)
            ended = lab.ended(run_id, process)
            assert (url, ended.end["state"], ended.error["cause"], ended.error["type"]) == ("", "ERROR", cause, kind), ended.error
            assert words in ended.error["message"]


def test_everything_ends_with_the_supervisor(lab: Lab) -> None:
    run_id, process, url = _serve(lab, serve={"workers": 2})
    pid = request(url, json={"x": 1}).json()["pid"]
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: not exists(pid))
    with pytest.raises(BackendError):
        request(url)
    assert not lab.is_alive(run_id)


def test_the_server_comes_by_the_requirements(lab: Lab) -> None:
    """In a virtual environment of just those, made by the runner."""
    from runwright.execute.serve import REQUIREMENTS

    run_id = lab.prepare(_CODE, serve={"port": 0}, requirements=list(REQUIREMENTS))
    process = lab.start(run_id)
    until(lambda: lab.at(run_id).events("ready") or process.poll() is not None, timeout=200)
    assert request(lab.at(run_id).events("ready")[0]["url"], json={"x": 2}).json()["x"] == 2
    lab.stop(run_id)
    assert lab.ended(run_id, process).end["state"] == "STOPPED"
