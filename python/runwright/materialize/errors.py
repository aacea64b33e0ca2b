"""What can go wrong. Stands alone because the runner has no `runwright.exceptions`."""

from __future__ import annotations

import errno

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any


class MaterializeFailed(Exception):
    """A value cannot be written as an output, or a stored one cannot be read back.

    Attributes:
        message (str): what failed, on which output.
        cure (str | None): what to do about it.
    """

    def __init__(self, message: str, cure: str | None = None) -> None:
        super().__init__(message, cure)
        self.message = message
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.cure}" if self.cure else self.message


class Unsuitable(Exception):
    """A builtin's way of saying: my format would not give this value back exactly, pickle it.

    Attributes:
        reason (str): why, for the descriptor's `note`.
        extra (dict): descriptor fields that hold all the same (`type` and `kind` too).
    """

    def __init__(self, reason: str, extra: dict[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.extra = extra or {}


def passes(error: BaseException) -> bool:
    """Whether `error` goes to the caller as it is: no memory, an interrupt, an exit; not a panic of a Rust library, derived like these."""
    if isinstance(error, Exception):
        return isinstance(error, MemoryError)
    return type(error).__name__ != "PanicException"


def first_line(error: BaseException) -> str:
    """The error in one line, with its class where the text alone says little."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def disk_error(error: BaseException) -> OSError | None:
    """The operating system's error in `error` or its causes; also where a library (polars, pyarrow) tells it only in its text."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno is not None:
            return seen
        text = str(seen)
        for number, words in ((errno.ENOSPC, "No space left on device"), (errno.EDQUOT, "quota exceeded"), (errno.EFBIG, "File too large")):
            if words in text or f"os error {number})" in text:
                return OSError(number, text)
        seen = seen.__cause__ or seen.__context__
    return None
