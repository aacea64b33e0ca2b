"""A build from beginning to end."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import environment, names
from .credentials import Credentials
from .failures import BaseImageError, ConfigError, DiskFull, is_disk_full
from .image import Image, find, fits, this_platform
from .install import Installer, this_musl
from .layout import LayoutFolder
from .look import Python, find_python
from .pack import Packed, content_digest, pack
from .put import copy_base, put_image, shown
from .reference import LayoutReference, Reference
from .registry import Patience, Registry
from .repository import Repository
from .settings import Settings, read
from .tidy import tidy
from .transport import Transport

# What is never part of code.
SKIPPED = frozenset({"__pycache__", ".git", ".ipynb_checkpoints"})


def build(settings: dict[str, Any], say: Callable[[str], None] = print) -> dict[str, Any]:
    """Make an image, or find the one that was made of the same.

    Args:
        settings: see `settings.Settings`.
        say: called with each line of progress; no line has a password in it.

    Returns:
        `image` (repository@digest), `tag` (repository:tag), `digest`, `layers` (those on top of the base: digest, size, what), `size` (bytes of all
        layers), `cached`, `builder` ("layer"), `base` (repository@digest), `python`, `platform`, `code` (the folder in the image, or None), `seconds`.

    Raises:
        ConfigError, BaseImageError, RegistryError, RequirementError, DiskFull: each a `Failed` with cause, message and cure. OSError.
    """
    wanted = read(settings)
    scratch = scratch_folder(wanted.work)
    try:
        return _Build(wanted, scratch, say).run()
    except OSError as error:
        if is_disk_full(error):
            room = f"{shown(shutil.disk_usage(scratch).free)} free in {scratch}"
            raise DiskFull(f"there is no room left for the build in {error.filename or scratch} ({room})") from error
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def scratch_folder(parent: str | None) -> Path:
    """A new folder for what is there during the build only."""
    try:
        return Path(tempfile.mkdtemp(prefix="runwright-build-", dir=parent))
    except OSError as error:
        where = parent or "the folder for temporary files (TMPDIR)"
        if is_disk_full(error):
            raise DiskFull(f"there is no room left in {where}") from error
        cure = "name a folder with room, in a pod that of an emptyDir"
        raise ConfigError(f"work: {where} cannot be written: {error.strerror}", cure) from None


class _Build:
    """What the steps of one build share."""

    def __init__(self, wanted: Settings, scratch: Path, say: Callable[[str], None]) -> None:
        self.wanted = wanted
        self.scratch = scratch
        self.say = say
        self.begin = time.monotonic()
        transport = Transport(wanted.insecure, wanted.timeout, wanted.certificates)
        credentials = Credentials(wanted.credentials)
        patience = Patience(wanted.attempts, wanted.pause)

        def place(reference: Reference | LayoutReference) -> Any:
            if isinstance(reference, LayoutReference):
                return LayoutFolder(reference)
            return Repository(Registry(reference.interface, transport, credentials.login(reference), patience, say), reference)

        self.source = place(wanted.base)
        self.target = place(wanted.target).for_pushing()

    def run(self) -> dict[str, Any]:
        """The order of things. Whoever may refuse is asked before the installing, which takes long."""
        wanted, say = self.wanted, self.say
        base = find(self.source, wanted.base.version, wanted.platform)
        count = len(base.layers)
        say(
            f"base: {self.source.name}@{base.document.digest}, {base.platform}, {count} layer{'s' if count != 1 else ''}, {shown(base.size)}"
        )
        self._check_platform(base)
        python = self._python(base)
        say(f"Python {python.version} at {python.path}")
        prefix = environment.free_prefix(base.environment, wanted.prefix)
        packages_tag = names.packages_tag(
            base.document.digest, base.platform, python, prefix, wanted.requirements, compiled=wanted.compiled, epoch=wanted.epoch
        )
        code = content_digest(wanted.code, SKIPPED) if wanted.code else None
        tag = names.image_tag(packages_tag, code, wanted.env)
        image = None if wanted.force else self._there(tag)
        if image is not None:
            say(f"{self.target.name}:{tag} is there: the same was built before")
            cached = True
        else:
            self.target.check_push()
            copy_base(self.source, self.target, base, say)
            image = self._with_code(base, self._with_packages(base, python, prefix, packages_tag), prefix, tag)
            say(f"built {self.target.name}:{tag} ({image.document.digest}), {shown(image.size)}, in {time.monotonic() - self.begin:.1f} s")
            cached = False
        if wanted.target.tag:
            self.target.put_manifest(wanted.target.tag, image.document)
        return self._result(base, image, tag, python, prefix=prefix, cached=cached)

    def _check_platform(self, base: Image) -> None:
        wanted = this_platform() if self.wanted.inside else self.wanted.platform
        if fits(base.platform, wanted):
            return
        if self.wanted.inside:
            raise BaseImageError(
                f"the base image is for {base.platform}, this container is {wanted}", "name the image that this container was made of"
            )
        raise BaseImageError(
            f"the base image is for {base.platform}, not for {wanted}", f"name another base image, or set `platform` to {base.platform}"
        )

    def _python(self, base: Image) -> Python:
        if self.wanted.python is not None:
            return self.wanted.python
        if not self.wanted.inside:
            return find_python(self.source, base, self.say, self.wanted.cache)
        path = shutil.which("python3", path=base.environment.get("PATH")) or sys.executable
        return Python("{}.{}".format(*sys.version_info[:2]), path, this_musl())

    def _there(self, tag: str) -> Image | None:
        """An image of the target that is whole, or None."""
        if self.target.manifest(tag) is None:
            return None
        image = find(self.target, tag, self.wanted.platform)
        return image if self.target.complete(image.layers) else None

    def _with_packages(self, base: Image, python: Python, prefix: str, tag: str) -> Image:
        """The base with the requirements, kept under a name of its own: other code with the same ones need not wait for them again."""
        wanted, say = self.wanted, self.say
        if not wanted.requirements:
            return base
        known = None if wanted.force else self._there(tag)
        if known is not None:
            say("the same requirements were installed before, for the same base: taken from there")
            return known
        folder, final = self.scratch / "packages", f"{prefix}/packages"
        folder.mkdir()
        installer = Installer(
            python, base, self.scratch, say, inside=wanted.inside, environment=wanted.installer_env, epoch=wanted.epoch or 0
        )
        if not installer.install(list(wanted.requirements), folder):
            return base
        more = tidy(folder, final, python.path, wanted.compiled and installer.native, say)
        packed = self._pack(folder, final, "packages")
        settled = environment.with_packages(base.environment, final, more)
        return put_image(self.target, base, base, [packed], environment=settled, epoch=wanted.epoch, tag=tag, say=say)

    def _with_code(self, base: Image, under: Image, prefix: str, tag: str) -> Image:
        wanted = self.wanted
        packed = [self._pack(wanted.code, f"{prefix}/code", "code")] if wanted.code else []
        code = f"{prefix}/code" if wanted.code else None
        settled = environment.complete(base.environment, under.environment, wanted.env, code)
        return put_image(self.target, base, under, packed, environment=settled, epoch=wanted.epoch, tag=tag, say=self.say)

    def _pack(self, folder: Path, inside: str, what: str) -> Packed:
        begin = time.monotonic()
        skip = SKIPPED if what == "code" else frozenset()
        packed = pack(folder, inside, self.scratch / f"{what}.tar.gz", epoch=self.wanted.epoch or 0, what=what, skip=skip)
        sizes = f"{packed.files} files, {shown(packed.content)}, as a layer {shown(packed.layer.size)}"
        self.say(f"packed the {what}: {sizes}, in {time.monotonic() - begin:.1f} s ({packed.layer.digest})")
        return packed

    def _result(self, base: Image, image: Image, tag: str, python: Python, *, prefix: str, cached: bool) -> dict[str, Any]:
        below = len(base.layers)
        ours = image.layers[below:]
        # Bases with an incomplete history exist, but the entries of ours are the last ones.
        said = (image.config.get("history") or [])[-len(ours) :]
        kinds = [str(entry.get("created_by") or "").rpartition(": ")[2] for entry in said]
        return {
            "image": f"{self.target.name}@{image.document.digest}",
            "tag": f"{self.target.name}:{tag}",
            "digest": image.document.digest,
            "layers": [{"digest": layer["digest"], "size": layer["size"], "what": kinds[number]} for number, layer in enumerate(ours)],
            "size": image.size,
            "cached": cached,
            "builder": "layer",
            "base": f"{self.source.name}@{base.document.digest}",
            "python": python.version,
            "platform": base.platform,
            "code": f"{prefix}/code" if self.wanted.code else None,
            "seconds": round(time.monotonic() - self.begin, 3),
        }
