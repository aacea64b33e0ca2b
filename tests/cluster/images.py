"""The images that the tests' pods run, made on this machine because it reaches no image registry."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import makers, science
from tests.cluster.binaries import binary
from tests.cluster.settings import CONTAINERD_SOCKET, HERE, IMAGE_HOST, REGISTRY
from tests.servers.gobuild import cache_folder


@dataclass(frozen=True)
class Image:
    """One image: its name, what it is made from (the key of the cache), and how."""

    name: str
    inputs: Callable[[], str]
    make: Callable[[Path, str], None]
    code: tuple[str, ...] = ("makers.py", "archive.py")

    @property
    def tag(self) -> str:
        """What a pod's `image` says."""
        return f"{IMAGE_HOST}/{self.name}"

    @property
    def registry_tag(self) -> str:
        """The same in the local registry, once it was pushed."""
        return f"{REGISTRY}/{self.name}"

    def build(self) -> Path:
        """The image's archive, made unless it is in the cache."""
        code = "".join((HERE / file).read_text() for file in self.code)
        digest = hashlib.sha256("\0".join([self.name, self.inputs(), code]).encode()).hexdigest()[:32]
        target = cache_folder() / "images" / f"{self.name.replace(':', '-')}-{digest}.tar"
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="building-", dir=target.parent) as scratch:
                self.make(Path(scratch), self.tag)
                Path(scratch, "image.tar").rename(target)
        return target


def _busybox(name: str, command: list[str], *programs: str) -> Image:
    def paths() -> dict[str, Path]:
        return {program: binary(program) for program in programs}

    def inputs() -> str:
        return "\0".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in [Path("/bin/busybox"), *paths().values()])

    return Image(name, inputs, lambda scratch, tag: makers.make_busybox(scratch, tag, command, paths()))


def _python(version: str, suite: str) -> Image:
    def inputs() -> str:
        return " ".join([suite, *makers.DEBIAN_PACKAGES])

    return Image(f"python:{version}", inputs, lambda scratch, tag: makers.make_python(scratch, tag, version, suite))


PAUSE = _busybox("pause:1", ["sleep", "2147483647"])
IMAGES = [
    PAUSE,
    _busybox("busybox:1", ["sh"]),
    _busybox("buildctl:1", ["buildctl", "--help"], "buildctl"),
    _python("3.9", "bullseye"),
    _python("3.11", "bookworm"),
    _python("3.13", "trixie"),
]
# It is as large as all the others together, and few tests need it: containerd gets it when one asks.
SCIENCE = Image(
    f"science:{science.VERSION}",
    lambda: "\0".join([named("python:3.11").build().name, *science.requirements()]),
    lambda scratch, tag: science.make(scratch, tag, named("python:3.11").build()),
    ("science.py", "makers.py", "archive.py"),
)
# Few tests need it, too.
ROOTLESS = Image(
    "buildkit:rootless",
    lambda: "\0".join(
        [*makers.ROOTLESS_PACKAGES, *(hashlib.sha256(path.read_bytes()).hexdigest() for path in _rootless_programs().values())]
    ),
    lambda scratch, tag: makers.make_rootless_buildkit(scratch, tag, _rootless_programs()),
)


def _rootless_programs() -> dict[str, Path]:
    return {program: binary(program) for program in ("buildkitd", "buildctl")}


def build_all() -> None:
    """Make what is not in the cache, side by side."""
    with ThreadPoolExecutor(len(IMAGES)) as pool:
        list(pool.map(Image.build, IMAGES))
    SCIENCE.build()
    ROOTLESS.build()


def import_all() -> None:
    """Give containerd the images it does not have."""
    known = _ctr("image", "list", "-q").split()
    # Unpacking waits for the disk half of the time.
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(_import, (image for image in IMAGES if image.tag not in known)))


def provide(name: str) -> str:
    """Give containerd an image (`science:3.11`, `buildkit:rootless`) unless it has it; what a pod's `image` says."""
    image = named(name)
    if image in (SCIENCE, ROOTLESS) and image.tag not in _ctr("image", "list", "-q").split():
        _import(image)
    return image.tag


def _import(image: Image) -> None:
    _ctr("image", "import", str(image.build()))


def named(name: str) -> Image:
    """One of the images by its name (`busybox:1`)."""
    return next(image for image in [*IMAGES, SCIENCE, ROOTLESS] if image.name == name)


def push(name: str) -> str:
    """Put one of the images (`busybox:1`) into the local registry; the name to pull it by."""
    image = named(name)
    provide(name)
    # Containerd has it under its own name alone: only a pod that really pulls it shall have it under the other.
    _ctr("image", "push", "--plain-http", image.registry_tag, image.tag)
    return image.registry_tag


def _ctr(*arguments: str) -> str:
    command = ["ctr", "--address", str(CONTAINERD_SOCKET), "--namespace", "k8s.io", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"ctr {' '.join(arguments)} failed: {result.stderr.strip()}")
    return result.stdout
