"""Services that fail, on a real cluster: what a caller is answered, what the run says, what goes on, and that nothing is left."""

from __future__ import annotations

import time
from typing import Any

import pytest

import runwright as rw
from runwright.exceptions import BackendError, ImageError, InvalidError, NotReadyError
from tests.cluster.kube import Kube
from tests.cluster.wheels import WheelIndex
from tests.python.kubernetes.conftest import messages
from tests.servers.processes import wait_until

SERVER = ("uvicorn>=0.30,<1", "httptools>=0.6", "uvloop>=0.17")
PORTS = [{"port": 80, "target_port": 8081}]
# A program that serves files; `exec` lets it hear TERM.
WEB = "mkdir -p /tmp/w; echo {text} > /tmp/w/index.html; exec busybox httpd -f -p 8081 -h /tmp/w"


@pytest.fixture
def served(here: Kube, wheels: WheelIndex) -> WheelIndex:
    """Runs go to the namespace of the test; its pods find an HTTP server in the index."""
    wheels.add(*SERVER)
    return wheels


def program(here: Kube, script: str, **spec: Any) -> rw.Function:
    """A container of busybox."""
    return rw.container(name="web", image=here.image("busybox:1"), command=["sh", "-c", script], **spec)


def moody(mood: str = "good", size: int = 0) -> Any:
    """Fails as it is told."""
    if mood == "bad":
        raise RuntimeError("the model is missing")
    if mood == "slow":
        time.sleep(10)
    if mood == "odd":
        return {"answer": object()}
    if mood == "hungry":
        held = bytearray(size)
        held[::1024] = b"x" * len(held[::1024])
    return mood


def test_each_caller_is_told_what_went_wrong_and_the_service_goes_on(here: Kube, served: WheelIndex) -> None:
    """A handler that raises, hangs, returns what is no JSON, gets too much, uses up its memory: each has its answer, the log has the rest."""
    settings = {"timeout": 2, "max_body": 1000}
    run = rw.function(moody).run(action="serve", envs=served.environment, serving=settings, resources={"mem": "200Mi"}).wait(180)

    raised = run.invoke(json={"mood": "bad"})
    assert (raised.status_code, raised.json()) == (500, {"error": "RuntimeError", "message": "the model is missing"})
    hung = run.invoke(json={"mood": "slow"})
    assert (hung.status_code, hung.json()["error"]) == (504, "Timeout")
    odd = run.invoke(json={"mood": "odd"})
    assert (odd.status_code, odd.json()["error"]) == (500, "Unserialisable")
    assert "at ['answer']" in odd.json()["message"]
    large = run.invoke(json={"mood": "x" * 2000})
    assert (large.status_code, large.json()["error"]) == (413, "BodyTooLarge")

    # The kernel kills the worker in the middle of the request; another takes its place.
    with pytest.raises(BackendError, match="closed the connection without an answer") as killed:
        run.invoke(json={"mood": "hungry", "size": 400_000_000}, timeout=60)
    assert "run.logs()" in str(killed.value.cure)
    assert wait_until(lambda: _answer(run) == "good", 60)
    assert run.refresh().state == "RUNNING"
    assert wait_until(lambda: "OutOfMemory" in str(run.logs()), 30), str(run.logs())
    log = str(run.logs())
    assert 'raise RuntimeError("the model is missing")' in log, "the traceback is in the log, and there alone"
    assert run.stop().state == "STOPPED"


def _answer(run: rw.Run) -> Any:
    try:
        answer = run.invoke(json={})
    except BackendError:
        return None
    return answer.json() if answer.ok else None


def test_wrong_requests_are_refused_before_they_are_sent(here: Kube) -> None:
    """Each names its field; where nothing listens, that is said."""
    run = (
        program(here, "sleep 1000").run(action="serve", service_ports=PORTS, pod_template=_probe({"exec": {"command": ["true"]}})).wait(120)
    )
    for request, words in (
        ({"timeout": -1}, "timeout=-1"),
        ({"timeout": "soon"}, "timeout="),
        ({"headers": {"X-A": 3}}, "X-A"),
        ({"headers": {"X A": "3"}}, "X A"),
        ({"method": "P O"}, "method"),
        ({"data": 3}, "data"),
        ({"json": {}, "data": b""}, "data"),
        ({"jsno": {}}, "jsno"),
    ):
        with pytest.raises(InvalidError, match=words):
            run.invoke(**request)
    with pytest.raises(BackendError, match="nothing listens at its port"):
        run.invoke()
    run.stop()


def _probe(probe: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "main", "readinessProbe": {"periodSeconds": 1, **probe}}]}}


