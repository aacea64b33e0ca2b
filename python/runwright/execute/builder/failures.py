"""How a build fails. Each failure says what failed, on what, and what to do."""

from __future__ import annotations

import errno
import re

from ..failure import Failed

_USER_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")
_FULL = (errno.ENOSPC, errno.EDQUOT)


class ConfigError(Failed):
    """A setting cannot be used; nothing was done."""

    def __init__(self, message: str, cure: str | None = None) -> None:
        super().__init__("ConfigError", message, cure)


class RequirementError(Failed):
    """A requirement could not be installed.

    Attributes:
        requirement (str | None): the one at fault, where the installer says which.
    """

    def __init__(self, message: str, cure: str | None = None, requirement: str | None = None) -> None:
        super().__init__("RequirementError", message, cure)
        self.requirement = requirement


class RegistryError(Failed):
    """A registry cannot be reached or refuses.

    Attributes:
        registry (str): its host and port.
        status (int | None): what it answered, None where it did not.
    """

    def __init__(self, message: str, cure: str | None, registry: str, status: int | None = None) -> None:
        super().__init__("RegistryError", message, cure)
        self.registry = registry
        self.status = status


class BaseImageError(Failed):
    """The base image does not exist or does not fit: no Python in it, another processor."""

    def __init__(self, message: str, cure: str | None = None) -> None:
        super().__init__("BaseImageError", message, cure)


class InstructionError(Failed):
    """An instruction of a Dockerfile failed.

    Attributes:
        instruction (str | None): the one at fault, where the builder says which.
    """

    def __init__(self, message: str, cure: str | None = None, instruction: str | None = None) -> None:
        super().__init__("InstructionError", message, cure)
        self.instruction = instruction


class BuilderError(Failed):
    """The program that executes instructions cannot be reached, or does not work."""

    def __init__(self, message: str, cure: str | None = None) -> None:
        super().__init__("BuilderError", message, cure)


class DiskFull(Failed):
    """There is no room left for what is being installed, packed or written."""

    def __init__(self, message: str) -> None:
        super().__init__("DiskFull", message, "give the build more disk (`work` names its folder; in a pod its size is resources.disk)")


def is_disk_full(error: OSError) -> bool:
    """Whether the operating system refused to write because there is no room."""
    return error.errno in _FULL


def redacted(text: str) -> str:
    """The text without users and passwords in URLs."""
    return _USER_IN_URL.sub("***@", text)
