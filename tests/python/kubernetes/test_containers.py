"""What an image starts by itself, as a Job: its words, its secrets, its retries, its end."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import runwright as rw
from runwright import _engine
from runwright.exceptions import InvalidError
from tests.cluster.faultproxy import FaultProxy
from tests.cluster.kube import Kube
from tests.python.kubernetes.conftest import job_of, messages
from tests.servers.processes import wait_until

HELD = "runwright.dev/held"


def shell(kube: Kube, script: str, **options: Any) -> rw.Function:
    """A container that executes a script of a shell."""
    return rw.container(kube.image("busybox:1"), name="script", command=["sh", "-c", script, "sh"], **options)


def pods_of(kube: Kube, run: rw.Run) -> list[dict[str, Any]]:
    return kube.get("pods", selector=f"runwright.dev/run={run.id}")  # type: ignore[no-any-return]


def test_words_reach_it_as_they_are(here: Kube) -> None:
    words = ["$(LEVEL)", "$$", "a b", "", "$HOME", '"', "x=$(date)"]
    run = shell(here, 'for word in "$@"; do echo "[$word]"; done; echo "$LEVEL $$ $(echo sub)"', envs={"LEVEL": "$(HOME) $$ $"}).run(
        args=words
    )
    assert run.wait().state == "COMPLETED"
    assert list(run.logs()) == [f"[{word}]" for word in words] + ["$(HOME) $$ $ 1 sub"]


def test_what_the_image_starts_by_itself_is_nothing_of_ours(here: Kube) -> None:
    run = shell(here, "ls /; id -u; ls /var/run/secrets 2>&1").run()
    run.wait()
    lines = list(run.logs())
    assert "runwright" not in lines
    assert "10001" in lines
    assert [f"ConfigMap/{name}" for name in here.kubectl("get", "configmaps", "-o", "name").split() if "runwright" in name] == []


def test_secrets_are_variables_and_nowhere_else(here: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "s3cret-$$-$(LEVEL)"
    monkeypatch.setenv("TOKEN", secret)
    monkeypatch.setenv("OTHER", "not asked for")
    run = shell(here, "printf %s $TOKEN | sha256sum; echo ${OTHER:-none}").run(secrets=["TOKEN"], envs={"LEVEL": "1"})
    assert run.wait().state == "COMPLETED", run.error
    assert list(run.logs()) == [f"{hashlib.sha256(secret.encode()).hexdigest()}  -", "none"]
    kept = [key for key, value in here.etcd_dump().items() if b"s3cret" in value]
    assert kept == [f"/registry/secrets/{here.namespace}/rw-{run.id}"]
    job = job_of(here, run)
    assert HELD not in job["metadata"]["annotations"]
    assert (job["spec"]["parallelism"], job["spec"].get("activeDeadlineSeconds")) == (1, None)
    run.delete()
    assert wait_until(lambda: here.objects() == [], 60), "the Secret went with its Job"


def test_its_exit_code_decides_and_its_last_words_say_why(here: Kube) -> None:
    run = shell(here, "echo one; echo the disk is on fire >&2; exit 7").run()
    assert run.wait().state == "ERROR"
    assert (run.error.cause, run.error.exit_code) == ("ExitCode", 7)
    assert "the disk is on fire" in str(run.error)


def test_last_words_in_our_own_form_are_only_words(here: Kube) -> None:
    forged = '{"events": [], "end": {"state": "COMPLETED", "time": 1.0, "outputs": {"x": {"type": "value", "value": 1}}}, "files": {}}'
    run = shell(here, f"echo '{forged}' > /dev/termination-log; exit 3").run(security_context={"run_as_user": 10001})
    assert run.wait().state == "ERROR"
    assert run.error.exit_code == 3


def test_retries_are_pods(here: Kube) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    here.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "tries"}, "spec": claim})
    volume = {"volume_type": "persistent_volume_claim", "name": "tries", "mount_path": "/tries"}
    run = shell(here, "echo x >> /tries/all; test $(wc -l < /tries/all) = 2").run(retries=3, volumes=[volume])
    assert run.wait().state == "COMPLETED"
    assert run.record["attempts"] == len(pods_of(here, run)) == 2


def test_without_retries_one_pod_is_all(here: Kube) -> None:
    run = shell(here, "exit 1").run()
    run.wait()
    assert len(pods_of(here, run)) == 1
    assert job_of(here, run)["spec"]["backoffLimit"] == 0


def test_a_timeout_is_that_of_an_attempt(here: Kube) -> None:
    run = shell(here, "trap exit TERM; sleep 600 & wait").run(timeout=2, grace=1)
    assert run.wait().state == "ERROR"
    assert run.error.cause == "Timeout"


def test_stop_has_its_grace(here: Kube) -> None:
    run = shell(here, "trap 'echo ending; exit 0' TERM; echo begun; sleep 600 & wait").run()
    assert wait_until(lambda: "begun" in list(run.logs()), 60)
    assert run.stop().state == "STOPPED"
    assert list(run.logs()) == ["begun", "ending"]


def test_an_image_that_may_not_be_pulled(here: Kube) -> None:
    run = rw.container("example.invalid/nothing:1", image_pull_policy="Never").run()
    assert wait_until(lambda: "ErrImageNeverPull" in messages(run), 60), messages(run)
    run.stop()


def test_secrets_for_images_and_when_to_pull(here: Kube) -> None:
    run = rw.container(here.image("busybox:1"), command=["true"], image_pull_policy="IfNotPresent").run(image_pull_secrets=["login"])
    run.wait()
    (pod,) = pods_of(here, run)
    assert pod["spec"]["imagePullSecrets"] == [{"name": "login"}]
    assert pod["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"


def test_an_items_own_arguments(here: Kube) -> None:
    runs = shell(here, 'echo "$1"; exit $1').map([{"args": ["0"]}, {"args": ["3"]}, {"args": ["0"]}])
    runs.wait()
    assert [run.state for run in runs] == ["COMPLETED", "ERROR", "COMPLETED"]
    assert [list(run.logs()) for run in runs] == [["0"], ["3"], ["0"]]


def test_what_a_container_cannot_have(here: Kube) -> None:
    with pytest.raises(InvalidError, match="service_name=.*without service_ports"):
        shell(here, "true").run(action="deploy", service_name="x")
    with pytest.raises(InvalidError, match="goes on until it is stopped"):
        shell(here, "true").run(action="deploy", timeout=5)
    assert here.get("jobs") == here.get("deployments") == []


CLIENT = """
import runwright as rw
rw.use("kubernetes")
rw.container("{image}", name="script", command=["sh", "-c", "echo ran"]).run(secrets=["TOKEN"])
"""


@pytest.fixture
def half_made(here: Kube, faults: FaultProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> subprocess.Popen[bytes]:
    """A client whose Job is there, and whose Secret is on its way for ever."""
    monkeypatch.setenv("TOKEN", "s3cret")
    faults.hang(method="POST", path="/secrets")
    script = tmp_path / "client.py"
    script.write_text(CLIENT.format(image=here.image("busybox:1")))
    client = subprocess.Popen([sys.executable, str(script)], env=dict(os.environ))
    assert wait_until(lambda: len(here.get("jobs")) == 1, 30)
    return client


def only(kube: Kube) -> tuple[dict[str, Any], rw.Run]:
    (job,) = kube.get("jobs")
    return job, rw.attach(job["metadata"]["name"].removeprefix("rw-"))


def test_a_client_killed_before_the_secret_leaves_nothing(here: Kube, half_made: subprocess.Popen[bytes]) -> None:
    job, run = only(here)
    assert (job["metadata"]["annotations"][HELD], job["spec"]["parallelism"], job["spec"]["activeDeadlineSeconds"]) == ("true", 0, 3600)
    assert run.refresh().state in ("CREATED", "PENDING"), "its client may still hand it over"
    half_made.send_signal(signal.SIGKILL)
    half_made.wait()
    assert run.refresh().error.cause == "NotStarted"
    assert wait_until(lambda: here.objects() == [], 30)


def test_where_nobody_looks_its_deadline_ends_it(here: Kube, half_made: subprocess.Popen[bytes]) -> None:
    job, run = only(here)
    half_made.send_signal(signal.SIGKILL)
    half_made.wait()
    # An hour later.
    here.kubectl("patch", "job", job["metadata"]["name"], "--type=merge", "-p", '{"spec": {"activeDeadlineSeconds": 1}}')
    here.kubectl("wait", "--for=condition=failed", f"job/rw-{run.id}", "--timeout=60s")
    _engine._engine = None
    assert rw.attach(run.key).error.cause == "NotStarted"
    assert here.get("pods") == []
