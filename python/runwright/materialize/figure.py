"""matplotlib figures as png. What comes back is the picture: a figure cannot be rebuilt from it."""

from __future__ import annotations

from pathlib import Path

from .base import Materializer, is_a, roots
from .errors import MaterializeFailed, disk_error, first_line

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any


class Picture:
    """A stored figure; shows itself in a notebook.

    Attributes:
        path (pathlib.Path): the png file.
    """

    def __init__(self, path: Any) -> None:
        self.path = Path(path)

    @property
    def data(self) -> bytes:
        """The png."""
        return self.path.read_bytes()

    def _repr_png_(self) -> bytes:
        return self.data

    def __repr__(self) -> str:
        return f"Picture({str(self.path)!r})"


class Figure(Materializer):
    """`matplotlib.figure.Figure`, `Axes` (their figure), seaborn grids (their `.figure`), and a `Picture` handed on."""

    kind, format = "figure", "png"

    def handles(self, value: Any) -> bool:
        if is_picture(value):
            return True
        if "matplotlib" in roots(value):
            return is_a(value, "matplotlib", "FigureBase") or is_a(value, "matplotlib", "Figure") or is_a(value, "matplotlib", "Axes")
        return "seaborn" in roots(value) and hasattr(value, "figure")

    def write(self, value: Any, path: str) -> dict[str, Any]:
        if is_picture(value):
            Path(path).write_bytes(value.data)
            return {"of": "matplotlib.figure.Figure"}
        figure = value
        # Axes know a figure, which may be a part of another one.
        while getattr(figure, "figure", None) is not None and figure.figure is not figure:
            figure = figure.figure
        try:
            with Path(path).open("wb") as file:
                # No software version, so that the same figure is the same file.
                figure.savefig(file, format="png", bbox_inches="tight", metadata={"Software": None})
        except Exception as error:
            disk = disk_error(error)
            if disk is not None:
                raise disk from error
            raise MaterializeFailed(f"the figure cannot be drawn ({first_line(error)})", "call its `savefig` to see where") from error
        return {"of": "matplotlib.figure.Figure"}

    def read(self, path: str, descriptor: dict[str, Any]) -> Any:
        return Picture(path)


def is_picture(value: Any) -> bool:
    """By name: the runner's copy of this package has a `Picture` of its own."""
    return type(value).__name__ == "Picture" and type(value).__module__.endswith("materialize.figure")


MATERIALIZER = Figure()
