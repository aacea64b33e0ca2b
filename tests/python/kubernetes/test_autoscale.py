"""Services whose number follows their use: the object is there as asked, its controller takes it, and it goes with the service.

The cluster of the tests has no metrics server, so nothing is ever scaled here by use.
"""

from __future__ import annotations

from typing import Any

import pytest

import runwright as rw
from runwright.exceptions import ConflictError, ForbiddenError, InvalidError
from tests.cluster.kube import Kube
from tests.servers.processes import wait_until

SERVER = "mkdir /tmp/w; echo hello > /tmp/w/index.html; exec busybox httpd -f -p 8081 -h /tmp/w"
BOUNDS = {"min": 2, "max": 4, "cpu": 70}


def serve(here: Kube, **options: Any) -> Any:
    web = rw.container(name="web", image=here.image("busybox:1"), command=["sh", "-c", SERVER])
    options = {"resources": {"cpu": "10m"}, "autoscale": BOUNDS, **options}
    return web.run(action="serve", service_ports=[{"port": 80, "target_port": 8081}], **options)


@pytest.fixture
def allowed(here: Kube) -> Kube:
    """The user has what `runwright rbac autoscale` prints, too."""
    here.allow("autoscale")
    return here


def test_the_autoscaler_of_a_service(allowed: Kube) -> None:
    """Made with the service and owned by it, shown by manifest and dry run, in charge of the number, deleted with it."""
    rehearsed = {manifest["kind"] for manifest in serve(allowed, dry_run=True)}
    assert rehearsed == {"Deployment", "Service", "HorizontalPodAutoscaler"}
    run = serve(allowed).wait(120)
    assert run.record["service"]["ready"] == 2, "as many as the least"

    scaler = allowed.get("hpa", f"rw-{run.id}")
    (owner,) = scaler["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("Deployment", f"rw-{run.id}")
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 4)
    assert scaler["spec"]["metrics"][0]["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    assert "HorizontalPodAutoscaler" in {manifest["kind"] for manifest in run.manifest()}
    # Its controller has found the Deployment, and says what it lacks here.
    assert wait_until(lambda: condition(allowed, run, "AbleToScale") == "True", 90)

    with pytest.raises(ConflictError, match=r"follows its use: 2 to 4") as refused:
        run.scale(3)
    assert "reproduce(autoscale=" in str(refused.value.cure)

    # Whatever the autoscaler has made of the number is what the run says.
    allowed.kubectl("scale", f"deployment/rw-{run.id}", "--replicas=3")
    assert wait_until(lambda: run.refresh().record["service"]["ready"] == 3, 60)

    # Stopped, it stays at none: an autoscaler leaves that alone.
    assert run.stop().state == "STOPPED"
    assert wait_until(lambda: condition(allowed, run, "ScalingActive") == "False", 90)
    assert wait_until(lambda: allowed.kubectl("get", "pods", "-o", "name") == "", 60)
    run.resume()
    assert run.wait(120).record["service"]["ready"] == 3
    run.stop()
    run.delete()
    rw.gc(0)
    assert wait_until(lambda: allowed.objects() == [], 60), allowed.objects()


def condition(here: Kube, run: Any, of: str) -> str | None:
    conditions = here.get("hpa", f"rw-{run.id}").get("status", {}).get("conditions", [])
    return next((condition["status"] for condition in conditions if condition["type"] == of), None)


def test_without_the_right_nothing_is_left(here: Kube) -> None:
    """The right is needed by those services only; who lacks it is told the rule of a Role."""
    with pytest.raises(ForbiddenError, match="horizontalpodautoscalers") as refused:
        serve(here)
    assert "horizontalpodautoscalers" in str(refused.value.cure)
    assert wait_until(lambda: here.objects() == [], 60), here.objects()


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"autoscale": {"min": 3, "max": 2}}, "autoscale.max=2 is less than autoscale.min=3"),
    ({"autoscale": {"min": 1}}, "autoscale.max is missing"),
    ({"autoscale": {"max": 0}}, "autoscale.max=0 is not"),
    ({"autoscale": {"max": 3, "gpu": 1}}, 'has no field "gpu"'),
    ({"autoscale": 3}, "autoscale=3 is not bounds"),
    ({"replicas": 9}, "replicas=9 is not between"),
    ({"resources": {}}, "autoscale.cpu=70 is percent of what each asks for"),
    ({"autoscale": {"max": 3, "mem": 80}}, "autoscale.mem=80 is percent of what each asks for"),
]


def test_what_cannot_be_is_said_before_anything_is_made(here: Kube) -> None:
    """Each mistake names its field; a job has no number to follow."""
    for options, words in MISTAKES:
        with pytest.raises(InvalidError, match=words):
            serve(here, **options)
    web = rw.container(name="web", image="busybox:1")
    with pytest.raises(InvalidError, match="runs to its end"):
        web.run(action="job", resources={"cpu": "10m"}, autoscale=BOUNDS)
    assert list(rw.runs()) == []
    assert here.objects() == []
