"""Services on a cluster: a function or an image as a Deployment that is awaited, asked, scaled, updated, stopped and resumed."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

import runwright as rw
from runwright import _engine, place
from tests.cluster.kube import Kube
from tests.cluster.wheels import WheelIndex
from tests.servers.processes import wait_until

SERVER = ("uvicorn>=0.30,<1", "httptools>=0.6", "uvloop>=0.17")


@pytest.fixture
def here(home: Path, kube: Kube, wheels: WheelIndex) -> Kube:
    """Runs go to the namespace of the test; its pods find an HTTP server in the index."""
    wheels.add(*SERVER)
    rw.use("kubernetes")
    return kube


def scaled(rows: list[list[float]], factor: float = 1.0) -> list[float]:
    """Sum each row."""
    print("asked", flush=True)
    return [factor * sum(row) for row in rows]


def test_a_function_is_served(here: Kube, wheels: WheelIndex, tmp_path: Path) -> None:
    served = rw.function(scaled)
    run = served.run(action="serve", envs=wheels.environment)
    run.wait(120)
    assert (run.state, run.is_ready) == ("RUNNING", True)
    assert run.url == f"http://rw-{run.id}.{here.namespace}.svc:8080"
    assert run.invoke(json={"rows": [[1, 2], [3]]}).json() == [3.0, 3.0]
    assert run.invoke(json={"rows": 1}).status_code == 422
    assert "asked" in list(run.logs())

    run.scale(2).wait(120)
    assert run.record["service"]["ready"] == 2

    # Another client, with nothing but the key.
    _engine._engine = None
    place._default.clear()
    rw.use("kubernetes", home=tmp_path / "other")
    found = rw.attach(run.key)
    assert found.wait(60).is_ready
    assert found.invoke(json={"rows": [[5]]}).json() == [5.0]

    assert found.stop().state == "STOPPED"
    assert wait_until(lambda: here.kubectl("get", "pods", "-o", "name") == "", 60)
    found.resume()
    assert found.wait(120).is_ready
    found.stop()
    found.delete()
    rw.gc(0)
    assert wait_until(lambda: here.objects() == [], 60), here.objects()


def test_another_version_is_served_without_a_lost_request(here: Kube, wheels: WheelIndex) -> None:
    run = version("def greet():\n    return 'one'\n").run(action="serve", envs=wheels.environment).wait(120)
    answers: list[tuple[int, str]] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            answer = run.invoke(json={})
            answers.append((answer.status_code, answer.text))

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    try:
        run.update(version("def greet():\n    return 'two'\n"))
        assert wait_until(lambda: bool(answers) and answers[-1][1] == '"two"', 120), answers[-3:]
        run.wait(120)
        time.sleep(5)
    finally:
        over.set()
        for asker in askers:
            asker.join()
    assert {status for status, _ in answers} == {200}, [answer for answer in answers if answer[0] != 200][:3]
    assert {text for _, text in answers} == {'"one"', '"two"'}

    # One that does not start: the old one keeps answering, and the run says why.
    run.update(version("def greet():\n    ...\n\n\nraise RuntimeError('no')\n"))
    assert wait_until(lambda: any("does not stay up" in (step.get("message") or "") for step in run.refresh().record["history"]), 120)
    assert run.invoke(json={}).text == '"two"'
    assert run.refresh().state == "RUNNING"
    run.stop()


def version(code: str) -> rw.Function:
    """The next version of one function."""
    project = rw.get_or_create_project("default")
    return project.new_function(name="greet", kind="python", code=code, handler="greet")


def test_one_that_never_answers_says_why(here: Kube, wheels: WheelIndex) -> None:
    @rw.function
    def no_server() -> None:
        """Nothing."""

    run = no_server.run(action="serve", envs={**wheels.environment, "PIP_INDEX_URL": "http://10.244.0.1:9/simple"}).wait(180)
    assert (run.state, run.error.cause) == ("ERROR", "RequirementError")
    assert wait_until(lambda: here.kubectl("get", "pods", "-o", "name") == "", 60), "it does not go on trying"


def test_an_image_is_deployed(here: Kube) -> None:
    server = "mkdir /tmp/w; echo hello > /tmp/w/index.html; exec busybox httpd -f -p 8081 -h /tmp/w"
    web = rw.container(name="web", image=here.image("busybox:1"), command=["sh", "-c", server])
    run = web.run(action="serve", service_ports=[{"port": 80, "target_port": 8081}], replicas=2).wait(120)
    assert run.record["service"]["ready"] == 2
    assert wait_until(lambda: run.invoke("/index.html").text == "hello\n", 20)
    assert run.stop().state == "STOPPED"
