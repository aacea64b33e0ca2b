"""A build as what a run calls: `_runwright.execute.builder.run:image`, with the code to put into the image as the run's own code."""

from __future__ import annotations

import contextlib
import signal
import sys
from typing import Any

from ..failure import Failed, text_of
from . import kit, order
from .failures import ConfigError

# THE list of builders: by the name that the setting `builder` has.
BUILDERS = {"layer": order.build, "buildkit": kit.build}


def image(run: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Build, and say what was built; each part of it is a result of the run.

    Args:
        run: the run that this is, given by the runner.
        settings: those of the builder, and which one: `builder`, "layer" where it is not said. `code: true` stands for the code that came with
            the run.

    Raises:
        Failed: see `build`.
    """
    # A stop removes what was written for the time of the build.
    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    settings = dict(settings)
    builder = settings.pop("builder", None) or "layer"
    if builder not in BUILDERS:
        raise ConfigError(f"builder: there is no builder {builder!r}", f"use one of: {', '.join(BUILDERS)}")
    if isinstance(settings.get("code"), bool):
        settings["code"] = run.code if settings["code"] else None
    try:
        return BUILDERS[builder](settings)
    except Exception as error:
        if isinstance(error, Failed):
            raise
        raise Failed("RunnerError", f"the build failed: {text_of(error)}") from error
