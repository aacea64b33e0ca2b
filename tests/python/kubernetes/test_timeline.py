"""The phases of a run on a cluster: each where it belongs, none negative, none over another, whatever the clocks say."""

from __future__ import annotations

import base64
import glob
import gzip
import hashlib
import io
import json
import os
import random
import re
import ssl
import subprocess
import sys
import tarfile
import time
import urllib.request
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import runwright as rw
from tests.cluster.cluster import Cluster
from tests.cluster.fixtures import Bucket
from tests.cluster.kube import Kube

WAY = ["client", "api", "queue", "scheduling", "image pull", "init"]
RUNNER = ["start", "requirements", "import", "inputs", "user code", "outputs", "finish", "upload"]


@pytest.fixture
def on_kubernetes(kube: Kube, home: Path) -> None:
    rw.use("kubernetes", home=home)


@rw.function
def sleep(seconds: float, size: int = 0) -> bytes | None:
    import time

    time.sleep(seconds)
    return bytes(size) if size else None


def check(phases: list[dict[str, Any]], whole: float) -> dict[str, float]:
    """Seconds by phase, of phases in their order that do not overlap and last `whole` seconds at most."""
    names = [one["phase"] for one in phases]
    assert names == [name for name in WAY + RUNNER if name in names], names
    assert all(one["seconds"] >= 0 for one in phases)
    for one, following in pairwise(phases):
        assert one["start"] + timedelta(seconds=one["seconds"]) <= following["start"] + timedelta(microseconds=2)
    assert sum(one["seconds"] for one in phases) <= whole + 0.01
    return {one["phase"]: one["seconds"] for one in phases}


@pytest.mark.usefixtures("on_kubernetes")
def test_every_part_of_the_way_is_told(kube: Kube) -> None:
    began = time.monotonic()
    run = sleep.run(1.5).wait()
    took = check(run.timeline(), time.monotonic() - began)
    assert set(took) >= {"client", "api", "queue", "scheduling", "init", "import", "user code", "outputs"}
    assert 1.5 <= took["user code"] < 2.5
    # Seen as it happened, each has more than whole seconds.
    assert took["client"] > 0
    assert took["api"] > 0
    assert any(name in repr(run) for name in ("init ", "user code "))
    shown = subprocess.run([sys.executable, "-m", "runwright", "run", "show", run.id], capture_output=True, text=True, check=True).stdout
    assert "█" in shown[shown.index("timeline") : shown.index("provenance")]


@pytest.mark.usefixtures("on_kubernetes")
def test_a_run_that_goes_on_is_told_until_now(kube: Kube) -> None:
    began = time.monotonic()
    waiting = sleep.run(60, node_selector={"no-such": "node"})
    running = sleep.run(60)
    next(state for state in iter(lambda: running.state, None) if state == "RUNNING")
    took = check(running.timeline()[:-1], time.monotonic() - began)
    assert running.timeline()[-1]["phase"] == "run"
    assert "init" in took
    assert [one["phase"] for one in waiting.refresh().timeline()] == ["client", "queue"]
    assert waiting.stop().timeline()[-1]["phase"] in ("scheduling", "queue")
    running.stop()


