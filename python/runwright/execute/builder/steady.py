"""A blob read to its end although the connection breaks: it goes on where it was."""

from __future__ import annotations

import http.client
from typing import Any

from .failures import RegistryError
from .registry import explain


class Steady:
    """A reader (`read(n)`, `close()`) of a blob of a `Repository` or `LayoutFolder`."""

    def __init__(self, place: Any, digest: str, offset: int = 0) -> None:
        """Open it. Raises RegistryError, BaseImageError, OSError."""
        self._place = place
        self._digest = digest
        self._position = offset
        self._failures = 0
        self._inner = place.open(digest, offset)

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end. Raises what `open` of the place raises, and the last of several failures in a row."""
        while True:
            try:
                data: bytes = self._inner.read(size)
            except (OSError, http.client.HTTPException) as error:
                self._failures += 1
                self._inner.close()
                registry = getattr(self._place, "registry", None)
                if registry is None:
                    raise
                if self._failures >= registry.patience.attempts:
                    message = f"reading {self._digest} of {self._place.name}: the registry {registry.host} cut it {self._failures} times"
                    raise RegistryError(f"{message} ({explain(error)})", "look at its own log", registry.host) from error
                registry.pause(self._failures, f"cut the download ({explain(error)})")
                self._inner = self._place.open(self._digest, self._position)
                continue
            self._failures = 0
            self._position += len(data)
            return data

    def close(self) -> None:
        """Give the connection back."""
        self._inner.close()
