"""Images made without a container tool: base + requirements + code, as layers that this Python packs and pushes itself.

Standard library only, Python 3.9 and later. It runs in a pod whose container is the base image, or in a process on this machine.
Nothing here is imported by a run, so what an import costs does not matter.
"""

from .order import build

__all__ = ["build"]
