"""The cluster that is measured: that of the tests (or the one that KUBECONFIG names), a namespace for each subject, and requests counted."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.cluster import availability
from tests.cluster.api import ApiError
from tests.cluster.cluster import Cluster
from tests.cluster.kube import Kube, delete_namespace, new_namespace
from tests.cluster.named import NamedCluster

from .measure import Failed

AnyCluster = Cluster | NamedCluster
# A page of a list: each is in memory once, here and there.
PAGE = "500"


@contextmanager
def opened() -> Iterator[AnyCluster]:
    """The cluster, up. One that ran before stays up, one that was started for this goes.

    Raises:
        Failed: this machine cannot have one.
    """
    import os

    if availability.is_named():
        named = NamedCluster(os.environ["KUBECONFIG"])
        try:
            yield named
        finally:
            named.close()
        return
    if reason := availability.why_none():
        raise Failed(f"no cluster: {reason}")
    cluster = Cluster()
    stays = cluster.running
    if not stays:
        print("  starting the cluster …", file=sys.stderr, flush=True)
        cluster.down()
        cluster.up()
    try:
        yield cluster
    finally:
        cluster.forget()
        if not stays and not os.environ.get("RUNWRIGHT_KEEP_CLUSTER"):
            cluster.down()


@contextmanager
def namespace(cluster: AnyCluster, folder: Path) -> Iterator[Kube]:
    """A new namespace, and in `kubeconfig` a user with the Role that Runwright asks for."""
    name = new_namespace(cluster)
    try:
        yield Kube(cluster, name, folder / f"kubeconfig-{name}")
    finally:
        # By hundreds, before the namespace's own controller would take them one by one.
        empty(cluster, name)
        delete_namespace(cluster, name)


def empty(cluster: AnyCluster, name: str) -> None:
    """Delete all Jobs of a namespace, and wait for that: the next measurement must not pay for it."""
    path = f"/apis/batch/v1/namespaces/{name}/jobs"
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        # An answer has all that was deleted: a few at a time. One that fails on the way is asked again.
        with suppress(ApiError, OSError, ValueError, http.client.HTTPException):
            if not cluster.api.get(path, limit="1")["items"]:
                return
            cluster.api.request("DELETE", path, propagationPolicy="Background", limit=PAGE)


def all_jobs(kube: Kube) -> Iterator[dict[str, Any]]:
    """All Jobs of the namespace, page by page."""
    path, query = f"/apis/batch/v1/namespaces/{kube.namespace}/jobs", {"limit": PAGE}
    while True:
        page = kube.api.get(path, **query)
        yield from page["items"]
        token = page["metadata"].get("continue")
        if not token:
            return
        query["continue"] = token


def requests(kube: Kube) -> list[dict[str, Any]] | None:
    """What the namespace's user asked the API server so far, a watch once when it begins and once when it ends; None where the cluster shows no audit log."""
    return kube.requests() if isinstance(kube.cluster, Cluster) else None


def resource(entry: dict[str, Any]) -> str:
    """What a request was about."""
    return str(entry.get("objectRef", {}).get("resource") or entry["requestURI"].partition("?")[0])


def watches(entries: list[dict[str, Any]]) -> dict[str, int]:
    """How many watches of each resource were open at the same time, at most."""
    now: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for entry in entries:
        if entry["verb"] == "watch":
            now[resource(entry)] += -1 if entry["stage"] == "ResponseComplete" else 1
            most |= now
    return dict(most)


def core_program(name: str, *, quick: bool) -> Path:
    """One of `benchmarks/core/`, built as the wheel is; where quick, as tests are.

    Raises:
        Failed: it cannot be built.
    """
    import json

    root = Path(__file__).resolve().parent.parent
    print(f"  building {name} …", file=sys.stderr, flush=True)
    build = ["cargo", "bench", "--locked", "--quiet", "--no-default-features", "--no-run", "--bench", name, "--message-format=json"]
    if quick:
        build += ["--profile", "dev"]
    done = subprocess.run(build, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{name} cannot be built: {done.stderr.strip()[-400:]}")
    messages = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    return next(Path(each["executable"]) for each in messages if each.get("executable") and each["target"]["name"] == name)
