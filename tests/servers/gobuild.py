"""Builds Go programs from small modules of ours and keeps the binaries outside the tree, by what they are built from."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class BuildError(RuntimeError):
    """A binary could not be built; the message says why."""


@dataclass(frozen=True)
class GoModule:
    """A folder with go.mod and go.sum (and perhaps a main.go), and the main packages to build from it."""

    folder: Path
    packages: tuple[str, ...] = (".",)
    ldflags: str = "-s -w"

    def build(self) -> Path:
        """The folder with the binaries, named like their packages; built unless it is in the cache."""
        return self._build(_go_version())

    def cached(self) -> Path | None:
        """The same folder if nothing has to be built."""
        folder = self._target(_go_version())
        return folder if folder.is_dir() else None

    def _target(self, go_version: str) -> Path:
        digest = hashlib.sha256()
        for file in sorted([self.folder / "go.mod", self.folder / "go.sum", *self.folder.glob("*.go")]):
            digest.update(f"{file.name}\0".encode() + file.read_bytes() + b"\0")
        digest.update("\0".join([go_version, *self.packages, *self._flags()]).encode())
        return cache_folder() / digest.hexdigest()[:32]

    def _flags(self) -> Sequence[str]:
        # What debuggers read is left out when the program is linked; not making it at all saves a tenth of the compiler's time.
        return ("-trimpath", "-buildvcs=false", "-mod=readonly", "-gcflags=all=-dwarf=false", f"-ldflags={self.ldflags}")

    def _build(self, go_version: str) -> Path:
        target = self._target(go_version)
        if target.is_dir():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        # Two test runs at once build it once; the rename makes a half-built folder impossible.
        with (target.parent / f"{self.folder.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if target.is_dir():
                return target
            scratch = Path(tempfile.mkdtemp(prefix="building-", dir=target.parent))
            try:
                command = ["go", "build", *self._flags(), "-o", f"{scratch}/", *self.packages]
                environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": ""}
                result = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
                if result.returncode:
                    raise BuildError(f"{' '.join(command)} in {self.folder} failed:\n{result.stdout}{result.stderr}")
                scratch.chmod(0o755)  # Servers run as another user.
                scratch.rename(target)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        return target


def cache_folder() -> Path:
    """Where everything that the tests build is kept between runs."""
    return Path(os.environ.get("RUNWRIGHT_TEST_CACHE") or Path.home() / ".cache" / "runwright-tests")


def _go_version() -> str:
    if shutil.which("go") is None:
        raise BuildError("the test servers are built from Go modules: install Go 1.26 or newer and put `go` on PATH")
    return subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()
