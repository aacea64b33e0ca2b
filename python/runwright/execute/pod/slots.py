"""Files to presigned URLs."""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PTH108, PTH202

from __future__ import annotations

import os

from .. import clock, quickjson
from ..failure import Failed
from . import payload
from .put import put

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

    from .deliver import Left


class Slots:
    """The places that the client prepared in the artifact store."""

    def __init__(self, slots: list[Any], temporary: str, patience: Any) -> None:
        """`slots`: each a URL, or {"url", "headers"}; `temporary`: a folder; `patience`: a `put.Patience`."""
        self._slots = slots
        self._temporary = temporary
        self._patience = patience

    def take(self, left: Left) -> Any:
        """Store the files, and the payload where it is too large for the stream.

        Returns the termination message where the payload is stored, else None. What cannot be stored makes the run fail.
        """
        large = len(payload.packed(left.text())) > left.limit and (len(self._slots) > 1 or not left.files)
        begin = clock.monotonic()
        try:
            self._store(left, 1 if large else 0)
            if left.files:
                seconds = round(clock.monotonic() - begin, 6)
                left.events.append(quickjson.encode({"type": "mark", "time": clock.now(), "name": "upload", "seconds": seconds}))
        except (Failed, OSError) as error:
            left.lose(error)
        if not large:
            return None
        content = payload.packed(left.text())
        try:
            put(self._slots[0], content, "the record of the run", self._patience)
        except Failed as error:
            left.lose(error)
            return None
        return quickjson.encode({"slot": {"payload": len(content), "sha256": payload.digest([content])}, "state": left.state})

    def _store(self, left: Left, first: int) -> None:
        """Put each file to a slot, from number `first` on; what is more than slots, as one zip to the last. Raises Failed or OSError."""
        paths, last = list(left.files), len(self._slots) - 1
        single = paths if len(paths) <= last + 1 - first else paths[: last - first]
        for place, path in enumerate(single, first):
            facts = _facts(left.full(path), left.files[path])
            put(self._slots[place], left.full(path), f"the output {path!r}", self._patience)
            left.listed[path] = {**facts, "slot": place}
        rest = paths[len(single) :]
        if rest:
            import zipfile

            together = f"{self._temporary}/rest.zip"
            found = {path: _facts(left.full(path), left.files[path]) for path in rest}
            with zipfile.ZipFile(together, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
                for path in rest:
                    archive.write(left.full(path), path)
            shown = ", ".join(map(repr, rest[:5])) + (", …" if len(rest) > 5 else "")
            put(self._slots[last], together, f"the outputs {shown}", self._patience)
            os.unlink(together)
            left.listed.update({path: {**facts, "slot": last, "in": "zip"} for path, facts in found.items()})


def _facts(full: str, descriptor: dict[str, Any]) -> dict[str, Any]:
    """Size and SHA-256 of a file: those that were written down with it, unless it has another size by now."""
    size = os.path.getsize(full)
    if descriptor.get("size") == size and descriptor.get("sha256"):
        return {"size": size, "sha256": descriptor["sha256"]}
    from ...materialize.files import digest

    size, sha256 = digest(full)
    return {"size": size, "sha256": sha256}
