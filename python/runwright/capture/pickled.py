"""What has no source travels as a pickle, which ties it to one Python minor version."""

from __future__ import annotations

import io
import operator
import sys
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from ..exceptions import CaptureError
from .definitions import closure
from .modules import Modules
from .places import is_local
from .tree import Tree

HANDLER = "pickle:function.pkl"
_CURES = "define it at the top level of the notebook or module, or pass {name} as a parameter"


def capture_pickle(fn: Any, name: str, value: Any) -> dict[str, Any]:
    """The source of a version that unpickles `fn`, and the local modules that the pickle names.

    Args:
        name, value: the variable for which there is no other way.

    Raises:
        CaptureError: without cloudpickle, or if something in it cannot be pickled.
    """
    title = str(getattr(fn, "__qualname__", None) or type(fn).__qualname__)
    what = "it" if value is None or value is fn else repr(name)
    kind = type(value if value is not None else fn).__qualname__
    code = getattr(fn, "__code__", None)
    typed = what == "it" and code is not None and code.co_filename in ("<stdin>", "<string>")
    cures = "put it into a file: Python keeps no source of what is typed, piped or given by -c" if typed else _CURES.format(name=what)
    try:
        import cloudpickle
    except ImportError:
        subject = _no_source(fn, title) if what == "it" else f"{title} uses {name!r}, a {kind} that cannot be written as source"
        raise CaptureError(subject, field=name, cure=f"{cures}, or pip install 'runwright[pickle]'") from None
    module = sys.modules.get(_home(fn))
    by_value = module if module is not None and module.__name__ != "__main__" and is_local(module) else None
    registered = by_value is not None and by_value.__name__ not in cloudpickle.list_registry_pickle_by_value()
    try:
        if registered:
            cloudpickle.register_pickle_by_value(by_value)
        data, referred = _dump(cloudpickle, fn)
    except Exception as error:
        culprit = _culprit(cloudpickle, fn)
        reason = (
            f"uses {culprit[0]!r}, a live {_type_name(culprit[1])} that cannot be pickled" if culprit else f"cannot be pickled: {error}"
        )
        subject = culprit[0] if culprit else name
        cure = f"pass {subject} as a parameter, or create it inside of the function"
        raise CaptureError(f"{title} {reason}", field=subject, cure=cure) from None
    finally:
        if registered:
            cloudpickle.unregister_pickle_by_value(by_value)
    tree = Tree(title, CaptureError)
    modules = Modules(tree)
    for needed in sorted(referred):
        modules.add(needed)
    _add_cloudpickle(tree, cloudpickle)
    source = _with_pickle(tree, data)
    source["python"] = f"{sys.version_info.major}.{sys.version_info.minor}"
    return source


def _with_pickle(tree: Tree, data: bytes) -> dict[str, Any]:
    from base64 import b64encode

    tree.room(len(data))
    source = tree.source("pickle", HANDLER)
    # A pickle is never text, even where its bytes happen to be.
    source["binary"]["function.pkl"] = b64encode(data).decode("ascii")
    return source


def _no_source(fn: Any, title: str) -> str:
    import linecache

    code = getattr(fn, "__code__", None)
    if code is not None and linecache.getlines(code.co_filename):
        return f"{title} is not to be found in its source, which changed since it was imported or has several of the kind on that line"
    return f"{title} has no source of its own"


def _home(fn: Any) -> str:
    """The module in which what is called is defined."""
    inner = getattr(fn, "__func__", None) or getattr(fn, "func", None) or fn
    found = inner if isinstance(inner, (FunctionType, type)) else type(inner)
    return str(found.__module__)


def _add_cloudpickle(tree: Tree, cloudpickle: ModuleType) -> None:
    """What cloudpickle writes only it can read. It is a few pure files, and the place of the run need not have it."""
    for file in sorted(Path(str(cloudpickle.__file__)).parent.glob("*.py")):
        path = f"cloudpickle/{file.name}"
        if path not in tree:
            tree.add(path, file.read_bytes())


def _dump(cloudpickle: ModuleType, fn: Any) -> tuple[bytes, set[str]]:
    """The pickle, and the modules that it refers to by name."""
    base: Any = cloudpickle.Pickler
    referred: set[str] = set()

    class Pickler(base):  # type: ignore[misc]
        """Puts plain functions in the place of Runwright's Function objects, which hold a client."""

        def reducer_override(self, obj: Any) -> Any:
            if getattr(obj, "__runwright_function__", False) is True:
                inner = getattr(obj, "fn", None) or obj.__wrapped__
                return operator.itemgetter(0), ((inner,),)
            reduced = super().reducer_override(obj)
            if isinstance(obj, ModuleType):
                referred.add(obj.__name__)
            elif reduced is NotImplemented and isinstance(obj, (type, FunctionType)):
                referred.add(obj.__module__)
            return reduced

    out = io.BytesIO()
    Pickler(out, protocol=4).dump(fn)  # every supported Python knows this one
    return out.getvalue(), referred - {"__main__"}


def _culprit(cloudpickle: ModuleType, fn: Any) -> tuple[str, Any] | None:
    """The variable of a function that cannot be pickled."""
    inner = getattr(fn, "__func__", None) or getattr(fn, "func", None) or fn
    candidates: dict[str, Any] = {}
    if isinstance(inner, FunctionType):
        names = inner.__code__.co_names
        candidates = {**{name: inner.__globals__[name] for name in names if name in inner.__globals__}, **closure(inner)}
    if getattr(fn, "__self__", None) is not None:
        candidates["self"] = fn.__self__
    for at, one in enumerate(getattr(fn, "args", ()) if hasattr(fn, "func") else ()):
        candidates[f"args[{at}]"] = one
    for name, value in candidates.items():
        if not isinstance(value, ModuleType) and not _can(cloudpickle, value):
            return name, value
    return None


def _can(cloudpickle: ModuleType, value: Any) -> bool:
    try:
        _dump(cloudpickle, value)
    except Exception:
        return False
    return True


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
