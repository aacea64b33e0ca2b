"""Pillow images as png, where png can hold the mode without loss."""

from __future__ import annotations

from pathlib import Path

from .base import Materializer, is_a, need
from .errors import Unsuitable

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


class Image(Materializer):
    """`PIL.Image.Image`, also as opened from a file."""

    kind, format = "image", "png"

    def handles(self, value: Any) -> bool:
        return is_a(value, "PIL", "Image")

    def write(self, value: Any, path: str) -> dict[str, Any]:
        if value.mode not in _MODES:
            raise Unsuitable(f"png cannot hold the mode {value.mode}")
        if 0 in value.size:
            raise Unsuitable("png cannot hold an image without pixels")
        with Path(path).open("wb") as file:
            value.save(file, format="PNG")
        return {"of": "PIL.Image.Image", "mode": value.mode, "shape": [value.height, value.width]}

    def read(self, path: str, descriptor: dict[str, Any]) -> Any:
        with need("PIL.Image", "an image", "add 'pillow' to `requirements`").open(path) as image:
            # A copy: it is of the plain class and holds no open file.
            return image.copy()


MATERIALIZER = Image()
