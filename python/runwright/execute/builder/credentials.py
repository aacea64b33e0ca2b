"""Who asks a registry: the file that `docker login` writes, which is also what a Secret of type kubernetes.io/dockerconfigjson holds."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .failures import ConfigError
from .reference import DEFAULT_HOST, Reference

# The default registry's key in the file is from the time of its first version.
_ALIASES = {"index.docker.io": DEFAULT_HOST, "registry-1.docker.io": DEFAULT_HOST}


@dataclass(frozen=True)
class Login:
    """One entry of the file. What is secret is not shown."""

    user: str
    source: str
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"as {self.user!r} (from {self.source})" if self.user else f"with a token (from {self.source})"

    @property
    def basic(self) -> str:
        """The header's value for basic authentication."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


class Credentials:
    """The file's content. Without a file nobody is logged in anywhere."""

    def __init__(self, path: str | None) -> None:
        """Read the file, or the variable of the environment that holds its content (`$NAME`).

        Raises:
            ConfigError: where it cannot be read or is no such file; its content is never part of the message.
        """
        self._path = path
        self._entries: dict[str, dict[str, Any]] = {}
        self._helpers: dict[str, str] = {}
        self._store = ""
        if path is None:
            return
        try:
            content = json.loads(os.environ[path[1:]] if path.startswith("$") else Path(path).read_text(encoding="utf-8"))
            self._entries = {_key(name): dict(entry) for name, entry in (content.get("auths") or {}).items()}
            self._helpers = {_key(name): str(helper) for name, helper in (content.get("credHelpers") or {}).items()}
            self._store = str(content.get("credsStore") or "")
        except KeyError:
            raise ConfigError(
                f"credentials: the environment has no {path[1:]}", "name a secret of the run, or the path of a file"
            ) from None
        except OSError as error:
            raise ConfigError(f"credentials: {path} cannot be read: {error.strerror}") from None
        except (ValueError, AttributeError, TypeError):
            cure = 'it has the form {"auths": {"registry.example": {"auth": "<base64 of user:password>"}}}'
            raise ConfigError(f"credentials: {path} is not a docker config.json", cure) from None

    def login(self, reference: Reference) -> Login | None:
        """Who asks for an image, or None for nobody. The entry with the longest matching path counts.

        Raises:
            ConfigError: if the entry cannot be read, or is kept by a program that would have to be asked.
        """
        wanted = f"{reference.host}/{reference.repository}"
        matching = [name for name in self._entries if _matches(name, wanted)]
        name = max(matching, key=lambda name: (name.count("/"), "*" not in name, len(name)), default=None)
        entry = self._entries.get(name, {}) if name is not None else {}
        if not any(entry.get(key) for key in ("auth", "username", "identitytoken", "registrytoken")):
            helper = self._helpers.get(reference.host) or (self._store if name is not None else "")
            if helper:
                message = f"credentials: {self._path} leaves {reference.host} to the credential helper {helper!r}, which is not asked"
                raise ConfigError(message, "write an entry with `auth` for it, as `docker login` does without a credential helper")
            return None
        return self._read(entry, name or "")

    def _read(self, entry: dict[str, Any], name: str) -> Login:
        user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
        if entry.get("auth"):
            try:
                user, _, password = base64.b64decode(str(entry["auth"]), validate=True).decode("utf-8").partition(":")
            except (binascii.Error, UnicodeDecodeError, ValueError):
                raise ConfigError(f"credentials: `auth` of {name} in {self._path} is not the base64 of user:password") from None
        return Login(
            user=user,
            password=password.rstrip("\0"),
            identity_token=str(entry.get("identitytoken") or ""),
            registry_token=str(entry.get("registrytoken") or ""),
            source=str(self._path),
        )


def _key(name: str) -> str:
    """An entry's name as host and path: `https://registry.example/v1/` is `registry.example`."""
    bare = name.split("://", 1)[-1].rstrip("/")
    host, slash, path = bare.partition("/")
    path = "" if path in ("v1", "v2") else path
    host = _ALIASES.get(host, host)
    return f"{host}{slash if path else ''}{path}"


def _matches(name: str, wanted: str) -> bool:
    host, _, path = name.partition("/")
    wanted_host, _, wanted_path = wanted.partition("/")
    # A star stands for one part of the host's name, as the kubelet reads it.
    parts, wanted_parts = host.split("."), wanted_host.split(".")
    if len(parts) != len(wanted_parts) or not all(map(fnmatch.fnmatchcase, wanted_parts, parts)):
        return False
    return not path or wanted_path == path or wanted_path.startswith(f"{path}/")
