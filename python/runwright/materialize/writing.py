"""`write`: a value becomes a descriptor, and a file where it must."""

from __future__ import annotations

import json
import os
from typing import Any, Callable, Dict, Optional

from . import registry, values
from .base import type_name
from .errors import MaterializeFailed, Unsuitable, disk_error, first_line
from .files import place

_OWN = ("type", "kind", "format", "path", "size", "sha256", "value", "materializer")


def write(value: Any, base: str, relative: str, *, name: str = "result") -> Dict[str, Any]:
    """Write `value` below `base/relative/` (made only where a file is needed) and describe it.

    Args:
        value: anything.
        base: the folder that the descriptor's `path` is relative to, e.g. the run's folder.
        relative: below it, where files go, e.g. `outputs/clean`.
        name: of the output, for errors.

    Returns:
        The output descriptor (JSON values only): `type`, `kind`, `format`, `of`, and `value` or else `path` (relative to `base`, with
        `/`), `size`, `sha256`; by kind also `schema`, `rows`, `columns`, `preview`, `shape`, `dtype`, `python`, `versions`, `note`.

    Raises:
        MaterializeFailed: it cannot be written; names the output, the type, why, and what to do.
        OSError: the disk is full or not to be written.
        Either way no file is left.
    """
    try:
        return _write(value, os.fspath(base), relative)
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        message, cure = _explain(error)
        # A materializer of the user's own raises the class of the installed Runwright, which in the runner is not this one.
        if message is None:
            disk = disk_error(error)
            if disk is not None:
                raise disk from error
            message = f"cannot be written ({first_line(error)})"
        raise MaterializeFailed(f"The output {name!r} of type {type_name(value)}: {message}", cure) from error


def _explain(error: BaseException) -> Any:
    if type(error).__name__ == "MaterializeFailed":
        return getattr(error, "message", str(error)), getattr(error, "cure", None)
    return None, None


def _write(value: Any, base: str, relative: str) -> Dict[str, Any]:
    reason: Optional[str] = None
    # Asked first only where there is one: most values are small and plain.
    if not any(registry._handles(materializer, value) for materializer in registry.registered()):
        if type(value) not in (bytes, bytearray):
            described, reason = values.inline(value)
            if described is not None:
                return described
    materializer, builtin = registry.writer(value)
    if not builtin:
        return _file(value, base, relative, materializer, lambda path: _checked(materializer, value, path))
    try:
        return _file(value, base, relative, materializer, lambda path: materializer.write(value, path))
    except Unsuitable as error:
        return _pickle(value, base, relative, error.reason, error.extra)


def _pickle(value: Any, base: str, relative: str, reason: str, extra: Dict[str, Any]) -> Dict[str, Any]:
    """Pickled because a better format would not give it back."""
    pickled = registry.load(registry.BUILTINS[-1])

    def fill(path: str) -> Dict[str, Any]:
        return {**pickled.write(value, path), "note": f"pickled: {reason}", **extra}

    return _file(value, base, relative, pickled, fill)


def _file(value: Any, base: str, relative: str, materializer: Any, fill: Callable[[str], Dict[str, Any]]) -> Dict[str, Any]:
    name = materializer.file_name(value) if hasattr(materializer, "file_name") else f"data.{materializer.format}"
    _, written = place(os.path.join(base, relative), name, fill)
    described = {"type": materializer.type, "kind": materializer.kind, "format": materializer.format}
    described["path"] = "/".join([*(part for part in relative.replace(os.sep, "/").split("/") if part), name])
    return {**described, "of": type_name(value), **written}


def _checked(materializer: Any, value: Any, path: str) -> Dict[str, Any]:
    """A user's `write`, whose answer goes into the record."""
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
