"""What BuildKit's plain output says when a build failed: which instruction or requirement, and what to do about it."""

from __future__ import annotations

import re

from ..failure import Failed
from . import complaints
from .dockerfile import Assembly
from .failures import BaseImageError, DiskFull, InstructionError, RegistryError, redacted

_SHOWN = 15
_STEP_LINE = re.compile(r"#(\d+) (?:\d+\.\d+ )?(.*)")
_NO_BASE = re.compile(r"failed to resolve source metadata for (\S+?): (.*)")
_NO_PUSH = re.compile(r"failed to push (\S+?): (.*)")
_REFUSED = re.compile(r"denied|unauthorized|authorization failed|forbidden|401|403", re.IGNORECASE)
# How podman and buildah say it, and what they print before each instruction.
_STEP_FAILED = re.compile(r'building at STEP "(.*)": (.*)')
_STEP = re.compile(r"(?:\[\d+/\d+\] )?STEP \d+")
_FAILED = re.compile(r'process "(.*?)" did not complete successfully: (?:exit code: (\d+)|(.*))')


def explain(lines: list[str], assembly: Assembly) -> Failed:
    """The failure that the output of `buildctl --progress=plain` (or `docker buildx`, podman, buildah) ends with.

    Args:
        lines: all that was printed.
        assembly: what was built.
    """
    lines = [redacted(line.rstrip()) for line in lines]
    text = "\n".join(lines)
    errors = [line for line in lines if re.match(r"(?:error|ERROR): ", line)]
    last = errors[-1].partition(": ")[2] if errors else next((line for line in reversed(lines) if line), "it said nothing")
    if found := _NO_PUSH.search(text):
        return _registry(found[1], f"pushing {found[1]}: {found[2]}")
    if found := _NO_BASE.search(text):
        name, why = found[1], found[2]
        if "not found" in why and not _REFUSED.search(why):
            return BaseImageError(f"there is no image {name}", "check its name and tag")
        return _registry(name, f"reading {name}: {why}")
    instruction = _instruction(lines)
    said = _said(lines)
    if at_step := _STEP_FAILED.search(text):
        instruction, last = at_step[1], at_step[2]
        begin = max((at for at, line in enumerate(lines) if _STEP.match(line)), default=-1)
        said = [line for line in lines[begin + 1 :] if line and not _STEP_FAILED.search(line)]
    if assembly.installs and instruction and "pip install" in instruction and "--target" in instruction:
        return complaints.explain(said, list(assembly.installs))
    if "no space left on device" in text.lower():
        return DiskFull(f"BuildKit has no room left: {last}")
    evidence = "".join(f"\n  {line}" for line in said[-_SHOWN:])
    if instruction:
        how = _FAILED.search(text)
        ended = f" with exit code {how[2]}" if how and how[2] else f": {how[3]}" if how else f": {last}"
        return InstructionError(
            f"the instruction {instruction!r} failed{ended}{evidence}",
            "correct it; what came before is kept and not executed again",
            instruction,
        )
    return InstructionError(f"the image could not be built: {last}{evidence}", "look at the last lines of the build's log")


def _instruction(lines: list[str]) -> str | None:
    """The one that BuildKit points at, on one line."""
    marked = [match[1] for line in lines if (match := re.match(r"\s*\d+ \| >>> ?(.*)", line))]
    return " ".join(" ".join(marked).split()) or None


def _said(lines: list[str]) -> list[str]:
    """What the step that failed printed, without BuildKit's numbers and times."""
    failed = [match[1] for line in lines if (match := re.match(r"#(\d+) ERROR: ", line))]
    if not failed:
        return []
    of_step = [match for line in lines if (match := _STEP_LINE.match(line)) and match[1] == failed[-1]]
    return [match[2] for match in of_step if match[2] and not match[2].startswith(("[", "ERROR: process", "DONE", "CACHED"))]


def _registry(name: str, message: str) -> RegistryError:
    host = name.partition("/")[0]
    if _REFUSED.search(message):
        return RegistryError(message, f"give the credentials of {host}, with the right for that", host)
    return RegistryError(message, f"check that BuildKit reaches {host}, and that it is allowed plain http there if it needs that", host)
