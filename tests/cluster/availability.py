"""Which cluster the tests use: one that KUBECONFIG names, the one of this machine, or none, and then why."""

from __future__ import annotations

import os
import shutil
import sys

from tests.cluster import packages
from tests.cluster.settings import KUBECONFIG


def in_ci() -> bool:
    """Whether nothing may be left out."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def is_named() -> bool:
    """Whether KUBECONFIG names a cluster that is not the one of this machine."""
    named = os.environ.get("KUBECONFIG", "")
    return named not in {"", str(KUBECONFIG)}


def why_none() -> str | None:
    """Why this machine cannot have a cluster; None where it can."""
    if sys.platform != "linux":
        return f"this machine runs {sys.platform}, not Linux"
    if os.geteuid() != 0:
        return "this user is not root"
    if (missing := packages.missing()) and shutil.which("apt-get") is None:
        return f"this machine lacks {', '.join(missing)}, and apt-get to install them"
    return None
