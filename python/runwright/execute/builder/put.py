"""Layers, config and manifest into their place."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from typing import Any

from .image import Image, extend
from .pack import Packed
from .steady import Steady
from .upload import Blob

_TOLD_EVERY = 5.0


def shown(size: int) -> str:
    """A number of bytes for people."""
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def copy_base(source: Any, target: Any, base: Image, say: Callable[[str], None]) -> None:
    """The base's layers into the target: taken over where both are in one registry, else copied. Raises RegistryError, OSError."""
    for number, layer in enumerate(base.layers, 1):
        digest, size = str(layer["digest"]), int(layer["size"])
        name = f"base layer {number} of {len(base.layers)} ({shown(size)})"
        if layer.get("urls"):
            say(f"{name}: stays where it is")
            continue
        if target.has(digest):
            say(f"{name}: is there already")
            continue
        if _same_registry(source, target) and target.mount(digest, source):
            say(f"{name}: taken over from {source.name}")
            continue
        begin = time.monotonic()
        target.put(Blob(digest, size, _telling(lambda offset, digest=digest: Steady(source, digest, offset), name, size, say)))  # type: ignore[misc]
        say(f"{name}: copied in {time.monotonic() - begin:.1f} s")


def _same_registry(source: Any, target: Any) -> bool:
    one, other = getattr(source, "registry", None), getattr(target, "registry", None)
    return one is not None and other is not None and one.host == other.host


def put_image(
    target: Any,
    base: Image,
    under: Image,
    layers: list[Packed],
    *,
    environment: dict[str, str],
    epoch: int | None,
    tag: str,
    say: Callable[[str], None],
) -> Image:
    """Push layers on top of an image, and name the result.

    Args:
        base: the image that the build was asked to build on.
        under: that one, or one made of it; its layers are in the target.

    Raises:
        RegistryError, OSError.
    """
    for packed in layers:
        layer = packed.layer
        if target.has(layer.digest):
            say(f"the {layer.what} layer is there already")
            continue
        begin = time.monotonic()
        opened = _telling(lambda offset, packed=packed: _file(packed, offset), f"the {layer.what} layer", layer.size, say)  # type: ignore[misc]
        target.put(Blob(layer.digest, layer.size, opened))
        say(f"pushed the {layer.what} layer: {shown(layer.size)} in {time.monotonic() - begin:.1f} s")
    document, config = extend(base, under, [packed.layer for packed in layers], environment, epoch)
    manifest = json.loads(document.raw)
    digest = manifest["config"]["digest"]
    if not target.has(digest):
        target.put(Blob(digest, len(config), lambda offset: io.BytesIO(config[offset:])))
    target.put_manifest(tag, document)
    return Image(document, manifest, json.loads(config))


def _file(packed: Packed, offset: int) -> Any:
    file = packed.path.open("rb")
    file.seek(offset)
    return file


def _telling(opened: Callable[[int], Any], name: str, size: int, say: Callable[[str], None]) -> Callable[[int], Any]:
    """What opens a blob, such that its way is told of every few seconds."""
    return lambda offset: _Telling(opened(offset), name, offset, size, say)


class _Telling:
    """A reader that says how far it is."""

    def __init__(self, inner: Any, name: str, position: int, size: int, say: Callable[[str], None]) -> None:
        self._inner = inner
        self._name = name
        self._position = position
        self._size = size
        self._say = say
        self._next = time.monotonic() + _TOLD_EVERY

    def read(self, size: int) -> bytes:
        data: bytes = self._inner.read(size)
        self._position += len(data)
        if time.monotonic() >= self._next and self._position < self._size:
            self._say(f"{self._name}: {shown(self._position)} of {shown(self._size)}")
            self._next = time.monotonic() + _TOLD_EVERY
        return data

    def close(self) -> None:
        self._inner.close()
