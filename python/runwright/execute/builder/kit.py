"""A build by a program that executes instructions: what is asked for, whether it is there already, and what came of it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import solving, stages
from .credentials import Credentials
from .dockerfile import Assembly, assemble
from .failures import BaseImageError, ConfigError, RegistryError
from .image import Image, find
from .order import SKIPPED, scratch_folder
from .put import shown
from .reference import LayoutReference, Reference, parse
from .registry import Patience, Registry
from .repository import Repository
from .settings import DEFAULT_PREFIX, read_values
from .tools import Buildctl, FailedBuild, Job, tool_of
from .transport import Transport

# How long one that is started with the pod has to answer, in seconds; another that does not answer will not do so either.
_STARTING = 120.0
_THERE = 10.0


@dataclass(frozen=True)
class KitSettings:
    """The settings of one build; those that `Settings` has, too, mean the same.

    Attributes:
        instructions, dockerfile, secrets, importable: see `dockerfile.assemble`. Without a Dockerfile there is a `base`.
        address: where BuildKit is: `tcp://host:1234`, or `unix:///path` for one that is started with this process; None: `tool` builds by itself.
        tool: the path of BuildKit's client (buildctl), or of podman, buildah or docker.
    """

    target: Reference | LayoutReference
    tool: str
    address: str | None = None
    base: Reference | LayoutReference | None = None
    instructions: tuple[str, ...] = ()
    dockerfile: str | None = None
    requirements: tuple[str, ...] = ()
    code: Path | None = None
    importable: bool = True
    env: dict[str, str] = field(default_factory=dict)
    prefix: str = DEFAULT_PREFIX
    secrets: tuple[str, ...] = ()
    installer_env: dict[str, str] = field(default_factory=dict, repr=False)
    credentials: str | None = None
    insecure: frozenset[str] = frozenset()
    certificates: str | None = None
    platform: str = ""
    work: str | None = None
    force: bool = False
    attempts: int = 5
    pause: float = 0.5
    timeout: float = 60.0


def read(given: dict[str, Any]) -> KitSettings:
    """The settings of a plain dict; those that are None count as not given. Raises ConfigError."""
    values = read_values(given, set(KitSettings.__dataclass_fields__), ("target",))
    if "tool" not in values:
        raise ConfigError("tool: is missing", "name the path of podman, buildah, docker, or with an `address` of buildctl")
    if isinstance(values["target"], LayoutReference):
        raise ConfigError(f"target: {values['target']} is a folder; what executes instructions pushes to a registry")
    return KitSettings(**values)


def build(settings: dict[str, Any], say: Callable[[str], None] = print) -> dict[str, Any]:
    """Make an image by executing instructions, or find the one that was made of the same.

    Args:
        settings: see `KitSettings`.
        say: called with each line of progress and of what the instructions print.

    Returns: as `order.build`; `python` is None, and `base`, too, where a Dockerfile names it.

    Raises:
        ConfigError, BaseImageError, RegistryError, RequirementError, InstructionError, BuilderError, DiskFull: each a `Failed`. OSError.
    """
    wanted = read(settings)
    scratch = scratch_folder(wanted.work)
    try:
        return _Kit(wanted, scratch, say).run()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class _Kit:
    """What the steps of one build share."""

    def __init__(self, wanted: KitSettings, scratch: Path, say: Callable[[str], None]) -> None:
        self.wanted = wanted
        self.scratch = scratch
        self.say = say
        self.begin = time.monotonic()
        starts = (wanted.address or "").startswith("unix:")
        self.tool = tool_of(wanted.tool, wanted.address, _STARTING if starts else _THERE)
        self.login = wanted.credentials or _own_login()
        self.credentials = Credentials(self.login)
        self.transport = Transport(wanted.insecure, wanted.timeout, wanted.certificates)
        self.target = self.place(wanted.target).for_pushing()

    def place(self, reference: Any) -> Repository:
        """A repository, asked as who has the credentials for it."""
        patience = Patience(self.wanted.attempts, self.wanted.pause)
        return Repository(Registry(reference.interface, self.transport, self.credentials.login(reference), patience, self.say), reference)

    def run(self) -> dict[str, Any]:
        """The order of things. Whoever may refuse is asked before the building, which takes long."""
        wanted, say = self.wanted, self.say
        secrets = self.secrets()
        assembly = assemble(
            base=str(wanted.base) if wanted.base else None, instructions=wanted.instructions, dockerfile=wanted.dockerfile,
            requirements=wanted.requirements, code=_files(wanted.code), importable=wanted.importable, env=wanted.env, secrets=list(secrets),
            prefix=wanted.prefix, texts=self.tool.texts,
        )  # fmt: skip
        say(f"builder: {self.tool}")
        bases = {name: self.base(name) for name in stages.bases(assembly.dockerfile)}
        tag = assembly.tag([image.document.digest for image in bases.values() if image], wanted.platform)
        image = None if wanted.force else self.there(tag)
        cached = image is not None
        if image is not None:
            say(f"{self.target.name}:{tag} is there: the same was built before")
        else:
            self.target.check_push()
            self.tool.wait()
            image = self.built(assembly, secrets, tag)
            say(f"built {self.target.name}:{tag} ({image.document.digest}), {shown(image.size)}, in {time.monotonic() - self.begin:.1f} s")
        if wanted.target.tag:
            self.target.put_manifest(wanted.target.tag, image.document)
        return self.result(bases, image, tag, cached=cached)

    def secrets(self) -> dict[str, str]:
        """What the instructions see as variables of their environment, and nobody else. Raises ConfigError."""
        found = dict(self.wanted.installer_env)
        for name in self.wanted.secrets:
            if name not in os.environ:
                raise ConfigError(f"secrets: the environment has no {name}", "name a secret of the run")
            found[name] = os.environ[name]
        return dict(sorted(found.items()))

    def base(self, name: str) -> Image | None:
        """An image to build on, or None where its registry is not reached from here (BuildKit may have another way to it)."""
        reference = parse(name, "base")
        if isinstance(reference, LayoutReference):
            raise ConfigError(f"base: {name} is a folder; what executes instructions takes images of registries")
        try:
            image = find(self.place(reference), reference.version, self.wanted.platform)
        except RegistryError as error:
            if error.status is not None:
                raise
            self.say(f"base: {name} is not reached from here, so this build's name does not depend on what it is now")
            return None
        except BaseImageError as error:
            raise BaseImageError(f"{error.message} (FROM {name})", error.cure) from error
        self.say(f"base: {reference.name}@{image.document.digest}, {image.platform}, {shown(image.size)}")
        return image

    def there(self, tag: str) -> Image | None:
        """The image of that name, if the target has it."""
        return None if self.target.manifest(tag) is None else find(self.target, tag, self.wanted.platform)

    def built(self, assembly: Assembly, secrets: dict[str, str], tag: str) -> Image:
        """Let the program build, and look at what it pushed."""
        wanted = self.wanted
        insecure = getattr(wanted.target, "host", "") in wanted.insecure
        job = Job(f"{self.target.name}:{tag}", self.scratch, wanted.platform, insecure, wanted.force, secrets)
        job.context.mkdir()
        for path, content in assembly.files.items():
            file = job.context / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            if wanted.code is not None:
                file.chmod(0o755 if (wanted.code / path).stat().st_mode & 0o111 else 0o644)
        job.text.parent.mkdir()
        job.text.write_text(assembly.dockerfile)
        job.login.mkdir(mode=0o700)
        # Programs of this machine find the login of whoever runs them by themselves, also where it is kept by another program.
        login = self.login if isinstance(self.tool, Buildctl) else wanted.credentials
        if login is not None:
            (job.login / "config.json").write_text(_content(login))
        try:
            digest = self.tool.build(job, self.say)
        except FailedBuild as failed:
            raise solving.explain(failed.lines, assembly) from None
        return find(self.target, digest, wanted.platform)

    def result(self, bases: dict[str, Image | None], image: Image, tag: str, *, cached: bool) -> dict[str, Any]:
        """What a build returns."""
        wanted = self.wanted
        base = bases.get(str(wanted.base)) if wanted.base else None
        ours = image.layers[len(base.layers) if base else 0 :]
        said = [entry for entry in image.config.get("history") or [] if not entry.get("empty_layer")][-len(ours) :] if ours else []
        whats = [str(entry.get("created_by") or "") for entry in said] if len(said) == len(ours) else [""] * len(ours)
        has_code = wanted.code is not None and wanted.importable
        return {
            "image": f"{self.target.name}@{image.document.digest}",
            "tag": f"{self.target.name}:{tag}",
            "digest": image.document.digest,
            "layers": [{"digest": layer["digest"], "size": layer["size"], "what": what} for layer, what in zip(ours, whats)],  # noqa: B905
            "size": image.size,
            "cached": cached,
            "builder": "buildkit",
            "base": f"{wanted.base.name}@{base.document.digest}" if wanted.base and base else None,
            "python": None,
            "platform": image.platform,
            "code": f"{wanted.prefix}/code" if has_code else None,
            "seconds": round(time.monotonic() - self.begin, 3),
        }


def _own_login() -> str | None:
    """The file that `podman login` or `docker login` wrote for whoever runs this."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/containers/{os.getuid()}"
    docker = os.environ.get("DOCKER_CONFIG") or str(Path.home() / ".docker")
    places = (os.environ.get("REGISTRY_AUTH_FILE"), f"{runtime}/containers/auth.json", f"{docker}/config.json")
    return next((place for place in places if place and os.access(place, os.R_OK)), None)


def _files(folder: Path | None) -> dict[str, bytes]:
    """The context: relative path → content."""
    if folder is None:
        return {}
    found = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and not SKIPPED.intersection(relative.parts):
            found[relative.as_posix()] = path.read_bytes()
    return found


def _content(credentials: str) -> str:
    """That of the docker config.json; it was read before."""
    with contextlib.suppress(ValueError):
        text = os.environ[credentials[1:]] if credentials.startswith("$") else Path(credentials).read_text(encoding="utf-8")
        return json.dumps({"auths": json.loads(text).get("auths") or {}})
    return "{}"
