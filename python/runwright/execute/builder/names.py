"""The tags of images: made from all that goes into them, so that the same inputs have the same name and are built once."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from .look import Python

# Raised where the same inputs give another image than before.
RELEASE = 1


def packages_tag(
    base: str, platform: str, python: Python, prefix: str, requirements: tuple[str, ...], *, compiled: bool, epoch: int | None
) -> str:
    """The tag of the image that has the requirements only. `base` is a digest."""
    return f"rw-packages-{_digest([RELEASE, base, platform, python.version, python.path, prefix, sorted(requirements), compiled, epoch])}"


def image_tag(packages: str, code: str | None, env: dict[str, str]) -> str:
    """The tag of the whole image.

    Args:
        packages: the tag of the image with the requirements.
        code: the digest of the code, or None.
    """
    return f"rw-{_digest([packages, code, sorted(env.items())])}"


def _digest(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()[:32]
