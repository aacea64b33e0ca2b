"""Exceptions as evidence: cause, message, the user's part of the traceback, attributes."""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PTH100, PTH118, PTH120

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

_LONGEST_MESSAGE = 32_000
_LONGEST_TRACEBACK = 200_000
_LONGEST_ATTRIBUTE = 16_000
# Frames of our own say nothing about the user's code.
_OURS = tuple(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), name, "") for name in ("execute", "materialize"))


class Failed(Exception):
    """A failure whose cause is known where it is found.

    Attributes:
        cause (str): one of those in docs/decisions/0002-run-folder.md.
        described (dict | None): where another process found it, all that `describe` said there.
        message (str), cure (str | None): for the user. Where there is an underlying exception, it is `__cause__`.
    """

    described: dict[str, Any] | None = None

    def __init__(self, cause: str, message: str, cure: Any = None) -> None:
        super().__init__(message)
        self.cause = cause
        self.message = message
        self.cure = cure


def describe(error: BaseException) -> dict[str, Any]:
    """The `error` of an end. Never raises, whatever the exception's own methods do."""
    known = error if isinstance(error, Failed) else None
    if known is not None and known.described is not None:
        return known.described
    shown = error.__cause__ if known is not None else error
    described: dict[str, Any] = {
        "cause": known.cause if known else "UserError",
        "message": known.message if known else text_of(error),
        "attributes": {},
    }
    described.update(type=None, module=None, traceback=None)
    if shown is not None:
        kind = type(shown)
        described.update(type=kind.__qualname__, module=kind.__module__, attributes=_attributes(shown), traceback=_traceback(shown))
    if known is not None and known.cure:
        described["cure"] = known.cure
    if known is None and isinstance(error, MemoryError):
        described.update(cause="OutOfMemory", message=f"memory ran out: {text_of(error)}", cure="give it more memory, or let it need less")
    elif (full := _disk_full(error)) is not None:
        described.update(
            cause="DiskFull", message=f"there is no room left on the disk: {text_of(full)}", cure="free some space and run it again"
        )
    elif known is None and isinstance(error, SystemExit):
        described["message"] = f"exited with {error.code!r}"
    elif known is None and (cure := _cure(error)):
        described["cure"] = cure
    described["message"] = described["message"][:_LONGEST_MESSAGE]
    return described


def foreign(error: BaseException) -> Any:
    """What is behind an error of ours, which says itself what its message says: the first in the chain of causes that is none of ours."""
    while error is not None and type(error).__name__ in ("MaterializeFailed", "Failed", "Unsuitable"):
        error = error.__cause__  # type: ignore[assignment]
    return error


def text_of(error: BaseException) -> str:
    """What the exception says, or its class where it says nothing."""
    try:
        return str(error) or type(error).__name__
    except Exception:
        return type(error).__name__


def _disk_full(error: BaseException) -> Any:
    """The exception in the chain that says that the disk is full, or None."""
    import errno

    seen: list[BaseException] = []
    current = error
    while current is not None and current not in seen:
        if isinstance(current, OSError) and current.errno in (errno.ENOSPC, errno.EDQUOT):
            return current
        # Libraries written in other languages wrap the system's error in one of their own.
        if isinstance(current, Exception) and "No space left on device" in text_of(current)[:2000]:
            return current
        seen.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)  # type: ignore[assignment]
    return None


def _cure(error: BaseException) -> Any:
    """What helps against errors that come of where the code runs, or None."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        return f"install what brings {package!r}, or name it in `requirements`: a function that has any runs with just those"
    if isinstance(error, EOFError) and str(error) == "EOF when reading a line":
        return "a run has no keyboard: make it a parameter, or use inline=True"
    return None


def _attributes(error: BaseException) -> dict[str, Any]:
    from . import quickjson

    kept: dict[str, Any] = {}
    try:
        entries = list(vars(error).items())
    except TypeError:
        return kept
    for name, value in entries:
        if name.startswith("__"):
            continue
        try:
            if len(quickjson.dumps(value)) <= _LONGEST_ATTRIBUTE:
                kept[name] = value
        except (TypeError, ValueError, RecursionError):
            continue
    return kept


def _traceback(error: BaseException) -> str:
    import traceback

    try:
        text = "".join(_without_ours(traceback.TracebackException(type(error), error, error.__traceback__)).format())
    except Exception:
        # An exception may break its own rendering.
        text = f"{type(error).__name__} (its traceback cannot be shown)\n"
    if len(text) > _LONGEST_TRACEBACK:
        half = _LONGEST_TRACEBACK // 2
        text = f"{text[:half]}\n… {len(text) - _LONGEST_TRACEBACK} characters left out …\n{text[-half:]}"
    return text


def _without_ours(rendered: Any, depth: int = 0) -> Any:
    """The same without frames of the runner and of the import machinery, causes included."""
    rendered.stack[:] = [frame for frame in rendered.stack if not frame.filename.startswith((*_OURS, "<frozen importlib"))]
    if depth < 50:
        for inner in (rendered.__cause__, rendered.__context__, *(getattr(rendered, "exceptions", None) or ())):
            if inner is not None:
                _without_ours(inner, depth + 1)
    return rendered
