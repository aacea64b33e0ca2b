"""How the content of each image is made: a static busybox, or a whole Debian with Python."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.cluster import archive

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PYTHON_ENVIRONMENT = {"PATH": PATH, "LANG": "C.UTF-8"}
# python3-minimal lacks much of the standard library, hence all of it.
DEBIAN_PACKAGES = ("python3", "python3-pip", "python3-venv", "ca-certificates")
# rootlesskit makes the user namespace, with the ids that uidmap gives; BuildKit has runc start the steps.
ROOTLESS_PACKAGES = ("rootlesskit", "uidmap", "runc", "ca-certificates")
# What no test needs: two thirds of the size.
_SUPERFLUOUS = (
    "usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian", "usr/share/perl", "usr/lib/gcc",
    "var/cache", "var/log", "var/lib/apt/lists", "etc/machine-id", "etc/hostname", "etc/resolv.conf", "usr/share/zoneinfo/right",
)  # fmt: skip


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


def make_busybox(scratch: Path, tag: str, command: list[str], programs: dict[str, Path]) -> None:
    """An image of busybox, and programs by their names."""
    archive.image(scratch / "image.tar", [_busybox_layer(scratch, programs)], tag, command, {"PATH": PATH})


def make_python(scratch: Path, tag: str, version: str, suite: str) -> None:
    """An image of a Debian release with its Python."""
    began = time.time()
    with in_memory(scratch / "root") as root:
        _debootstrap(suite, root, DEBIAN_PACKAGES)
        (root / "usr/bin/python").symlink_to("python3")
        archive.folder_layer(root, scratch / "layer.tar", began)
    archive.image(scratch / "image.tar", [scratch / "layer.tar"], tag, [f"python{version}"], PYTHON_ENVIRONMENT)


def make_rootless_buildkit(scratch: Path, tag: str, programs: dict[str, Path]) -> None:
    """An image of BuildKit for a user who is not root, as its own image for that is."""
    began = time.time()
    with in_memory(scratch / "root") as root:
        _debootstrap("bookworm", root, ROOTLESS_PACKAGES)
        for name, path in programs.items():
            shutil.copy(path, root / "usr/bin" / name)
        for file, line in (
            ("passwd", "user:x:1000:1000::/home/user:/bin/sh"),
            ("group", "user:x:1000:"),
            ("subuid", "user:100000:65536"),
            ("subgid", "user:100000:65536"),
        ):
            with (root / "etc" / file).open("a") as text:
                text.write(f"{line}\n")
        for folder in ("home/user", "run/user/1000"):
            (root / folder).mkdir(parents=True)
            os.chown(root / folder, 1000, 1000)
        # Debian has them as root's, which needs more than a pod has.
        archive.folder_layer(root, scratch / "layer.tar", began, capabilities={"usr/bin/newuidmap": 7, "usr/bin/newgidmap": 6})
    environment = {"PATH": PATH, "HOME": "/home/user", "USER": "user", "XDG_RUNTIME_DIR": "/run/user/1000"}
    archive.image(scratch / "image.tar", [scratch / "layer.tar"], tag, ["rootlesskit", "buildkitd"], environment)


@contextlib.contextmanager
def in_memory(folder: Path) -> Iterator[Path]:
    """A folder in memory: dpkg waits for the disk after every file, which would be half of debootstrap's time."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g", "runwright-image", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _debootstrap(suite: str, root: Path, packages: tuple[str, ...]) -> None:
    """A minimal Debian with some packages in a folder, from the mirror that debootstrap knows."""
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", suite, str(root)]
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
