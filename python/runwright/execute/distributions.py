"""What is installed where a run executes."""

from __future__ import annotations

import os
import sys

from .lean import sha256


def digest() -> str | None:
    """The SHA-256 of the sorted `name==version` lines of what is installed, told by the names of its folders; None where nothing is."""
    found = set()
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")  # noqa: PTH208 - pathlib costs milliseconds
        except OSError:
            continue
        for name in names:
            if name.endswith(".dist-info"):
                project, _, version = name[: -len(".dist-info")].partition("-")
                found.add(f"{project.lower().replace('_', '-').replace('.', '-')}=={version}")
    if not found:
        return None
    return sha256("\n".join(sorted(found)).encode("utf-8", "replace"))
