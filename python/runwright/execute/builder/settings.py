"""What a build is told: checked, with its defaults, before anything is done."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .failures import ConfigError, redacted
from .image import this_platform
from .look import Python
from .reference import LayoutReference, Reference, parse

DEFAULT_PREFIX = "/opt/runwright"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+(?:/[a-z0-9]+)?")
# A requirement that is a file here is another file (or none) elsewhere, and nothing that a name could be made of.
_LOCAL = re.compile(r"-e\b|--editable\b|-r\b|--requirement\b|-c\b|--constraint\b|\.{0,2}/|[^#]*@\s*file:|file:", re.IGNORECASE)


@dataclass(frozen=True)
class Settings:
    """The settings of one build.

    Attributes:
        base: the image to build on: `registry.example/python:3.11` or `oci:/folder:tag`.
        target: where the image goes: a repository, or `oci:/folder`. A tag in it is given to the image besides its own.
        requirements: lines as in a requirements file; none that name files.
        code: a folder, whose content is importable in the image, or None.
        env: environment of the image's containers, over the base's.
        prefix: the folder in the image for packages and code. On a base that has one already, `<prefix>-2` and so on.
        credentials: path of a docker config.json, or `$NAME` for a variable of the environment with its content; None to ask as nobody.
        insecure: hosts (with their ports) that are asked with plain http.
        certificates: path of a file with certificate authorities for registries, or None for the system's.
        inside: whether this process runs in a container of the base image.
        platform: `linux/amd64`; the default is this machine's.
        python: the base's Python, where it shall not be looked for: `{"version": "3.11", "path": "/usr/bin/python3"}`.
        installer_env: environment of pip or uv only (PIP_INDEX_URL, …); may hold passwords, is in no image and in no tag.
        compiled: whether compiled files go into the image, too: it starts faster and is larger.
        work: a folder for temporary files; the default is TMPDIR's. It needs room for the packages and for them compressed.
        cache: a folder that remembers which Python is in which base, or None.
        epoch: the date of all files in the layers, in seconds; the default is SOURCE_DATE_EPOCH or 0.
        force: build although the image is there already.
        attempts: how often a request to a registry is tried. pause: seconds before the second attempt. timeout: seconds of silence.
    """

    base: Reference | LayoutReference
    target: Reference | LayoutReference
    requirements: tuple[str, ...] = ()
    code: Path | None = None
    env: dict[str, str] = field(default_factory=dict)
    prefix: str = DEFAULT_PREFIX
    credentials: str | None = None
    insecure: frozenset[str] = frozenset()
    certificates: str | None = None
    inside: bool = False
    platform: str = ""
    python: Python | None = None
    installer_env: dict[str, str] = field(default_factory=dict, repr=False)
    compiled: bool = True
    work: str | None = None
    cache: str | None = None
    epoch: int | None = None
    force: bool = False
    attempts: int = 5
    pause: float = 0.5
    timeout: float = 60.0


def read(given: dict[str, Any]) -> Settings:
    """The settings of a plain dict with the names of `Settings`; those that are None count as not given. Raises ConfigError."""
    if not isinstance(given, dict):
        raise ConfigError(f"the settings of a build are a dict, not {type(given).__name__}")
    values = read_values(given, set(Settings.__dataclass_fields__), ("base", "target"))
    if "epoch" not in values and os.environ.get("SOURCE_DATE_EPOCH"):
        values["epoch"] = _whole(os.environ["SOURCE_DATE_EPOCH"], "SOURCE_DATE_EPOCH")
    return Settings(**values)


def read_values(given: dict[str, Any], known: set[str], images: tuple[str, ...]) -> dict[str, Any]:
    """What builders are told alike, checked. `images`: the settings that name an image and must be there. Raises ConfigError."""
    if unknown := sorted(map(str, set(given) - known)):
        raise ConfigError(f"there is no setting {', '.join(unknown)}", f"the settings are {', '.join(sorted(known))}")
    values = {name: value for name, value in given.items() if value is not None}
    for name in images:
        if name not in values:
            raise ConfigError(f"{name}: is missing", "name an image like registry.example/team/image")
    for name in ("base", "target"):
        if name in values:
            values[name] = parse(values[name], name)
    if values["target"].digest:
        raise ConfigError(f"target: {given['target']!r} has a digest, which only what is built can have", "leave it out")
    values["requirements"] = requirements_in_order(values.get("requirements", ()))
    for name, make in _READERS.items():
        if name in values:
            values[name] = make(values[name], name)
    values.setdefault("platform", this_platform())
    return values


def requirements_in_order(given: Any) -> tuple[str, ...]:
    """Requirement lines in order, without comments, blanks and repetitions. Raises ConfigError."""
    if isinstance(given, str) or not isinstance(given, (list, tuple)):
        raise ConfigError(f"requirements: {given!r} is not a list", "give a list like ['scikit-learn==1.5.0']")
    found: set[str] = set()
    for line in given:
        if not isinstance(line, str) or "\n" in line or "\r" in line or "\0" in line:
            raise ConfigError(f"requirements: {line!r} is not one line of text")
        text = " ".join(re.sub(r"(^|\s)#.*", "", line).split())
        if text and _LOCAL.match(text):
            cure = "name a package, or put the files into the code folder"
            raise ConfigError(f"requirements: {redacted(text)!r} names files, which are not where the image is built", cure)
        found.update({text} if text else ())
    return tuple(sorted(found))


def _texts(value: Any, name: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ConfigError(f"{name}: {type(value).__name__} is not a dict of names and texts")
    for key, text in value.items():
        if not isinstance(key, str) or not _NAME.fullmatch(key):
            raise ConfigError(f"{name}: {key!r} is not a name of an environment variable")
        if not isinstance(text, (str, int, float)) or "\0" in str(text):
            raise ConfigError(f"{name}: the value of {key} is not a text")
    return {key: str(text) for key, text in value.items()}


def _folder(value: Any, name: str) -> Path:
    path = Path(_text(value, name))
    if not path.is_dir():
        raise ConfigError(f"{name}: {path} is not a folder")
    return path


def _prefix(value: Any, name: str) -> str:
    text = _text(value, name)
    if not re.fullmatch(r"(/[A-Za-z0-9._-]+)+", text) or posixpath.normpath(text) != text:
        raise ConfigError(f"{name}: {text!r} is not an absolute path of letters, digits and . _ -", f"for example {DEFAULT_PREFIX}")
    return text


def _hosts(value: Any, name: str) -> frozenset[str]:
    if isinstance(value, str) or not all(isinstance(host, str) for host in value):
        raise ConfigError(f"{name}: {value!r} is not a list of hosts", "give a list like ['10.0.0.1:5000']")
    return frozenset(host.split("://", 1)[-1].rstrip("/") for host in value)


def _platform(value: Any, name: str) -> str:
    text = _text(value, name)
    if not _PLATFORM.fullmatch(text):
        raise ConfigError(f"{name}: {text!r} is not a platform", "for example linux/amd64")
    return text


def _python(value: Any, name: str) -> Python:
    try:
        python = Python(str(value["version"]), str(value.get("path") or "/usr/bin/env python3"), bool(value.get("musl", False)))
    except (TypeError, KeyError, AttributeError):
        python = Python("", "")
    if not re.fullmatch(r"3\.\d+", python.version) or not python.path.startswith("/"):
        raise ConfigError(f"{name}: {value!r} does not say which Python", "for example {'version': '3.11', 'path': '/usr/bin/python3'}")
    return python


def _text(value: Any, name: str) -> str:
    if not isinstance(value, (str, os.PathLike)) or not str(value):
        raise ConfigError(f"{name}: {value!r} is not a text")
    return str(value)


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{name}: {value!r} is neither true nor false")
    return value


def _whole(value: Any, name: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if number < 0 or isinstance(value, bool):
        raise ConfigError(f"{name}: {value!r} is not a whole number")
    return number


def _attempts(value: Any, name: str) -> int:
    return max(1, _whole(value, name))


def _seconds(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e6:
        raise ConfigError(f"{name}: {value!r} is not a number of seconds")
    return float(value)


def _lines(value: Any, name: str) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, (list, tuple)) or not all(isinstance(line, str) for line in value):
        raise ConfigError(f"{name}: {value!r} is not a list of text")
    return tuple(value)


_READERS: dict[str, Any] = {
    "code": _folder, "env": _texts, "prefix": _prefix, "credentials": _text, "insecure": _hosts, "certificates": _text, "inside": _flag,
    "platform": _platform, "python": _python, "installer_env": _texts, "compiled": _flag, "work": _text, "cache": _text, "epoch": _whole,
    "force": _flag, "attempts": _attempts, "pause": _seconds, "timeout": _seconds,
    "instructions": _lines, "dockerfile": _text, "secrets": _lines, "address": _text, "tool": _text, "importable": _flag,
}  # fmt: skip
