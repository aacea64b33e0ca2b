"""Runwright: tracked runs of data-science functions, on this machine by default. No server.

    import runwright as rw

    @rw.function(requirements=["scikit-learn"])
    def train(depth: int = 5): ...

    run = train.run(depth=8)     # tracked, returns at once
    run.wait(); run.result(); run.metrics; run.logs()

Names are imported when they are first used, so that `import runwright` costs next to nothing.
"""

from __future__ import annotations

# Known to type checkers by its name. The import of `typing` would cost more than all the rest: 10 ms.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from ._core import __version__ as __version__
    from ._profiles import profiles as profiles
    from .containers import container as container
    from .decorators import function as function
    from .decorators import handler as handler
    from .entities import Artifact as Artifact
    from .entities import Dataitem as Dataitem
    from .entities import Model as Model
    from .exceptions import RunError as RunError
    from .exceptions import RunwrightError as RunwrightError
    from .extend import register_runtime as register_runtime
    from .functions import Function as Function
    from .project import Project as Project
    from .project import delete_project as delete_project
    from .project import get_or_create_project as get_or_create_project
    from .project import get_project as get_project
    from .project import list_projects as list_projects
    from .run import Run as Run
    from .run_list import RunList as RunList
    from .session import attach as attach
    from .session import diff as diff
    from .session import gc as gc
    from .session import get_entity as get_entity
    from .session import import_yaml as import_yaml
    from .session import runs as runs
    from .session import sync as sync
    from .session import use as use
    from .tracking import log_artifact as log_artifact
    from .tracking import log_dataitem as log_dataitem
    from .tracking import log_metric as log_metric
    from .tracking import log_metrics as log_metrics
    from .tracking import log_model as log_model

_HOME = {
    "__version__": "_core",
    "profiles": "_profiles",
    "container": "containers",
    "function": "decorators",
    "handler": "decorators",
    "Artifact": "entities",
    "Dataitem": "entities",
    "Model": "entities",
    "RunError": "exceptions",
    "RunwrightError": "exceptions",
    "register_runtime": "extend",
    "Function": "functions",
    "log_artifact": "tracking",
    "log_dataitem": "tracking",
    "log_metric": "tracking",
    "log_metrics": "tracking",
    "log_model": "tracking",
    "Project": "project",
    "delete_project": "project",
    "get_or_create_project": "project",
    "get_project": "project",
    "list_projects": "project",
    "Run": "run",
    "RunList": "run_list",
    "attach": "session",
    "diff": "session",
    "gc": "session",
    "get_entity": "session",
    "import_yaml": "session",
    "runs": "session",
    "sync": "session",
    "use": "session",
}

__all__ = list(_HOME)


_SUBMODULES = {"exceptions", "extend", "testing"}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _SUBMODULES:
        return import_module(f"{__name__}.{name}")
    home = _HOME.get(name)
    if home is None and name.endswith("_async") and _HOME.get(name[:-6]) in ("project", "session"):
        from .asynchronous import twin

        return twin(__getattr__(name[:-6]))
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_SUBMODULES} - {"TYPE_CHECKING"})
