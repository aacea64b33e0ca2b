"""Profiles: what many runs say of the place where they execute, under a name. Of `use`, else of a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .exceptions import InvalidError

Record = dict[str, Any]
FILE = "profiles.yaml"


class Profiles(dict[str, Record]):
    """What each profile says, by its name; shown as the YAML that a file of them has."""

    def __repr__(self) -> str:
        from ._core import to_yaml

        return to_yaml(dict(self)).rstrip() if self else "no profiles"


def profiles() -> Profiles:
    """The profiles that runs may name: `profile="gpu"`.

    They come from `use(profiles=…)` and, under these, from the file that RUNWRIGHT_PROFILES names, else from `profiles.yaml` in the home.

    Raises:
        InvalidError: one of them is wrong.
    """
    from ._engine import engine

    return Profiles(engine().profiles())


def known(given: Any, home: str) -> Record:
    """All profiles as they were written.

    Args:
        given: of `use`: a mapping, or the path of a file. home: the folder of everything local.

    Raises:
        InvalidError: a file is not there, or is none of profiles.
    """
    named = os.environ.get("RUNWRIGHT_PROFILES")
    usual = Path(home, FILE)
    found = _file("RUNWRIGHT_PROFILES", named) if named else _file(FILE, usual) if usual.is_file() else {}
    return {**found, **_given(given)}


def _given(given: Any) -> Record:
    if given is None:
        return {}
    if isinstance(given, (str, os.PathLike)):
        return _file("profiles", given)
    if isinstance(given, dict) and all(isinstance(name, str) for name in given):
        return given
    raise InvalidError(
        f"profiles={given!r} are no profiles",
        field="profiles",
        value=given,
        cure='give {"large": {"resources": {"mem": "16Gi"}}}, or the path of a YAML file that says the same',
    )


def _file(field: str, path: str | os.PathLike[str]) -> Record:
    from ._core import from_yaml

    form = "write each profile under its name: `large: {resources: {mem: 16Gi}}`"
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InvalidError(f"the profiles {path} cannot be read: {error}", field=field, value=str(path), cure="name a YAML file") from error
    try:
        found = from_yaml(text) if text.strip() else {}
    except InvalidError as error:
        raise InvalidError(f"{path}: {error.message}", field=field, value=str(path), cure=form) from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InvalidError(f"{path} has no profiles by name", field=field, value=str(path), cure=form)
    return found