def test_one_that_ends_at_start_ends_the_run(here: Kube) -> None:
    """It is started again some times; then the run has failed, with its exit code and its last words, and no pod is left."""
    run = program(here, "echo starting; sleep 1; echo cannot find the model; exit 3").run(action="serve", service_ports=PORTS).wait(200)
    error = run.error
    assert (run.state, error.cause, error.exit_code) == ("ERROR", "ExitCode", 3)
    assert error.log[-1:] == ["cannot find the model"]
    assert "it does not stay up (1): ExitCode: it ended with exit code 3" in messages(run)
    assert wait_until(lambda: here.kubectl("get", "pods", "-o", "name") == "", 60)
    run.delete()
    rw.gc(0)
    assert wait_until(lambda: here.objects() == [], 60), here.objects()


def test_an_image_that_cannot_be_had_ends_the_run_in_its_time(here: Kube) -> None:
    """`start_timeout` holds for services as for jobs; what is waited for is told meanwhile, by a wait that was too short, too."""
    run = rw.container(name="absent", image="10.244.0.1:5000/nothing:1", command=["sleep", "100"]).run(action="deploy", start_timeout=20)
    assert wait_until(lambda: "ImagePull" in messages(run), 60)
    with pytest.raises(TimeoutError, match="ImagePull: the image .* cannot be pulled: the registry has no such image"):
        run.wait(0.1)
    error = run.wait(120).error
    assert isinstance(error, ImageError)
    assert "(start_timeout)" in error.message
    assert "push it" in str(error.cure)
    assert wait_until(lambda: here.kubectl("get", "pods", "-o", "name") == "", 60)


def test_a_probe_that_never_succeeds_ends_the_run_in_its_time(here: Kube) -> None:
    """What the kubelet says of the probe is the reason."""
    wrong = _probe({"httpGet": {"path": "/nothing", "port": 8081}})
    run = program(here, WEB.format(text="hello")).run(action="serve", service_ports=PORTS, start_timeout=10, pod_template=wrong).wait(120)
    assert isinstance(run.error, NotReadyError)
    assert "Readiness probe failed: HTTP probe failed with statuscode: 404" in str(run.error)
    assert "readinessProbe" in str(run.error.cure)


def test_a_program_answers_when_its_port_does(here: Kube) -> None:
    """Without a probe of its own a program is ready when its port takes connections, not when it runs."""
    run = program(here, "sleep 4; " + WEB.format(text="hello")).run(action="serve", service_ports=PORTS).wait(120)
    assert run.invoke("/index.html").text == "hello\n"
    run.stop()


def test_one_that_uses_up_its_memory_is_started_again_and_that_is_told(here: Kube) -> None:
    """OOMKilled: the history says so, and the service goes on, because the next one stays up."""
    volume = {"name": "data", "volume_type": "empty_dir", "mount_path": "/data"}
    start = WEB.format(text="hello")
    # The first dies when it is told to by a file, the second does not look for it.
    script = f"{start.replace('exec ', '')} & [ -e /data/died ] && wait; until [ -e /data/die ]; do sleep 0.2; done; touch /data/died; exec tail /dev/zero"
    run = program(here, script).run(action="serve", service_ports=PORTS, resources={"mem": "20Mi"}, volumes=[volume]).wait(120)
    pod = here.kubectl("get", "pods", "-o", "jsonpath={.items[0].metadata.name}")
    here.kubectl("exec", pod, "--", "touch", "/data/die")
    assert wait_until(lambda: "OutOfMemory: it was killed for using more memory than it may (OOMKilled)" in messages(run), 60), messages(
        run
    )
    assert wait_until(lambda: run.refresh().is_ready, 60)
    assert (run.state, run.invoke("/index.html").text) == ("RUNNING", "hello\n")
    run.stop()


def test_an_update_that_does_not_start_leaves_the_old_version_and_is_taken_back(here: Kube, served: WheelIndex) -> None:
    """A wait raises what is wrong with the new version; the old one answers all the while, and is served again by another update."""
    one = greeting("def greet():\n    return 'one'\n")
    run = one.run(action="serve", envs=served.environment).wait(180)
    bad = greeting("def greet():\n    ...\n\n\nraise RuntimeError('no model in this version')\n")
    with pytest.raises(rw.RunError, match="does not come to answer .*no model in this version") as failed:
        run.update(bad).wait(180)
    assert failed.value.cause == "ImportFailed"
    assert "run.update(" in str(failed.value.cure)
    assert "RuntimeError: no model in this version" in str(failed.value.traceback)
    assert (run.refresh().state, run.invoke(json={}).text) == ("RUNNING", '"one"')

    assert run.update(one).wait(120).is_ready
    assert "it answers again" in messages(run)
    assert run.invoke(json={}).text == '"one"'
    assert wait_until(lambda: len(here.get("pods")) == 1, 60), "that of the bad version is gone"
    run.stop()


def greeting(code: str) -> rw.Function:
    """The next version of one function."""
    project = rw.get_or_create_project("default")
    return project.new_function(name="greet", kind="python", code=code, handler="greet")
