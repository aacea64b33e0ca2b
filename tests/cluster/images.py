"""The images that the tests' pods run, made on this machine because it reaches no image registry."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import archive
from tests.cluster.binaries import binary
from tests.cluster.settings import CONTAINERD_SOCKET, HERE, IMAGE_HOST, REGISTRY
from tests.servers.gobuild import cache_folder

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# python3-minimal lacks much of the standard library, hence all of it.
DEBIAN_PACKAGES = ("python3", "python3-pip", "python3-venv", "ca-certificates")
# What no test needs: two thirds of the size.
_SUPERFLUOUS = (
    "usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian", "usr/share/perl", "usr/lib/gcc",
    "var/cache", "var/log", "var/lib/apt/lists", "etc/machine-id", "etc/hostname", "etc/resolv.conf", "usr/share/zoneinfo/right",
)  # fmt: skip


@dataclass(frozen=True)
class Image:
    """One image: its name, what it is made from (the key of the cache), and how."""

    name: str
    inputs: Callable[[], str]
    make: Callable[[Path, str], None]

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
        code = "".join((HERE / file).read_text() for file in ("images.py", "archive.py"))
        digest = hashlib.sha256("\0".join([self.name, self.inputs(), code]).encode()).hexdigest()[:32]
        target = cache_folder() / "images" / f"{self.name.replace(':', '-')}-{digest}.tar"
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="building-", dir=target.parent) as scratch:
                self.make(Path(scratch), self.tag)
                Path(scratch, "image.tar").rename(target)
        return target


def _busybox_layer(scratch: Path, programs: dict[str, Path]) -> Path:
    """Debian's static busybox with a link for each of its commands, and static programs of ours."""
    applets = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
    files = {
        "bin/busybox": (Path("/bin/busybox").read_bytes(), 0o755),
        "etc/passwd": (b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n", 0o644),
        "etc/group": (b"root:x:0:\nnogroup:x:65534:\n", 0o644),
        **{f"bin/{name}": (path.read_bytes(), 0o755) for name, path in programs.items()},
    }
    links = {f"bin/{applet}": "busybox" for applet in applets if applet != "busybox"}
    folders = [("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777)]
    archive.small_layer(scratch / "layer.tar", folders, files, links)
    return scratch / "layer.tar"


def _busybox(name: str, command: list[str], *programs: str) -> Image:
    def inputs() -> str:
        paths = [Path("/bin/busybox"), *map(binary, programs)]
        return "\0".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)

    def make(scratch: Path, tag: str) -> None:
        layer = _busybox_layer(scratch, {program: binary(program) for program in programs})
        archive.image(scratch / "image.tar", layer, tag, command, {"PATH": PATH})

    return Image(name, inputs, make)


def _python(version: str, suite: str) -> Image:
    def make(scratch: Path, tag: str) -> None:
        began = time.time()
        with _in_memory(scratch / "root") as root:
            _debootstrap(suite, root)
            (root / "usr/bin/python").symlink_to("python3")
            archive.folder_layer(root, scratch / "layer.tar", began)
        environment = {"PATH": PATH, "LANG": "C.UTF-8"}
        archive.image(scratch / "image.tar", scratch / "layer.tar", tag, [f"python{version}"], environment)

    return Image(f"python:{version}", lambda: " ".join([suite, *DEBIAN_PACKAGES]), make)


@contextlib.contextmanager
def _in_memory(folder: Path) -> Iterator[Path]:
    """A folder in memory: dpkg waits for the disk after every file, which would be half of debootstrap's time."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g", "runwright-image", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _debootstrap(suite: str, root: Path) -> None:
    """A minimal Debian with Python in a folder, from the mirror that debootstrap knows."""
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(DEBIAN_PACKAGES)}", suite, str(root)]
    # PYTHONHASHSEED: the compiled files of Python's packages contain sets, whose order depends on it.
    environment = {**os.environ, "PATH": PATH, "LC_ALL": "C", "PYTHONHASHSEED": "0"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        log = root / "debootstrap/debootstrap.log"
        details = log.read_text()[-2000:] if log.exists() else ""
        raise RuntimeError(f"{' '.join(command)} failed:\n{result.stdout[-2000:]}{result.stderr}{details}")
    for name in _SUPERFLUOUS:
        path = root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    # Programs expect these folders; the runtime fills /dev.
    for name in ("var/cache", "var/log", "var/lib/apt/lists/partial"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for path in (root / "dev").iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


PAUSE = _busybox("pause:1", ["sleep", "2147483647"])
IMAGES = [
    PAUSE,
    _busybox("busybox:1", ["sh"]),
    _busybox("buildctl:1", ["buildctl", "--help"], "buildctl"),
    _python("3.9", "bullseye"),
    _python("3.11", "bookworm"),
    _python("3.13", "trixie"),
]


def build_all() -> None:
    """Make what is not in the cache, side by side."""
    with ThreadPoolExecutor(len(IMAGES)) as pool:
        list(pool.map(Image.build, IMAGES))


def import_all() -> None:
    """Give containerd the images it does not have."""
    known = _ctr("image", "list", "-q").split()
    # Unpacking waits for the disk half of the time.
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda image: _ctr("image", "import", str(image.build())), (image for image in IMAGES if image.tag not in known)))


def push(name: str) -> str:
    """Put one of the images (`busybox:1`) into the local registry; the name to pull it by."""
    image = next(image for image in IMAGES if image.name == name)
    _ctr("image", "tag", "--force", image.tag, image.registry_tag)
    _ctr("image", "push", "--plain-http", image.registry_tag)
    # Only a pod that really pulls it shall have it.
    _ctr("image", "remove", image.registry_tag)
    return image.registry_tag


def _ctr(*arguments: str) -> str:
    command = ["ctr", "--address", str(CONTAINERD_SOCKET), "--namespace", "k8s.io", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"ctr {' '.join(arguments)} failed: {result.stderr.strip()}")
    return result.stdout
