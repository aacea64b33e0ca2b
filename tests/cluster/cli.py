"""`python -m tests.cluster build|up|down|status|images|kubeconfig|kubectl`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys

from tests.cluster import availability, images, processes
from tests.cluster.binaries import binary
from tests.cluster.cluster import Cluster
from tests.cluster.settings import API_URL, BUILDKIT_URL, KUBECONFIG, LOGS, REGISTRY
from tests.servers.gobuild import BuildError
from tests.servers.processes import ServerError


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description="A real single-node Kubernetes on this machine.")
    commands = parser.add_subparsers(dest="verb", required=True)
    commands.add_parser("build", help="build what the tests would miss, on a machine that can have a cluster")
    commands.add_parser("up", help="build what is missing and start what does not run")
    commands.add_parser("down", help="remove everything but the cache")
    commands.add_parser("status", help="which programs run; exit code 1 unless all do")
    commands.add_parser("images", help="the images that pods can use")
    kubeconfig = commands.add_parser("kubeconfig", help="print the path of a kubeconfig")
    kubeconfig.add_argument("--user", help="not the administrator but a user without rights of its own")
    kubeconfig.add_argument("--group", action="append", default=[], help="a group of that user")
    commands.add_parser("kubectl", help="run kubectl as the administrator", add_help=False)
    options, rest = parser.parse_known_args(arguments)
    if rest and options.verb != "kubectl":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if os.geteuid() != 0 and options.verb in {"up", "down"}:
        parser.error("the cluster needs root: it mounts, makes a bridge and writes iptables rules")
    try:
        return _run(options, rest)
    except (BuildError, ServerError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace, rest: list[str]) -> int:
    cluster = Cluster()
    if options.verb == "build":
        return _build(cluster)
    if options.verb == "up":
        cluster.up(report=True)
        print(f"export KUBECONFIG={KUBECONFIG}")
    elif options.verb == "down":
        cluster.down()
    elif options.verb == "status":
        return _status(cluster)
    elif options.verb == "images":
        for image in [*images.IMAGES, images.SCIENCE]:
            print(f"{image.tag}   (after Cluster().push({image.name!r}): {image.registry_tag})")
    elif options.verb == "kubeconfig":
        print(cluster.kubeconfig_of(options.user, *options.group) if options.user else KUBECONFIG)
    else:
        kube = str(binary("kube"))
        os.execv(kube, [kube, "kubectl", f"--kubeconfig={KUBECONFIG}", *rest])
    return 0


def _build(cluster: Cluster) -> int:
    """Not in a test: building everything takes longer than a test may."""
    if availability.is_named():
        if shutil.which("kubectl") is None:
            binary("kube")
    elif reason := availability.why_none():
        print(f"the tests on a cluster will not run: {reason}")
        return 1 if availability.in_ci() else 0
    else:
        cluster.build(report=True)
    return 0


def _status(cluster: Cluster) -> int:
    known = processes.recorded()
    for name, reference in known.items():
        print(f"{name:24} {'runs' if reference.alive else 'ENDED'}  pid {reference.pid:<8} {LOGS}/{name}.log")
    if not known:
        print("no cluster")
    elif cluster.running:
        print(f"API server {API_URL}  registry {REGISTRY}  BuildKit {BUILDKIT_URL}  kubeconfig {KUBECONFIG}")
    return 0 if cluster.running else 1
