"""Services on a cluster: a function or an image as a Deployment that is awaited, asked, scaled, updated, stopped and resumed."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

import runwright as rw
from runwright import _engine, place
from runwright.exceptions import BackendError, ForbiddenError
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


def words() -> str:
    """Say something, and where."""
    import socket

    print("asked", flush=True)
    return socket.gethostname()


def test_the_logs_of_all_replicas_are_one(here: Kube, wheels: WheelIndex) -> None:
    """Followed, each line comes once, with the pod that printed it; a stop ends the log, a resumed service goes on with it."""
    run = rw.function(words).run(action="serve", envs=wheels.environment, replicas=2).wait(180)
    lines: list[dict[str, Any]] = []
    reader = threading.Thread(target=lambda: lines.extend(run.logs(follow=True).records()))
    reader.start()
    # Through the API server one of both is asked, whichever.
    asked: list[str] = []

    def ask() -> bool:
        asked.append(run.invoke(json={}).json())
        return len({*asked}) == 2

    assert wait_until(ask, 60), asked
    pods = {pod["metadata"]["name"] for pod in here.get("pods")}
    assert {*asked} == pods
    assert run.stop().state == "STOPPED"
    reader.join(60)
    assert not reader.is_alive(), "the log ends with the run"
    told = [line["p"] for line in lines if line["m"] == "asked"]
    assert {pod: told.count(pod) for pod in pods} == {pod: asked.count(pod) for pod in pods}
    assert [line["m"] for line in lines] == list(run.logs())
    assert "begins" not in list(run.logs())
    run.resume()
    again = run.wait(120).invoke(json={}).json()
    assert again not in pods
    assert wait_until(lambda: any(line["m"] == "asked" and line["p"] == again for line in run.logs().records()), 30)
    run.stop()


def test_what_a_service_is_made_of(here: Kube, wheels: WheelIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it belongs to its Deployment and goes with it; its pod has no token, and passes the `restricted` that the namespace enforces."""
    monkeypatch.setenv("WORD", "open sesame")
    here.allow("autoscale")
    run = rw.function(scaled).run(
        action="serve", envs=wheels.environment, secrets=["WORD"], resources={"cpu": "50m"}, autoscale={"max": 2}, factor=2.0
    )
    run.wait(180)
    assert run.invoke(json={"rows": [[1, 2]]}).json() == [6.0]
    made = {name.partition("/")[0] for name in here.objects()}
    assert made >= {"Deployment", "ReplicaSet", "Pod", "Service", "Secret", "HorizontalPodAutoscaler", "ConfigMap", "EndpointSlice"}
    deployment = here.get("deployment", f"rw-{run.id}")
    for kind in ("service", "secret", "hpa"):
        (owner,) = here.get(kind, f"rw-{run.id}")["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["kind"]) == (deployment["metadata"]["uid"], "Deployment"), kind
    spec = here.get("pods")[0]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert not [volume for volume in spec["volumes"] if "projected" in volume]
    assert spec["securityContext"]["runAsNonRoot"] is True
    run.stop()
    run.delete()
    rw.gc(0)
    assert wait_until(lambda: here.objects() == [], 60), here.objects()


def echo(context: Any, event: Any) -> Any:
    """Send back what came."""
    if event.path == "/slow":
        time.sleep(5)
    if event.path == "/large":
        return b"x" * 8_000_000
    facts = {"method": event.method, "path": event.path, "header": event.headers.get("x-word"), "fields": dict(event.fields)}
    return {**facts, "bytes": len(event.body) if isinstance(event.body, bytes) else event.body}


def test_it_is_asked_from_outside_the_cluster_as_from_inside(here: Kube, wheels: WheelIndex) -> None:
    """Paths, queries, headers and bodies of megabytes go through the API server as they are; too little time and too few rights are told."""
    run = rw.function(echo).run(action="serve", envs=wheels.environment).wait(180)
    answer = run.invoke("/a b/ü?x=1", params={"y": "2 3"}, headers={"X-Word": "hello"}).json()
    assert (answer["method"], answer["path"], answer["header"]) == ("GET", "/a b/ü", "hello")
    assert answer["fields"] == {"x": "1", "y": "2 3"}
    assert run.invoke("/", data=b"\x00" * 5_000_000).json()["bytes"] == 5_000_000
    assert run.invoke("/", json={"a": [1]}).json()["bytes"] == {"a": [1]}
    large = run.invoke("/large")
    assert (large.status_code, len(large.content)) == (200, 8_000_000)
    with pytest.raises(BackendError, match=r"did not answer within 0\.5 s") as late:
        run.invoke("/slow", timeout=0.5)
    assert "timeout=" in str(late.value.cure)
    with pytest.raises(ForbiddenError, match="services/proxy") as refused:
        run.invoke("/", method="DELETE")
    assert "delete" in str(refused.value.cure)
    run.stop()
