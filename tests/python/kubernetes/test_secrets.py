"""Secrets on a cluster: a value is in one Secret a run, which its Job or Deployment owns, and nowhere else, whatever becomes of the run."""

from __future__ import annotations

import base64
import json
import traceback
import urllib.parse
from pathlib import Path

import pytest

import runwright as rw
from tests.cluster.kube import Kube
from tests.servers.processes import wait_until

FROM_ENV = "env-s3cr3t/wïth+chars&12345"
FROM_PROJECT = "project-s3cr3t=and?more\nsecond-line-of-it"
NAMES = ["FROM_ENV", "FROM_PROJECT"]


def needles() -> list[bytes]:
    """The values, and what they become in JSON, URLs and Secrets."""
    found = []
    for value in (FROM_ENV, FROM_PROJECT, FROM_PROJECT.splitlines()[1]):
        raw = value.encode()
        found += [raw, base64.b64encode(raw).rstrip(b"="), urllib.parse.quote(value, safe="").encode(), json.dumps(value)[1:-1].encode()]
    return found


NEEDLES = needles()


def found_in(content: bytes) -> bool:
    return any(needle in content for needle in NEEDLES)


@rw.function(secrets=NAMES)
def leaks(how: str) -> dict[str, str]:
    """Does with its secrets what it should not."""
    import base64
    import logging
    import os
    import time

    values = [os.environ[name] for name in ("FROM_ENV", "FROM_PROJECT")]
    for value in values:
        print(value, base64.b64encode(value.encode()).decode(), repr(value), flush=True)
        logging.getLogger("x").warning("it is %s", value)
    if how == "raise":
        raise ValueError(f"cannot log in with {values}")
    if how == "die":
        os.kill(os.getpid(), 9)
    if how == "sleep":
        time.sleep(60)
    return {"token": values[0], "large": values[1] * 500}


def test_a_value_is_in_one_place(here: Kube, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_ENV", FROM_ENV)
    project = rw.get_or_create_project("default")
    project.new_secret("FROM_PROJECT", secret_value=FROM_PROJECT)
    image = here.image("busybox:1")
    program = rw.container(name="program", image=image, command=["sh", "-c", 'test "$FROM_ENV" && echo "$FROM_ENV" && exit 3'])
    server = rw.container(name="server", image=image, command=["sh", "-c", 'test "$FROM_PROJECT" && exec busybox httpd -f -p 8081 -h /tmp'])
    runs = [leaks.run(how) for how in ("return", "raise", "die", "sleep")]
    runs += [*leaks.map([{"how": "return"}, {"how": "raise"}]), program.run(secrets=NAMES), server.run(action="deploy", secrets=NAMES)]
    ended = [run for run in runs if run.parameters.get("how") != "sleep" and run.action == "job"]
    assert [run.wait(120).state for run in ended] == ["COMPLETED", "ERROR", "ERROR", "COMPLETED", "ERROR", "ERROR"]
    runs[-1].wait(120)
    assert wait_until(lambda: "it is" in str(runs[3].logs()), 60)
    runs[3].stop()

    shown = []
    for run in runs:
        again = rw.attach(run.key)
        try:
            shown.append(repr(again.result()))
        except rw.RunError as error:
            shown += [str(error), repr(error), repr(vars(error)), "".join(traceback.format_exception(error))]
        shown += [repr(again), again._repr_html_(), str(again.logs()), repr(again.timeline()), json.dumps(again.to_dict())]
        shown += [json.dumps(again.manifest())]
    shown.append(json.dumps(leaks.run("return", dry_run=True)))
    assert not [text for text in shown if found_in(text.encode())]
    assert "***" in "".join(shown)

    # Beside the project's own secrets, which are only its owner's to read.
    files = [path for path in home.rglob("*") if path.is_file() and path.relative_to(home).parts[0] != "secrets"]
    assert not [path for path in files if found_in(path.read_bytes())]

    kept = {key.rpartition("/")[2] for key, value in here.etcd_dump().items() if found_in(value)}
    owners = {run.record["reference"]["job"] for run in runs}
    assert kept == owners
    assert {key for key, value in here.etcd_dump().items() if found_in(value)} == {
        f"/registry/secrets/{here.namespace}/{name}" for name in owners
    }
    for secret in here.get("secrets"):
        (owner,) = secret["metadata"]["ownerReferences"]
        assert (owner["name"], owner["kind"] in ("Job", "Deployment")) == (secret["metadata"]["name"], True)
    for run in runs:
        if run.record["kind"] == "python":
            for pod in here.get("pods", selector=f"batch.kubernetes.io/job-name={run.record['reference']['job']}"):
                printed = here.kubectl("logs", pod["metadata"]["name"], "--all-containers", check=False)
                assert not found_in(printed.encode()), "nor in the cluster's logs"
    for run in runs:
        run.refresh()
    runs[-1].stop()
    rw.gc(0)
    assert wait_until(lambda: here.get("secrets") == [], 60), "it goes with its owner"
