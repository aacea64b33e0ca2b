"""The settings of a build, as they are given to `build(…)` or `run(action="build", …)`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .exceptions import InvalidError

if TYPE_CHECKING:
    from .functions import Function

# Where settings come from that a call does not give.
_ENVIRONMENT = {"buildkit": "RUNWRIGHT_BUILDKIT", "buildkit_image": "RUNWRIGHT_BUILDKIT_IMAGE"}


def settings_of(function: Function, arguments: dict[str, Any], building: Any) -> Any:
    """The settings that a call gives by name or in `building=`, and what the environment says where it does not.

    Raises:
        InvalidError: a setting is given twice, or the Dockerfile cannot be read.
    """
    if building is not None and not isinstance(building, dict):
        return building  # refused where all values are checked
    settings = dict(building or {})
    for name, value in arguments.items():
        if name in settings:
            raise InvalidError(f"{function.name}: {name!r} is given twice", field=name, value=value, cure="give it once")
        settings[name] = value
    if settings.get("dockerfile") is not None:
        settings["dockerfile"] = _text(settings["dockerfile"])
    if isinstance(settings.get("instructions"), tuple):
        settings["instructions"] = list(settings["instructions"])
    registry = os.environ.get("RUNWRIGHT_REGISTRY")
    if registry and settings.get("target") is None:
        # Names of images are of lower case.
        settings["target"] = f"{registry.rstrip('/')}/{function.project}/{function.name}".lower()
    for name, variable in _ENVIRONMENT.items():
        if settings.get(name) is None and os.environ.get(variable):
            settings[name] = os.environ[variable]
    return {name: value for name, value in settings.items() if value is not None}


def _text(dockerfile: Any) -> Any:
    """The text of a Dockerfile that is given as text, or as the path of one."""
    is_path = isinstance(dockerfile, os.PathLike) or (isinstance(dockerfile, str) and "\n" not in dockerfile and not _has_from(dockerfile))
    if not is_path or not os.fspath(dockerfile):
        return dockerfile
    path = os.path.expanduser(os.fspath(dockerfile))  # noqa: PTH111 - a path object would cost its import
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise InvalidError(
            f"building.dockerfile={os.fspath(dockerfile)!r} cannot be read: {why}",
            field="building.dockerfile",
            value=os.fspath(dockerfile),
            cure="give the path of a Dockerfile, or its text",
        ) from None


def _has_from(text: str) -> bool:
    return text.split(maxsplit=1)[:1] in (["FROM"], ["from"])
