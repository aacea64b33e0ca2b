"""What comes back as one JSON object, and as lines of a container's log where it is too large for a termination message."""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PTH104, PTH123

from __future__ import annotations

import os

from .. import quickjson

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

# The kubelet cuts a termination message here.
LONGEST_MESSAGE = 4096
# Bytes in a line of the stream: 8000 characters.
LINE = 6400


def read_events(folder: str) -> list[bytes]:
    """The lines of events.jsonl; half a line, left by a runner that was killed, is none."""
    try:
        with open(f"{folder}/events.jsonl", "rb") as file:
            return file.read().split(b"\n")[:-1]
    except OSError:
        return []


def text(events: list[bytes], end: Any, files: dict[str, Any]) -> bytes:
    """The payload as compact JSON."""
    # The events are JSON already, and may be many.
    return b'{"events":[%b],"end":%b,"files":%b}' % (b",".join(events), quickjson.encode(end), quickjson.encode(files))


def packed(payload: bytes) -> bytes:
    """The payload as it travels in the stream or in a slot."""
    import zlib

    return zlib.compress(payload, 6)


def lines(parts: list[bytes]) -> Any:
    """The joined parts in base85, as lines `r <text>`: an iterator of bytes."""
    from base64 import b85encode

    data = b"".join(parts)
    for start in range(0, len(data), LINE):
        yield b"r %b\n" % b85encode(data[start : start + LINE])


def digest(parts: list[bytes]) -> str:
    """The SHA-256 of the joined parts, in hexadecimal."""
    import hashlib

    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(part)
    return hashed.hexdigest()


def write_results(path: str, message: bytes, parts: Any = ()) -> None:
    """Leave what the other container prints: the stream's lines, then `t` and the termination message. Raises OSError."""
    draft = f"{path}.{os.getpid()}.partial"
    with open(draft, "wb") as file:
        if parts:
            file.writelines(lines(parts))
        file.write(b"t %b\n" % message)
    os.rename(draft, path)
