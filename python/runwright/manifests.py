"""What would be handed over to the place where a run executes, or was: objects as plain data, shown as YAML."""

from __future__ import annotations

from typing import Any


class Manifests(list[dict[str, Any]]):
    """A list of objects as dicts. Its text is YAML, as `kubectl apply -f -` takes it."""

    def __str__(self) -> str:
        from ._core import to_yaml

        return "---\n".join(to_yaml(manifest) for manifest in self)

    __repr__ = __str__