def test_uploads_to_a_store_are_told(kube: Kube, pod_s3: Bucket, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in pod_s3.environment.items():
        monkeypatch.setenv(name, value)
    rw.use("kubernetes", home=home, artifacts=pod_s3.url)
    began = time.monotonic()
    took = check(sleep.run(0, size=1_000_000).wait().timeline(), time.monotonic() - began)
    assert took["upload"] > 0


def test_an_image_that_is_pulled(local_cluster: Cluster, kube: Kube, home: Path) -> None:
    image = larger_image(local_cluster.push("busybox:1"), f"test/{kube.namespace}")
    rw.use("kubernetes", home=home)
    shell = rw.get_or_create_project("default").new_function(name="shell", kind="container", image=image, command=["true"])
    began = time.monotonic()
    took = check_container(shell.run(action="job").wait(), time.monotonic() - began)
    [event] = [one for one in kube.get("events") if one["reason"] == "Pulled"]
    told = re.search(r"\((?:([\d.]+)s|([\d.]+)ms) including waiting\)", event["message"])
    assert told, event["message"]
    seconds = float(told[1] or 0) + float(told[2] or 0) / 1000
    # Times of pods have whole seconds: where those leave less room for it, it is shown shorter.
    assert 0 < took["image pull"] <= seconds + 0.002


def larger_image(base: str, name: str) -> str:
    """An image that no node has: a base of the registry and a layer of 30 MB beside it."""
    registry, _, rest = base.partition("/")
    repository, _, tag = rest.partition(":")

    def ask(method: str, path: str, data: bytes | None = None, **headers: str) -> Any:
        url = path if path.startswith("http") else f"http://{registry}/v2/{path}"
        request = urllib.request.Request(url, data, headers, method=method)
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60)

    def put(content: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        place = ask("POST", f"{name}/blobs/uploads/", b"").headers["Location"]
        ask("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}", content, **{"Content-Type": "application/octet-stream"})
        return digest

    found = ask("GET", f"{repository}/manifests/{tag}", Accept="application/vnd.docker.distribution.manifest.v2+json")
    kind, manifest = found.headers["Content-Type"], json.load(found)
    config = json.load(ask("GET", f"{repository}/blobs/{manifest['config']['digest']}"))
    for layer in manifest["layers"]:
        assert put(ask("GET", f"{repository}/blobs/{layer['digest']}").read()) == layer["digest"]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("ballast")
        entry.size = 30_000_000
        archive.addfile(entry, io.BytesIO(random.randbytes(entry.size)))
    layer = gzip.compress(packed.getvalue(), 1)
    config["rootfs"]["diff_ids"].append(f"sha256:{hashlib.sha256(packed.getvalue()).hexdigest()}")
    config.pop("history", None)
    manifest["layers"].append({**manifest["layers"][0], "digest": put(layer), "size": len(layer)})
    content = json.dumps(config).encode()
    manifest["config"] |= {"digest": put(content), "size": len(content)}
    ask("PUT", f"{name}/manifests/1", json.dumps(manifest).encode(), **{"Content-Type": kind})
    return f"{registry}/{name}:1"


def check_container(run: rw.Run, whole: float) -> dict[str, float]:
    phases = run.timeline()
    # Of an image's own program no more is known; its end has whole seconds.
    took = check([one for one in phases if one["phase"] != "run"], whole)
    assert run.state == "COMPLETED", run.error
    return took


def age_of_certificates(kube: Kube) -> float:
    """Seconds since the authority of the cluster was made: before that, no client takes the API server for what it is."""
    authority = json.loads(kube.kubeconfig.read_text())["clusters"][0]["cluster"]["certificate-authority-data"]
    shown = subprocess.run(
        ["openssl", "x509", "-noout", "-startdate"], input=base64.b64decode(authority), capture_output=True, check=True
    ).stdout
    return time.time() - ssl.cert_time_to_seconds(shown.decode().strip().removeprefix("notBefore="))


@pytest.mark.parametrize("ahead", [-3600, 3600])
def test_a_clock_that_differs_from_the_clusters(kube: Kube, tmp_path: Path, ahead: int) -> None:
    fake = f"{max(ahead, -int(age_of_certificates(kube)) + 5):+d}"
    libraries = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not libraries:
        pytest.skip("libfaketime is not installed")
    code = """
import json, time
import runwright as rw

@rw.function
def work():
    import select
    select.select([], [], [], 1.2)

began = time.monotonic()
run = work.run(on="kubernetes").wait()
print(json.dumps({"whole": time.monotonic() - began, "record": run.record, "phases": [{**one, "start": one["start"].isoformat()} for one in run.timeline()]}))
"""
    environment = {"LD_PRELOAD": libraries[0], "FAKETIME": fake, "DONT_FAKE_MONOTONIC": "1", "RUNWRIGHT_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=True, timeout=120
    )
    told = json.loads(done.stdout)
    phases = [{**one, "start": datetime.fromisoformat(one["start"])} for one in told["phases"]]
    # A run's end may be up to a second off: that is as finely as the clocks can be told apart.
    took = check(phases, told["whole"] + 1.5)
    assert 1.2 <= took["user code"] < 2.2
    times = [step["time"] for step in told["record"]["history"]]
    assert times == sorted(times)
    first, last = (datetime.fromisoformat(times[place].replace("Z", "+00:00")) for place in (0, -1))
    assert (last - first).total_seconds() < told["whole"] + 1.5
