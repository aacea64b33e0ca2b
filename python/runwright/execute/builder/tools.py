"""The programs that execute instructions, each told the same in its own words."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .failures import BuilderError, redacted

# What programs of others need of this environment: to be found, to get out of this network, to trust who answers.
_KEPT = ("PATH", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PAUSE = 0.2


@dataclass(frozen=True)
class Job:
    """What a program is to build and push.

    Attributes:
        image: `repository:tag`. folder: what is in it goes when the build ends: `Dockerfile`, `context/`, `home/` with the login.
        platform: `linux/amd64`. insecure: whether the target's registry is asked with plain http. anew: nothing that was built before is used.
        secrets: their values, by name.
    """

    image: str
    folder: Path
    platform: str
    insecure: bool
    anew: bool
    secrets: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def has_login(self) -> bool:
        """Whether the build has a login of its own; else that of whoever runs the program counts."""
        return (self.login / "config.json").exists()

    @property
    def context(self) -> Path:
        """The files that instructions may copy."""
        return self.folder / "context"

    @property
    def text(self) -> Path:
        """The Dockerfile, in a folder of its own."""
        return self.folder / "text" / "Dockerfile"

    @property
    def login(self) -> Path:
        """The folder with the docker config.json."""
        return self.folder / "home"


def _alike(job: Job) -> list[str]:
    """What all of them are told in the same words."""
    return [*(f"--secret=id={name},env={name}" for name in job.secrets), *(["--no-cache"] if job.anew else [])]


class FailedBuild(Exception):
    """The program ended without an image; what it printed says why."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(lines[-1] if lines else "")
        self.lines = lines


class Buildctl:
    """BuildKit, wherever it is, through its client."""

    texts = True

    def __init__(self, program: str, address: str, patience: float) -> None:
        """`patience`: seconds that it has to answer for the first time."""
        self._program = program
        self._address = address
        self._patience = patience

    def __str__(self) -> str:
        return f"BuildKit at {self._address}"

    def wait(self) -> None:
        """Until it answers. Raises BuilderError."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                done = subprocess.run(self._command("debug", "workers"), env=_environment(), capture_output=True, text=True, check=False)
            except OSError as error:
                raise _not_started(self._program, error) from error
            if done.returncode == 0:
                return
            if time.monotonic() > deadline:
                why = (done.stderr or done.stdout).strip().splitlines()
                cure = "check that its address is right (building={'buildkit': …}, or RUNWRIGHT_BUILDKIT), and that it is reached from where the build executes"
                raise BuilderError(f"{self} does not answer: {why[-1] if why else 'it said nothing'}", cure)
            time.sleep(_PAUSE)

    def build(self, job: Job, say: Callable[[str], None]) -> str:
        """Build and push. Gives the digest. Raises FailedBuild, BuilderError."""
        metadata = job.folder / "metadata.json"
        # One that was started for this build was told so when it started.
        insecure = ",registry.insecure=true" if job.insecure and not self._address.startswith("unix:") else ""
        command = self._command(
            "build", "--progress=plain", "--frontend=dockerfile.v0", f"--local=context={job.context}", f"--local=dockerfile={job.text.parent}",
            f"--opt=platform={job.platform}", f"--metadata-file={metadata}", f"--output=type=image,name={job.image},push=true{insecure}",
            *_alike(job),
        )  # fmt: skip
        _execute(command, {"DOCKER_CONFIG": str(job.login), **job.secrets}, say)
        return str(json.loads(metadata.read_text())["containerimage.digest"])

    def _command(self, *arguments: str) -> list[str]:
        return [self._program, "--addr", self._address, *arguments]


class _OfThisMachine:
    """A program that is told all by its arguments."""

    def __init__(self, program: str) -> None:
        self._program = program

    def __str__(self) -> str:
        return self._program

    def wait(self) -> None:
        """There is nothing that would have to start, or it says itself when its daemon is away."""


class Docker(_OfThisMachine):
    """Docker of this machine, which has BuildKit in it."""

    texts = True

    def build(self, job: Job, say: Callable[[str], None]) -> str:
        """Build and push. Gives the digest. Raises FailedBuild, BuilderError."""
        metadata = job.folder / "metadata.json"
        command = [
            self._program, "buildx", "build", "--progress=plain", "--push", "--provenance=false", f"--file={job.text}", f"--tag={job.image}",
            f"--platform={job.platform}", f"--metadata-file={metadata}", *_alike(job), str(job.context),
        ]  # fmt: skip
        login = {"DOCKER_CONFIG": str(job.login)} if job.has_login else {}
        _execute(command, {**os.environ, **login, **job.secrets}, say)
        return str(json.loads(metadata.read_text())["containerimage.digest"])


class Podman(_OfThisMachine):
    """Podman or buildah of this machine: both are told the same."""

    # Its versions of some years ago know neither texts within a Dockerfile nor secrets as variables.
    texts = False

    def build(self, job: Job, say: Callable[[str], None]) -> str:
        """Build and push. Gives the digest. Raises FailedBuild, BuilderError."""
        digest = job.folder / "digest"
        alike = [*([f"--authfile={job.login}/config.json"] if job.has_login else []), *(["--tls-verify=false"] if job.insecure else [])]
        build = [
            self._program, "build", f"--file={job.text}", f"--tag={job.image}", f"--platform={job.platform}", *alike,
            *_alike(job), str(job.context),
        ]  # fmt: skip
        _execute(build, {**os.environ, **job.secrets}, say)
        _execute([self._program, "push", f"--digestfile={digest}", *alike, job.image], dict(os.environ), say)
        return digest.read_text().strip()


def tool_of(program: str, address: str | None, patience: float) -> Buildctl | Docker | Podman:
    """What executes instructions: BuildKit at an address, or a program by its name."""
    if address is not None:
        return Buildctl(program, address, patience)
    return Docker(program) if Path(program).name.startswith("docker") else Podman(program)


def _not_started(program: str, error: OSError) -> BuilderError:
    return BuilderError(f"{program} cannot be started: {error.strerror}", "install it again, or build elsewhere")


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _KEPT if name in os.environ}


def _execute(command: list[str], environment: dict[str, str], say: Callable[[str], None]) -> None:
    """Run a program; each of its lines is said as it comes. Where this process is stopped, so is the program. Raises FailedBuild, BuilderError."""
    lines: list[str] = []
    try:
        program = subprocess.Popen(
            command, env={**_environment(), **environment}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace",
        )  # fmt: skip
    except OSError as error:
        raise _not_started(command[0], error) from error
    try:
        for line in program.stdout or ():
            lines.append(redacted(line.rstrip()))
            if lines[-1]:
                say(lines[-1])
        failed = program.wait() != 0
    finally:
        if program.poll() is None:
            program.terminate()
            program.wait()
    if failed:
        raise FailedBuild(lines)
