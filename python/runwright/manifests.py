"""What would be handed over to the place where a run executes, or was: objects as plain data, shown as YAML."""

from __future__ import annotations

from typing import Any

# Code, packed inputs and other long texts are cut to this where they are only looked at.
_SHOWN = 160


class Manifests(list[dict[str, Any]]):
    """A list of objects as dicts.

    `str()` is all of it as YAML, as `kubectl apply -f -` takes it; its repr is the same with long texts cut. Values of secrets are `***`.
    """

    def __str__(self) -> str:
        return _yaml(self)

    def __repr__(self) -> str:
        return _yaml(_cut(list(self)))

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"


def _yaml(objects: list[dict[str, Any]]) -> str:
    from ._core import to_yaml

    return "---\n".join(to_yaml(one) for one in objects)


def _cut(value: Any) -> Any:
    """The same with long texts cut."""
    if isinstance(value, dict):
        return {name: _cut(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_cut(inner) for inner in value]
    if isinstance(value, str) and len(value) > _SHOWN:
        return f"{value[: _SHOWN // 2]}… ({len(value):,} characters)"
    return value
