"""A build as what a run calls: `_runwright.execute.builder.run:image`, with the code to put into the image as the run's own code."""

from __future__ import annotations

from typing import Any

from .order import build


def image(run: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Build, and say what was built; each part of it is a result of the run.

    Args:
        run: the run that this is, given by the runner.
        settings: those of `build`. `code: true` stands for the code that came with the run.

    Raises:
        Failed, OSError: see `build`.
    """
    own = settings.get("code")
    if own is True:
        settings = {**settings, "code": run.code}
    elif own is False:
        settings = {**settings, "code": None}
    return build(settings)
