"""An image with the libraries of data science: Debian's Python 3.11 and a layer of wheels, in the versions that this machine's tests use."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

from tests.cluster import archive
from tests.cluster.makers import PATH, PYTHON_ENVIRONMENT, in_memory
from tests.cluster.settings import HERE

VERSION = "3.11"
_WANTED = ("pandas", "pyarrow", "scikit-learn", "matplotlib", "numpy", "scipy", "cloudpickle")
_SITE = f"usr/local/lib/python{VERSION}/dist-packages"
# What no test needs: half of the size.
_SUPERFLUOUS = ("**/tests", "pyarrow/include", "pyarrow/src", "**/*.a", "**/*.pyx", "**/*.pxd", "bin")


def requirements() -> list[str]:
    """The libraries with their exact versions: a model that a pod pickled is read here."""
    pins = (HERE.parent.parent / "requirements-dev.txt").read_text()
    return [re.search(rf"^{name}==\S+", pins, re.MULTILINE)[0] for name in _WANTED]  # type: ignore[index]


def make(scratch: Path, tag: str, base: Path) -> None:
    """The image, from the archive of Python's own (of one layer)."""
    layers = [scratch / "base.tar", scratch / "layer.tar"]
    with tarfile.open(base) as image:
        names = json.load(image.extractfile("manifest.json"))[0]["Layers"]  # type: ignore[arg-type]
        with image.extractfile(names[0]) as content, layers[0].open("wb") as target:  # type: ignore[union-attr]
            shutil.copyfileobj(content, target)
    began = time.time()
    with in_memory(scratch / "root") as root:
        with tarfile.open(layers[0]) as layer:
            layer.extractall(root, filter="fully_trusted")
        _install(root)
        archive.folder_layer(root, layers[1], began, below=_SITE)
    archive.image(scratch / "image.tar", layers, tag, [f"python{VERSION}"], PYTHON_ENVIRONMENT)


def _install(root: Path) -> None:
    site = root / _SITE
    site.mkdir(parents=True, exist_ok=True)
    install = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(site), "--no-compile"),
        *("--only-binary=:all:", f"--python-version={VERSION}", *requirements()),
    ]
    _run(install, dict(os.environ))
    for pattern in _SUPERFLUOUS:
        for path in list(site.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    # By the image's own Python, in its own place: pods may not write there, and would compile at every start.
    compiler = ["chroot", str(root), f"python{VERSION}", "-m", "compileall", "-q", "-j2", "--invalidation-mode=unchecked-hash", f"/{_SITE}"]
    _run(compiler, {"PATH": PATH, "PYTHONHASHSEED": "0"}, allowed=(0, 1))


def _run(command: list[str], environment: dict[str, str], allowed: tuple[int, ...] = (0,)) -> None:
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode not in allowed:
        raise RuntimeError(f"{' '.join(command)} failed:\n{result.stdout[-1000:]}{result.stderr[-2000:]}")
