"""The way back: files to slots, the rest into the termination message or the stream."""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PTH113, PTH118, PTH123, PTH202, SIM105

from __future__ import annotations

import os
import sys

from .. import clock, journal, quickjson
from ..failure import Failed, text_of
from . import payload, say

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

    from . import Places

# What fits, in base85, into one file of a container's log, as Kubernetes cuts it by default.
LIMIT = 8_000_000


def deliver(places: Places, folder: str, pod: dict[str, Any], patience: Any) -> Any:
    """Bring back what the run left in its folder.

    Args:
        pod: the frozen run's `pod`.
        patience: a `put.Patience`.

    Returns:
        The run's state, which is another than that of end.json where its results could not be brought back; None where it has no end.
    """
    left = Left(folder, int(pod.get("limit") or LIMIT))
    message = None
    if pod.get("slots"):
        from .slots import Slots

        message = Slots(pod["slots"], places.temporary, patience).take(left)
    else:
        left.read_files()
    parts: list[bytes] = []
    if message is None:
        message, parts = left.fitting()
    try:
        payload.write_results(places.results, message, parts)
    except OSError as error:
        if parts:
            what = f"the results could not be written: {text_of(error)}"
            return last_words(places, {"cause": "DiskFull", "message": what, "cure": "give the pod more disk"})
    _tell(places.termination, message)
    return left.state


def last_words(places: Places, error: dict[str, Any]) -> str:
    """The termination message of a run that has no end of its own."""
    now = clock.now()
    described = {"type": None, "module": None, "traceback": None, "attributes": {}, "log": [], **error}
    described["message"] = described["message"][:500]
    described["traceback"] = described["traceback"] and described["traceback"][-1000:]
    end = {"state": "ERROR", "time": now, "started": now, "seconds": 0.0, "attempts": 0, "error": described}
    end.update(shape="none", outputs={}, names=[], python="{}.{}.{}".format(*sys.version_info[:3]))
    message = payload.text([], end, {})
    try:
        payload.write_results(places.results, message)
    except OSError:
        pass  # the message says it
    _tell(places.termination, message)
    return "ERROR"


def _tell(path: str, message: bytes) -> None:
    try:
        with open(path, "wb") as file:
            file.write(message)
    except OSError as error:
        say(f"the termination message could not be written: {text_of(error)}")


class Left:
    """What a run left.

    Attributes:
        events (list[bytes]): lines of events.jsonl.
        end (dict | None): as in end.json, or what it has to become.
        files (dict): descriptors of the files that outputs and logged entities name and that are there, by path.
        listed (dict): the payload's `files`: how each that comes back does so.
        limit (int): how many bytes may go into the stream.
    """

    def __init__(self, folder: str, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self.events = payload.read_events(folder)
        self.end = journal.read_end(folder)
        self.files = _named(folder, self.events, self.end)
        self.listed: dict[str, Any] = {}
        self._contents: list[bytes] = []

    @property
    def state(self) -> Any:
        """As in the end; None where there is none."""
        return self.end and self.end.get("state")

    def full(self, path: str) -> str:
        """The path of a file, from that in the descriptor."""
        return os.path.join(self.folder, path)

    def text(self) -> bytes:
        """The payload."""
        return payload.text(self.events, self.end, self.listed)

    def read_files(self) -> None:
        """Let the files go into the stream, if they and the payload have room in it; else the run has failed."""
        sizes = {path: os.path.getsize(self.full(path)) for path in self.files}
        if self.state != "COMPLETED":
            self._leave_behind(sizes)
        if sum(sizes.values()) <= self.limit:
            for path in self.files:
                with open(self.full(path), "rb") as file:
                    self._contents.append(file.read())
                content = self._contents[-1]
                self.listed[path] = {"size": len(content), "sha256": payload.digest([content]), "in": "stream"}
            if not self.files or len(payload.packed(self.text())) + sum(map(len, self._contents)) <= self.limit:
                return
        self.listed, self._contents = {}, []
        largest = sorted(sizes, key=lambda path: -sizes[path])
        shown = [f"{path} {sizes[path]:,} bytes" for path in largest[:5]] + (["…"] if len(largest) > 5 else [])
        self._too_large(", ".join(shown))

    def _leave_behind(self, sizes: dict[str, int]) -> None:
        """Of a run that failed anyway, take what there is room for: the smaller files first."""
        room = self.limit - len(payload.packed(self.text()))
        for path in sorted(sizes, key=lambda path: sizes[path]):
            room -= sizes[path] + 2 * len(path) + 200  # what `files` says of it
            if room < 0:
                say(f"{path} stays behind: {sizes[path]:,} bytes are more than come back without an artifact store")
                del self.files[path], sizes[path]

    def fitting(self) -> tuple[bytes, list[bytes]]:
        """The termination message, and the parts of the stream where the payload has no room in it."""
        whole = self.text()
        if not self._contents and len(whole) <= payload.LONGEST_MESSAGE:
            return whole, []
        head = payload.packed(whole)
        if len(head) + sum(map(len, self._contents)) > self.limit:
            head = self._cut()
        parts = [head, *self._contents]
        stream = {"bytes": sum(map(len, parts)), "payload": len(head), "sha256": payload.digest(parts)}
        return quickjson.encode({"stream": stream, "state": self.state}), parts

    def _cut(self) -> bytes:
        """The payload with only the events that have room, and an end that says so."""
        total = sum(map(len, self.events)) + len(quickjson.encode(self.end))
        self._too_large(f"metrics, results and other events {total:,} bytes")
        if len(quickjson.encode(self.end)) > self.limit // 2:
            self.end = journal.shortest(self.end or {})
        room, kept = self.limit // 2, 0
        while kept < len(self.events) and room >= len(self.events[kept]):
            room -= len(self.events[kept]) + 1
            kept += 1
        if self.end is not None and kept < len(self.events):
            dropped = {"log": 0, "events": 0, **(self.end.get("dropped") or {})}
            self.end["dropped"] = {**dropped, "events": dropped["events"] + len(self.events) - kept}
        self.events = self.events[:kept]
        return payload.packed(self.text())

    def _too_large(self, shown: str) -> None:
        message = f"what the run left is larger than the {self.limit:,} bytes that come back without an artifact store: {shown}"
        cure = "set RUNWRIGHT_ARTIFACTS to a store that the cluster reaches (s3://, gs:// or az://), or let it leave less"
        self.lose(Failed("ResultTooLarge", message, cure))

    def lose(self, error: Exception) -> None:
        """Results could not be brought back: the run has failed. One that failed anyway keeps its own error."""
        cause = error.cause if isinstance(error, Failed) else "OutputError"
        say(f"{cause}: {text_of(error)}")
        if self.state != "COMPLETED":
            return
        described = {"cause": cause, "message": text_of(error), "cure": getattr(error, "cure", None) or "run it again"}
        described.update(type=None, module=None, traceback=None, attributes={}, log=[])
        self.end = {**self.end, "state": "ERROR", "error": described, "outputs": {}, "names": [], "shape": "none"}


def _named(folder: str, events: list[bytes], end: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    described = list(((end or {}).get("outputs") or {}).values())
    for line in events:
        if line.startswith(b'{"type":"entity"'):
            try:
                described.append(quickjson.loads(line)["entity"]["output"])
            except (ValueError, KeyError, TypeError):
                continue
    for descriptor in described:
        path = isinstance(descriptor, dict) and descriptor.get("path")
        if path and os.path.isfile(os.path.join(folder, path)):
            found[path] = descriptor
    return dict(sorted(found.items()))
