"""What an installer's last words mean: which requirement is at fault, and what to do about it."""

from __future__ import annotations

import re

from .failures import DiskFull, RequirementError, redacted

_NO_ROOM = ("No space left on device", "Disk quota exceeded", "os error 28")
_UNREACHABLE = (
    "connection broken by", "NewConnectionError", "NameResolutionError", "Temporary failure in name resolution", "ConnectTimeoutError",
    "ReadTimeoutError", "error sending request", "dns error", "Could not fetch URL", "client error (Connect)",
)  # fmt: skip
_UNTRUSTED = ("CERTIFICATE_VERIFY_FAILED", "invalid peer certificate", "SSLError")
_SHOWN = 12
_UNKNOWN = "does not exist where packages are looked for"
_CONFLICT = "contradict each other"
_OTHER_PYTHON = "needs another Python than the base image has"

# In this order: the first that is found counts.
_MEANINGS: tuple[tuple[str, str, str | None], ...] = (
    (r"Invalid requirement: ['\"](.+?)['\"]", "is not written as a requirement", "write it like scikit-learn>=1.5"),
    (r"Couldn't parse requirement in .*\n.*\n\s*(\S.*)\n\s*\^", "is not written as a requirement", "write it like scikit-learn>=1.5"),
    (
        r"Could not find a version that satisfies the requirement (.+?) \(from (?:.+?; )?versions: (?!none)", "has no version that fits",
        "ask for one of the versions that there are, or take a base image with another Python",
    ),
    (r"No matching distribution found for (.+)", _UNKNOWN, "check its name; a private index is given by PIP_INDEX_URL"),
    (r"[Bb]ecause (\S+) was not found in", _UNKNOWN, "check its name; a private index is given by UV_INDEX_URL"),
    (r"[Bb]ecause (\S+) requires Python \S+ and", _OTHER_PYTHON, "take another base image, or another version"),
    (r"Package '?(.+?)'? requires a different Python", _OTHER_PYTHON, "take another base image, or another version"),
    (r"Cannot install (.+?) because these package versions have conflicting dependencies", _CONFLICT, "loosen one of the versions"),
    (r"ERROR: (\S+\.whl) is not a supported wheel on this platform", "is a wheel for another platform", "name the package instead of the file"),
    (r"[Ff]ailed building wheel for (\S+)", "could not be compiled", None),
    (r"[Ff]ailed to build `(.+?)`", "could not be compiled", None),
    (r"DO NOT MATCH THE HASHES", "is not what its hash says", "check the hash and where the package comes from"),
)  # fmt: skip
_COMPILE = "take a version that has a wheel for this Python and processor, or a base image with a compiler and the headers that it needs"


def explain(lines: list[str], requirements: list[str]) -> RequirementError | DiskFull:
    """The failure that an installer's output tells of.

    Args:
        lines: what it printed, the last lines at the least.
        requirements: what it was asked for.
    """
    lines = [_with_names(redacted(line.rstrip()), requirements) for line in lines if line.strip()]
    text = "\n".join(lines)
    evidence = "\n".join(f"  {line}" for line in _interesting(lines))
    if any(mark in text for mark in _NO_ROOM):
        return DiskFull(f"there is no room for the requirements:\n{evidence}")
    if any(mark in text for mark in _UNTRUSTED):
        help_it = "give the index's authority: PIP_CERT or SSL_CERT_FILE names a file"
        return RequirementError(f"the package index is not trusted:\n{evidence}", help_it, _asked(requirements))
    if any(mark in text for mark in _UNREACHABLE):
        help_it = "give an index that can be reached from where the image is built: PIP_INDEX_URL or UV_INDEX_URL"
        return RequirementError(f"the package index cannot be reached:\n{evidence}", help_it, _asked(requirements))
    for pattern, meaning, cure in _MEANINGS:
        if found := re.search(pattern, text):
            name = found[1].strip(" '\"`") if found.groups() else ""
            named = f"the requirement {name}" if name else "a requirement"
            named = named.replace("requirement", "requirements", 1) if meaning == _CONFLICT else named
            return RequirementError(f"{named} {meaning}:\n{evidence}", cure or _COMPILE, name or None)
    if wanted := list(dict.fromkeys(re.findall(r"you require ([^\s,]+)(?=[^.]*we can conclude)", text))):
        meaning = (
            f"requirements {' and '.join(wanted)} {_CONFLICT}" if len(wanted) > 1 else f"requirement {wanted[0]} has no version that fits"
        )
        return RequirementError(f"the {meaning}:\n{evidence}", "loosen one of the versions, or ask for one that there is", wanted[0])
    if re.search(r"metadata-generation-failed|subprocess-exited-with-error", text):
        last = re.findall(r"(?m)^\s*(?:Collecting|Building wheel for|Processing) (\S+)", text)
        name = last[-1] if last else None
        return RequirementError(f"the requirement {name or '(see below)'} could not be built:\n{evidence}", _COMPILE, name)
    shown = ", ".join(requirements[:5]) + (", …" if len(requirements) > 5 else "")
    return RequirementError(
        f"the requirements could not be installed ({shown}):\n{evidence}", "check names and versions", _asked(requirements)
    )


def _with_names(line: str, requirements: list[str]) -> str:
    """pip names a requirement by its line in a file that nobody sees."""

    def name(match: re.Match[str]) -> str:
        number = int(match[1])
        return redacted(requirements[number - 1]) if number <= len(requirements) else match[0]

    return re.sub(r"-r \S+ \(line (\d+)\)", name, line)


def _asked(requirements: list[str]) -> str | None:
    return redacted(requirements[0]) if len(requirements) == 1 else None


def _interesting(lines: list[str]) -> list[str]:
    """The lines that say what went wrong, or the last ones."""
    telling = [
        line for line in lines
        if re.search(r"(?i)error|\u00d7|\u2570|conflict|because|cause:|conclude|failed|requires|no matching|depends on|no space", line)
        and not re.match(r"\s*WARNING: (?:You are|Retrying)", line)
    ]  # fmt: skip
    return (telling or lines)[-_SHOWN:]
