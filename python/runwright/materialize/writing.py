"""`write`: a value becomes a descriptor, and a file where it must."""

# os.path and not pathlib, whose import costs milliseconds in every run
# ruff: noqa: PTH118, PTH123

from __future__ import annotations

import os

from . import registry, values
from .base import type_name
from .errors import MaterializeFailed, Unsuitable, disk_error, first_line, passes

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any, Callable

_OWN = ("type", "kind", "format", "path", "size", "sha256", "value", "materializer")


def write(value: Any, base: str, relative: str, *, name: str = "result", role: str = "output", inline: bool = True) -> dict[str, Any]:
    """Write `value` below `base/relative/` (made only where a file is needed) and describe it.

    Args:
        value: anything.
        base: the folder that the descriptor's `path` is relative to, e.g. the run's folder.
        relative: below it, where files go, e.g. `outputs/clean`.
        name, role: what it is called and what it is, for errors.
        inline: whether a small plain value may stand in the descriptor itself; if not, it gets a file, too.

    Returns:
        The output descriptor (JSON values only): `type`, `kind`, `format`, `of`, and `value` or else `path` (relative to `base`, with
        `/`), `size`, `sha256`; by kind also `schema`, `rows`, `columns`, `preview`, `shape`, `dtype`, `python`, `versions`, `note`.

    Raises:
        MaterializeFailed: it cannot be written; names the output, the type, why, and what to do.
        OSError: the disk is full or not to be written.
        Either way no file is left.
    """
    try:
        return _write(value, os.fspath(base), relative, inline)
    except BaseException as error:
        if passes(error):
            raise
        if isinstance(error, OSError) and error.errno is not None:
            raise
        message, cure = _explain(error)
        # A materializer of the user's own raises the class of the installed Runwright, which in the runner is not this one.
        if message is None:
            disk = disk_error(error)
            if disk is not None:
                raise disk from error
            message = f"cannot be written ({first_line(error)})"
        raise MaterializeFailed(f"The {role} {name!r} of type {type_name(value)}: {message}", cure) from error


def _explain(error: BaseException) -> Any:
    if type(error).__name__ == "MaterializeFailed":
        return getattr(error, "message", str(error)), getattr(error, "cure", None)
    return None, None


def _write(value: Any, base: str, relative: str, inline: bool) -> dict[str, Any]:
    materializer = registry.by_call(value)
    if materializer is not None:
        return _of_user(value, base, relative, materializer)
    if type(value) in (bytes, bytearray):
        return _best(value, base, relative, "")
    described, content, reason = values.prepare(value)
    if described is None or (type(value) is str and (content is not None or not inline)):  # text is a file of its own kind
        return _best(value, base, relative, reason or "")
    if content is None:
        if inline:
            return described
        content, described = values.dump(described["value"]), {"format": described["format"]}
    return _file(value, base, relative, values.MATERIALIZER, lambda path: _save(content, path, described))


def _best(value: Any, base: str, relative: str, reason: str) -> dict[str, Any]:
    """What is not plain, `reason` says why, as the file of whoever handles it."""
    materializer, builtin = registry.writer(value)
    if not builtin:
        return _of_user(value, base, relative, materializer)
    if materializer.kind == "pickle":
        holds = type(value) in (dict, list, tuple, set, frozenset)
        return _pickle(value, base, relative, reason if holds else "no better format is known for it", {})
    try:
        return _file(value, base, relative, materializer, lambda path: materializer.write(value, path))
    except Unsuitable as error:
        return _pickle(value, base, relative, error.reason, error.extra)


def _save(content: Any, path: str, fields: dict[str, Any]) -> dict[str, Any]:
    with open(path, "wb") as file:
        file.write(content)
    return fields


def _pickle(value: Any, base: str, relative: str, reason: str, extra: dict[str, Any]) -> dict[str, Any]:
    """Pickled because a better format would not give it back."""
    pickled = registry.load(registry.BUILTINS[-1])
    return _file(value, base, relative, pickled, lambda path: {**_noted(pickled.write(value, path), reason), **extra})


def _noted(fields: dict[str, Any], reason: str) -> dict[str, Any]:
    """The fields of a pickle whose `note` says why it is one, before what `pickled` has to say."""
    return {**fields, "note": "pickled: " + reason + fields["note"][len("pickled") :]}


def _file(value: Any, base: str, relative: str, materializer: Any, fill: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    from .files import place  # not needed by most values

    name = materializer.file_name(value) if hasattr(materializer, "file_name") else f"data.{materializer.format}"
    _, written = place(os.path.join(base, relative), name, fill)
    described = {"type": materializer.type, "kind": materializer.kind, "format": materializer.format}
    described["path"] = "/".join([*(part for part in relative.replace(os.sep, "/").split("/") if part), name])
    return {**described, "of": type_name(value), **written}


def _of_user(value: Any, base: str, relative: str, materializer: Any) -> dict[str, Any]:
    return _file(value, base, relative, materializer, lambda path: _checked(materializer, value, path))


def _checked(materializer: Any, value: Any, path: str) -> dict[str, Any]:
    """A user's `write`, whose answer goes into the record."""
    import json

    extra = materializer.write(value, path)
    try:
        if extra is not None and not isinstance(extra, dict):
            raise TypeError(f"it is a {type_name(extra)}")
        json.dumps(extra, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise MaterializeFailed(
            f"`write` of {registry.origin(materializer)!r} must return a dict of JSON values ({error})", "correct it"
        ) from error
    kept = {key: item for key, item in (extra or {}).items() if key not in _OWN}
    return {**kept, "materializer": registry.origin(materializer)}
