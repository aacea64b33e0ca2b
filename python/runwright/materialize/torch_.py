"""torch modules and tensors with `torch.save` (https://pytorch.org/docs/stable/notes/serialization.html)."""

from __future__ import annotations

from pathlib import Path

from . import pickled, sources
from .base import Materializer, is_a, need, type_name
from .errors import MaterializeFailed, Unsuitable, disk_error, first_line
from .sklearn_ import check_versions, versions

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any


class Torch(Materializer):
    """`torch.nn.Module`: the module with its state; reading needs its class. Loaded to the CPU, wherever it was."""

    kind, format, type = "torch", "pt", "model"

    def handles(self, value: Any) -> bool:
        return is_a(value, "torch", "Module")

    def write(self, value: Any, path: str) -> dict[str, Any]:
        extra = {"versions": versions(value, ("torch", "numpy")), "python": pickled.python_version(), "of": type_name(value)}
        kept = {"type": self.type, "kind": self.kind, **extra}
        if type(value).__module__ == "__main__":
            raise Unsuitable("its class is of __main__", kept)
        try:
            with Path(path).open("wb") as file:
                need("torch", "a torch model").save(value, file)
        except (MemoryError, MaterializeFailed):
            raise
        except Exception as error:
            disk = disk_error(error)
            if disk is not None:
                raise disk from error
            raise Unsuitable(f"torch.save cannot ({first_line(error)})", kept) from error
        return {**extra, **sources.named_in(path)}

    def read(self, path: str, descriptor: dict[str, Any]) -> Any:
        torch = need("torch", "a torch model")
        check_versions(descriptor)

        def read() -> Any:
            with Path(path).open("rb") as file:
                # Whole modules are pickles; a descriptor of ours is trusted like one. A file from elsewhere is not.
                return torch.load(file, map_location="cpu", weights_only=not descriptor.get("of"))

        try:
            return sources.read_with(descriptor.get("code"), read)
        except (ImportError, AttributeError) as error:
            raise MaterializeFailed(f"the model cannot be loaded here ({first_line(error)})", "make its class importable here") from error


MATERIALIZER = Torch()
