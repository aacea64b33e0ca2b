"""A build as what a run calls: `_runwright.execute.builder.run:image`, with the code to put into the image as the run's own code."""

from __future__ import annotations

import contextlib
import signal
import sys
from typing import Any

from ..failure import Failed, text_of
from .order import build


def image(run: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Build, and say what was built; each part of it is a result of the run.

    Args:
        run: the run that this is, given by the runner.
        settings: those of `build`. `code: true` stands for the code that came with the run.

    Raises:
        Failed: see `build`.
    """
    # A stop removes what was written for the time of the build.
    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if isinstance(settings.get("code"), bool):
        settings = {**settings, "code": run.code if settings["code"] else None}
    try:
        return build(settings)
    except Exception as error:
        if isinstance(error, Failed):
            raise
        raise Failed("RunnerError", f"the build failed: {text_of(error)}") from error
