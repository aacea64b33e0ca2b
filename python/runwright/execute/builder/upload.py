"""A blob's way into a repository: in one piece where it is small, in pieces that can be gone on with where it is large."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .failures import RegistryError
from .registry import TEMPORARY, explain
from .transport import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .repository import Repository

PIECE = 16 << 20
# Statuses by which registries say that they take no pieces, or not in this size.
_NO_PIECES = (400, 404, 405, 411, 413, 415, 416, 501)


@dataclass(frozen=True)
class Blob:
    """What is to be put: its name and size, and what gives a reader (`read(n)`, `close()`) from a position on."""

    digest: str
    size: int
    open: Callable[[int], Any]


class _Again(Exception):
    """This way did not work; the message says why."""


def upload(repository: Repository, blob: Blob) -> None:
    """Put a blob. Raises RegistryError, and what reading it raises."""
    if blob.size <= PIECE or not _in_pieces(repository, blob):
        _whole(repository, blob)


def _whole(repository: Repository, blob: Blob) -> None:
    """One request with everything. A cut one is begun anew."""
    registry = repository.registry
    for number in range(1, registry.patience.attempts + 1):
        answer = repository.begin()
        answer.close()
        body = _Whole(blob)
        try:
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
            address = _with_digest(repository.address(answer), blob.digest)
            done = registry.once("PUT", address, repository.scopes, headers, body.again)
        except (OSError, http.client.HTTPException) as error:
            why = f"cut the upload ({explain(error)})"
            if number == registry.patience.attempts:
                raise _cut(repository, blob, error) from error
        else:
            if done.status in (200, 201, 202, 204):
                done.close()
                return
            if done.status not in TEMPORARY or number == registry.patience.attempts:
                raise registry.refused(done, f"pushing {blob.digest} to {repository.name}", number)
            why = f"answered {done.status} {done.reason}"
            done.close()
        finally:
            body.close()
        # The answer alone may have been lost.
        if repository.has(blob.digest):
            return
        registry.pause(number, why)


def _in_pieces(repository: Repository, blob: Blob) -> bool:
    """Piece by piece; after a failure the registry says how far it is. False where it does not take pieces."""
    begun = repository.begin()
    begun.close()
    address, position, failures = repository.address(begun), 0, 0
    size = max(PIECE, _number(begun.headers.get("OCI-Chunk-Min-Length")))
    reader, held, held_at = blob.open(0), b"", 0
    try:
        while position < blob.size:
            if not held_at <= position < held_at + len(held):
                if position != held_at + len(held):
                    reader.close()
                    reader = blob.open(position)
                held, held_at = _read(reader, min(size, blob.size - position)), position
            piece = held[position - held_at :]
            try:
                address, position = _send(repository, address, position, piece, again=failures > 0)
                failures = 0
            except _Again as problem:
                failures += 1
                if failures >= repository.registry.patience.attempts:
                    raise _cut(repository, blob, problem, failures) from problem.__cause__
                repository.registry.pause(failures, str(problem))
                address, position = _where(repository, address, position)
        return _finish(repository, blob, address)
    except _Refused as refused:
        if refused.answer.status in _NO_PIECES:
            refused.answer.close()
            repository.cancel(address)
            return False
        raise repository.registry.refused(refused.answer, f"pushing {blob.digest} to {repository.name}") from None
    finally:
        reader.close()


class _Refused(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def _send(repository: Repository, address: str, position: int, piece: bytes, *, again: bool) -> tuple[str, int]:
    """One piece; the next address and position. `again`: something failed before. Raises _Again, _Refused, RegistryError."""
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(len(piece)),
        "Content-Range": f"{position}-{position + len(piece) - 1}",
    }
    answer = _try(repository, "PATCH", address, headers, piece)
    if answer.status == 416 and (position or again):
        answer.close()
        raise _Again("has another count of what it got")
    if answer.status not in (200, 201, 202, 204):
        raise _Refused(answer)
    answer.close()
    reached = _reached(answer)
    return repository.address(answer), position + len(piece) if reached is None else reached


def _where(repository: Repository, address: str, position: int) -> tuple[str, int]:
    """How far an upload is that failed at a position; from the beginning, where the registry has lost it."""
    try:
        answer = _try(repository, "GET", address, {}, None)
    except _Again:
        # Where the registry has another count it says so, and is asked again.
        return address, position
    answer.close()
    if answer.status in (200, 202, 204):
        return (repository.address(answer) if answer.headers.get("Location") else address), _reached(answer) or 0
    begun = repository.begin()
    begun.close()
    return repository.address(begun), 0


def _finish(repository: Repository, blob: Blob, address: str) -> bool:
    registry = repository.registry
    for number in range(1, registry.patience.attempts + 1):
        try:
            answer = _try(repository, "PUT", _with_digest(address, blob.digest), {"Content-Length": "0"}, None)
        except _Again as problem:
            if repository.has(blob.digest):
                return True
            if number == registry.patience.attempts:
                raise _cut(repository, blob, problem, number) from problem.__cause__
            registry.pause(number, str(problem))
            continue
        if answer.status not in (200, 201, 202, 204):
            raise registry.refused(answer, f"pushing {blob.digest} to {repository.name}")
        answer.close()
        return True
    raise AssertionError("the last attempt returns or raises")


def _try(repository: Repository, method: str, address: str, headers: dict[str, str], body: bytes | None) -> Answer:
    """One request, of which a temporary failure is `_Again`."""
    try:
        answer = repository.registry.once(method, address, repository.scopes, headers, body)
    except (OSError, http.client.HTTPException) as error:
        raise _Again(f"cut the upload ({explain(error)})") from error
    if answer.status in TEMPORARY:
        answer.close()
        raise _Again(f"answered {answer.status} {answer.reason}")
    return answer


def _cut(repository: Repository, blob: Blob, error: BaseException, attempts: int = 0) -> RegistryError:
    host = repository.registry.host
    why = str(error) if isinstance(error, _Again) else f"cut the upload ({explain(error)})"
    times = f" ({attempts or repository.registry.patience.attempts} times)"
    message = f"pushing {blob.digest} ({blob.size} bytes) to {repository.name}: the registry {host} {why}{times}"
    return RegistryError(message, "look at its own log: its disk may be full, or what is in front of it may limit time or size", host)


def _read(reader: Any, size: int) -> bytes:
    pieces, left = [], size
    while left > 0:
        piece = reader.read(left)
        if not piece:
            raise OSError("what is to be pushed is shorter than it should be")
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


class _Whole:
    """A request's body: the whole blob, from its beginning whenever the request is made again."""

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._reader: Any = None
        self._left = 0

    def again(self) -> _Whole:
        self.close()
        self._reader, self._left = self._blob.open(0), self._blob.size
        return self

    def read(self, size: int) -> bytes:
        data: bytes = self._reader.read(min(size, self._left)) if self._left else b""
        self._left -= len(data)
        return data

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()


def _reached(answer: Answer) -> int | None:
    """How many bytes the registry has, from `Range: 0-<last>`. It says 0-0 for none, too."""
    _, dash, last = (answer.headers.get("Range") or "").rpartition("-")
    if not dash or not last.isdigit():
        return None
    return 0 if last == "0" else int(last) + 1


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


def _with_digest(address: str, digest: str) -> str:
    return f"{address}{'&' if '?' in address else '?'}digest={digest}"
