"""What is printed in this process meanwhile: shown as ever, and kept for the log of an inline run."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

# More than anybody reads; what comes after it is shown, but not kept.
_MOST = 10_000


class Printed:
    """Stands between `print` (stdout, stderr, `logging`) and where it goes, as a context."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self._handler: Any = None

    def __enter__(self) -> Printed:
        self._streams = sys.stdout, sys.stderr
        self._own = _Tee(sys.stdout, "stdout", self.lines), _Tee(sys.stderr, "stderr", self.lines)
        sys.stdout, sys.stderr = self._own
        logging = sys.modules.get("logging")
        if logging is not None:
            self._handler = _handler(logging, self.lines)
            logging.getLogger().addHandler(self._handler)
        return self

    def __exit__(self, *_: object) -> None:
        for tee in self._own:
            tee.end()
        # What the function itself put there stays there.
        if sys.stdout is self._own[0]:
            sys.stdout = self._streams[0]
        if sys.stderr is self._own[1]:
            sys.stderr = self._streams[1]
        if self._handler is not None:
            sys.modules["logging"].getLogger().removeHandler(self._handler)

    def log(self, secrets: dict[str, str]) -> bytes:
        """The lines as log.jsonl has them, without secrets."""
        if not self.lines:
            return b""
        import json

        lines: Iterable[Any] = self.lines
        if secrets:
            from .execute.logs import Redactor

            redactor = Redactor(secrets.values())
            lines = [{**line, "m": redactor.text(line["m"])} for line in lines]
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode("utf-8", "replace")


class _Tee:
    """A stream that keeps the lines that go through it."""

    def __init__(self, stream: Any, name: str, lines: list[dict[str, Any]]) -> None:
        self._stream = stream
        self._name = name
        self._lines = lines
        self._rest = ""

    def write(self, text: str) -> int:
        written: int = self._stream.write(text) if self._stream is not None else len(text)
        *whole, self._rest = (self._rest + text).split("\n")
        for line in whole:
            self._keep(line)
        return written

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def end(self) -> None:
        """Keep what has no line break."""
        if self._rest:
            self._keep(self._rest)
            self._rest = ""

    def _keep(self, line: str) -> None:
        if len(self._lines) < _MOST:
            # A progress bar returns to the beginning of its line: what is last seen of it is kept.
            self._lines.append({"t": time.time(), "s": self._name, "a": 1, "m": line.rstrip("\r").rpartition("\r")[2]})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _handler(logging: Any, lines: list[dict[str, Any]]) -> Any:
    class Handler(logging.Handler):  # type: ignore[misc]
        def emit(self, record: Any) -> None:
            # One that goes to stderr as well is kept from there.
            if not self.others() and len(lines) < _MOST:
                line = {"t": record.created, "s": "logging", "a": 1, "m": self.format(record)}
                lines.append({**line, "level": record.levelname, "logger": record.name})

        def others(self) -> bool:
            streams = [other for other in logging.getLogger().handlers if other is not self]
            return any(isinstance(getattr(other, "stream", None), _Tee) for other in streams)

    return Handler()
