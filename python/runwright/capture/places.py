"""Where a module comes from: this person's own code, or something that is installed."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType

_OWN = "runwright"


def is_installed(name: str, file: str | None) -> bool:
    """Whether a module can be expected where the run executes: the standard library, or a distribution to be named in `requirements`.

    An editable install is this person's own code: it is on this machine only, so its files travel. (Not if it has compiled
    modules: those cannot travel.)
    """
    root = name.partition(".")[0]
    if root in (_OWN, "builtins") or root in sys.builtin_module_names:
        return True
    if not file or file.startswith("<"):
        # Built in, frozen, or a namespace. Text that was executed is nobody's distribution.
        return root in sys.stdlib_module_names and root != "__main__"
    path = str(Path(file).resolve())
    if "site-packages" in path.split("/") or "dist-packages" in path.split("/"):
        return True
    if any(path.startswith(folder) for folder in _stdlib()):
        return True
    return _in_distribution(_root_folder(name, path), root) or _is_compiled(name, path)


@lru_cache(maxsize=1)
def _stdlib() -> tuple[str, ...]:
    import sysconfig

    found = {sysconfig.get_paths()[key] for key in ("stdlib", "platstdlib")}
    return tuple(sorted(str(Path(one).resolve()) + "/" for one in found))


def _root_folder(name: str, path: str) -> Path:
    """The folder on `sys.path` that a module was found in."""
    up = name.count(".") + (1 if path.endswith("/__init__.py") else 0)
    parents = Path(path).parents
    return parents[min(up, len(parents) - 1)]


@lru_cache(maxsize=256)
def _in_distribution(folder: Path, root: str) -> bool:
    """Whether the folder (`pip install --target`) has a distribution that brought the module."""
    if not any(folder.glob("*.dist-info")):
        return False
    from importlib.metadata import distributions

    for one in distributions(path=[str(folder)]):
        tops = {str(file).partition("/")[0].removesuffix(".py") for file in one.files or ()}
        if root in tops or root in (one.read_text("top_level.txt") or "").split():
            return True
    return False


@lru_cache(maxsize=256)
def _is_compiled(name: str, path: str) -> bool:
    """Whether the package that a module is in has compiled modules."""
    if not path.endswith(".py"):
        return True
    top = Path(path)
    depth = name.count(".") + (1 if top.name == "__init__.py" else 0)
    if depth == 0:
        return False
    package = top.parents[depth - 1]
    return any(next(package.glob(pattern), None) for pattern in ("*.so", "*.pyd", "*/*.so"))


def is_local(module: ModuleType) -> bool:
    """Whether a module that was imported is this person's own code, whose files travel."""
    spec = getattr(module, "__spec__", None)
    file = getattr(module, "__file__", None)
    if file is None and spec is not None and spec.submodule_search_locations is not None:
        folders = list(spec.submodule_search_locations)  # a namespace package
        return bool(folders) and not is_installed(module.__name__, folders[0] + "/__init__.py")
    return not is_installed(module.__name__, file)
