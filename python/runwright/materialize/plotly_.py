"""plotly figures as plotly's own JSON (https://plotly.com/chart-studio-help/json-chart-schema/), which gives the figure back."""

from __future__ import annotations

from pathlib import Path

from .base import Materializer, is_a, need

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any


class Plotly(Materializer):
    """`plotly.graph_objects.Figure` (a `FigureWidget` reads back as a figure)."""

    kind, format = "figure", "plotly"

    def handles(self, value: Any) -> bool:
        return is_a(value, "plotly", "BaseFigure")

    def file_name(self, value: Any) -> str:
        return "data.json"

    def write(self, value: Any, path: str) -> dict[str, Any]:
        Path(path).write_text(value.to_json(), encoding="utf-8")
        return {"of": "plotly.graph_objects.Figure"}

    def read(self, path: str, descriptor: dict[str, Any]) -> Any:
        return need("plotly.io", "a plotly figure").from_json(Path(path).read_text(encoding="utf-8"))


MATERIALIZER = Plotly()
