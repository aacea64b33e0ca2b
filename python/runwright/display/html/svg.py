"""A series of numbers as a line of the height of text."""

from __future__ import annotations

import math
from typing import Any

from .parts import Markup

_WIDTH, _HEIGHT, _EDGE = 110, 20, 2
_POINTS = 110


def sparkline(values: list[Any]) -> Markup:
    """The line; nothing for less than two numbers. What is no finite number leaves a gap."""
    numbers = [float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None for value in values]
    numbers = _thinned(numbers)
    finite = [value for value in numbers if value is not None]
    if len(finite) < 2:
        return Markup("")
    low, high = min(finite), max(finite)
    # Halves, because the difference of two large numbers may be none.
    span = (high / 2 - low / 2) or 1.0
    across = (_WIDTH - 2 * _EDGE) / max(1, len(numbers) - 1)
    commands, pen = [], "M"
    for place, value in enumerate(numbers):
        if value is None:
            pen = "M"
            continue
        up = (value / 2 - low / 2) / span if high > low else 0.5
        commands.append(f"{pen}{_EDGE + place * across:.1f} {_HEIGHT - _EDGE - up * (_HEIGHT - 2 * _EDGE):.1f}")
        pen = "L"
    return Markup(
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"><path d="{"".join(commands)}" fill="none" '
        'stroke="#2f81f7" stroke-width="1.5" stroke-linejoin="round" stroke-linecap="round"/></svg>'
    )


def _thinned(numbers: list[float | None]) -> list[float | None]:
    """As many points as there are places to draw them; of each stretch the value that stands out most, so that no peak is lost."""
    if len(numbers) <= _POINTS:
        return numbers
    finite = [value for value in numbers if value is not None]
    middle = sum(value / len(finite) for value in finite) if finite else 0.0
    step = len(numbers) / _POINTS

    def far(value: float) -> float:
        return abs(value / 2 - middle / 2)

    stretches = (numbers[int(place * step) : int((place + 1) * step)] for place in range(_POINTS))
    return [max((value for value in stretch if value is not None), key=far, default=None) for stretch in stretches]
