"""What the cluster builds from Go modules, each in a module of its own because their dependencies do not agree."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.settings import HERE, KUBERNETES_VERSION
from tests.servers.gobuild import GoModule

_STAMP = "k8s.io/component-base/version"
_MAJOR, _MINOR, _ = KUBERNETES_VERSION.split(".")

MODULES = {
    # Not stamped, Kubernetes calls itself v0.0.0-master, and clients that look at the version are misled.
    "kube": GoModule(
        HERE / "bin/kube",
        ldflags=f"-s -w -X {_STAMP}.gitVersion=v{KUBERNETES_VERSION} -X {_STAMP}.gitMajor={_MAJOR} -X {_STAMP}.gitMinor={_MINOR}",
    ),
    "coredns": GoModule(HERE / "bin/coredns"),
    "registry": GoModule(HERE / "bin/registry"),
    "buildkit": GoModule(HERE / "bin/buildkit", ("github.com/moby/buildkit/cmd/buildkitd", "github.com/moby/buildkit/cmd/buildctl")),
}
_MODULE_OF = {"buildkitd": "buildkit", "buildctl": "buildkit"}


def build_all() -> None:
    """Build what is not in the cache, one after the other: each uses every core."""
    for module in MODULES.values():
        module.build()


def binary(name: str) -> Path:
    """The path of a program, built if need be."""
    return MODULES[_MODULE_OF.get(name, name)].build() / name
