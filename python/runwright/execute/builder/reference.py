"""The names of images: `registry.example/team/image:tag`, `…@sha256:…`, and `oci:/folder:tag` for an OCI layout."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .failures import ConfigError

# What a name without a host means, and where that registry's interface is.
DEFAULT_HOST = "docker.io"
_INTERFACE = {DEFAULT_HOST: "registry-1.docker.io"}

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_HOST = re.compile(r"(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::[0-9]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Reference:
    """An image in a registry."""

    host: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def interface(self) -> str:
        """The host that is asked."""
        return _INTERFACE.get(self.host, self.host)

    @property
    def name(self) -> str:
        """Host and repository, without tag and digest."""
        return f"{self.host}/{self.repository}"

    @property
    def version(self) -> str:
        """What a manifest is asked for by."""
        return self.digest or self.tag or "latest"

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


@dataclass(frozen=True)
class LayoutReference:
    """An image in a folder that has the form of an OCI image layout."""

    folder: str
    tag: str | None = None
    digest: str | None = None

    @property
    def name(self) -> str:
        """The folder, without tag and digest."""
        return f"oci:{self.folder}"

    @property
    def version(self) -> str:
        """What a manifest is asked for by; empty for the only one."""
        return self.digest or self.tag or ""

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parse(text: str, field: str) -> Reference | LayoutReference:
    """The parts of a name. `field` is the setting that it was given in. Raises ConfigError."""
    if not isinstance(text, str) or not text.strip() or text != text.strip():
        raise ConfigError(f"{field}: {text!r} is not the name of an image", "name it like registry.example/team/image:tag, or oci:/folder")
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _wrong(field, text, f"{digest!r} is not a digest: sha256: and 64 hexadecimal digits")
    if rest.startswith("oci:"):
        return _layout(rest[4:], digest or None, text, field)
    if "://" in rest:
        raise _wrong(field, text, "it begins like a URL: leave http:// or https:// out (plain http is what `insecure` is for)")
    first, slash, path = rest.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        host = first
    else:
        host, path = DEFAULT_HOST, rest
    path, tag = _without_tag(path)
    if host == DEFAULT_HOST and "/" not in path:
        path = f"library/{path}"
    if not _HOST.fullmatch(host):
        raise _wrong(field, text, f"{host!r} is not a host")
    if not _REPOSITORY.fullmatch(path):
        raise _wrong(field, text, f"{path!r} is not a repository: small letters, digits, and . _ - between them")
    _check_tag(tag, text, field)
    return Reference(host, path, tag, digest or None)


def _layout(path: str, digest: str | None, text: str, field: str) -> LayoutReference:
    folder, tag = _without_tag(path)
    if not folder.startswith("/"):
        raise _wrong(field, text, "the folder after oci: must be an absolute path")
    _check_tag(tag, text, field)
    return LayoutReference(folder.rstrip("/") or "/", tag, digest)


def _without_tag(path: str) -> tuple[str, str | None]:
    head, slash, last = path.rpartition("/")
    name, colon, tag = last.partition(":")
    return f"{head}{slash}{name}", tag if colon else None


def _check_tag(tag: str | None, text: str, field: str) -> None:
    if tag is not None and not _TAG.fullmatch(tag):
        raise _wrong(field, text, f"{tag!r} is not a tag: letters, digits, and . _ -, at most 128")


def _wrong(field: str, text: str, why: str) -> ConfigError:
    return ConfigError(f"{field}: {text!r} is not the name of an image: {why}")
