"""The handler: from `module:function` or a pickle in the code folder to the plain function."""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PTH100, PTH110, PTH112, PTH118, PTH123, SIM105

from __future__ import annotations

import os
import sys

from .failure import Failed, text_of

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any


def load_handler(path: str, handler: str, python: Any = None) -> Any:
    """The function that a handler names, without Runwright's own decorators.

    Args:
        path: the code folder; put first on `sys.path`. None or "" where the code is installed.
        handler: `module:function` (both may be dotted) or `pickle:<file>`.
        python: the minor version that a pickle is tied to, e.g. "3.11".

    Raises:
        Failed: with cause `ImportFailed`.
    """
    if path and path not in sys.path:
        sys.path.insert(0, path)
    module_name, colon, name = handler.partition(":")
    if not colon or not module_name or not name:
        raise Failed("ImportFailed", f"the handler {handler!r} is not of the form module:function", "name it like `functions:train`")
    found = _unpickle(path, name, python) if module_name == "pickle" else _attribute(_module(path, module_name), module_name, name)
    found = unwrap(found)
    if not callable(found):
        message = f"the handler {handler!r} is a {type(found).__name__}, which cannot be called"
        raise Failed("ImportFailed", message, "name a function")
    return found


def unwrap(fn: Any) -> Any:
    """The function inside of Runwright's own decorators. What those declared as outputs stays readable through `declared_outputs`."""
    outputs = None
    while getattr(fn, "__runwright_function__", False) is True:
        outputs = outputs or getattr(fn, "__runwright_outputs__", None)
        inner = getattr(fn, "fn", None) or getattr(fn, "__wrapped__", None)
        if inner is None:
            break
        fn = inner
    if outputs and getattr(fn, "__runwright_outputs__", None) is None:
        try:
            fn.__runwright_outputs__ = outputs
        except AttributeError:
            pass  # an object without room for it
    return fn


def _module(path: str, name: str) -> Any:
    before = sys.modules.get(name)
    try:
        __import__(name)
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, MemoryError)):
            raise
        raise _import_failed(name, error) from error
    module = sys.modules[name]
    ours = os.path.join(path, *name.split(".")) if path else ""
    # Something of that name was imported already (a part of the standard library): the user's file would be passed over silently.
    if before is not None and ours and (os.path.exists(f"{ours}.py") or os.path.isdir(ours)):
        file = getattr(module, "__file__", None) or ""
        if not os.path.abspath(file).startswith(os.path.join(path, "")):
            message = f"the code's module {name!r} is hidden by another module of that name ({file or 'built in'})"
            raise Failed("ImportFailed", message, "rename the file")
    if path:
        vars(module)["__runwright_code__"] = path  # materialize/sources.py
    return module


def _import_failed(name: str, error: BaseException) -> Failed:
    missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
    if missing and missing == name.split(".", maxsplit=1)[0]:
        return Failed("ImportFailed", f"the code has no module {name!r}", "check the handler and what `code_src` holds")
    if missing:
        message = f"importing {name!r} failed: there is no module {missing!r} where this runs"
        return Failed("ImportFailed", message, f"add the package that has {missing!r} to `requirements`, or install it there")
    return Failed(
        "ImportFailed", f"importing {name!r} failed: {type(error).__name__}: {text_of(error)}", "correct the code that runs at import"
    )


def _attribute(module: Any, module_name: str, name: str) -> Any:
    found = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            from difflib import get_close_matches

            near = get_close_matches(part, [entry for entry in dir(found) if not entry.startswith("__")], 1)
            hint = f"did you mean {near[0]!r}?" if near else "check the handler's name"
            raise Failed("ImportFailed", f"the module {module_name!r} has no {name!r}", hint) from None
    return found


def _unpickle(path: str, name: str, python: Any) -> Any:
    here = "{}.{}".format(*sys.version_info[:2])
    file = os.path.join(path, name)
    if python is None and os.path.exists(f"{file}.python"):
        with open(f"{file}.python", encoding="utf-8") as note:
            python = note.read().strip()
    if python and str(python) != here:
        message = f"the function was pickled by Python {python}, and this is Python {here}: compiled code does not travel between them"
        raise Failed("ImportFailed", message, f"run it with Python {python}, or define the function in a file")
    try:
        with open(file, "rb") as stream:
            import pickle

            return pickle.load(stream)  # noqa: S301 - it is the user's own function
    except OSError as error:
        raise Failed("ImportFailed", f"the pickled function cannot be read: {error}", "save the function again") from error
    except ModuleNotFoundError as error:
        message = f"the pickled function needs the module {error.name!r}, which is not here"
        raise Failed("ImportFailed", message, f"add the package that has {error.name!r} to `requirements`") from error
    except Exception as error:
        message = f"the pickled function cannot be read (by Python {here}): {type(error).__name__}: {text_of(error)}"
        raise Failed("ImportFailed", message, "save the function again, with this Python, or define it in a file") from error
