"""Step *define*, Python's part: a live function or a description becomes a spec, and the engine a version of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._engine import engine, load_plugins
from .exceptions import InvalidError
from .options import check_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from .functions import Function

Record = dict[str, Any]


def define_captured(function: Function) -> Record:
    """The saved version of a function made from a Python function; captured anew only when something that it uses has changed.

    Raises:
        CaptureError: it cannot travel. InvalidError: its name or requirements are wrong.
    """
    fn = function.fn
    assert fn is not None
    seen = function._captured
    if seen is not None and seen[0] is engine() and seen[2]["project"] == function.project and seen[1].is_unchanged():
        return dict(seen[2])
    from .capture import capture_function, signature_of

    used = Used(fn)
    spec: Record = {"source": capture_function(fn), "signature": signature_of(fn), **function._defined}
    outputs = getattr(fn, "__runwright_outputs__", None)
    if outputs is not None:
        spec.setdefault("outputs", list(outputs))
    record: Record = _save(function.project, function.name, function.kind, spec, description=_first_line(fn.__doc__))
    function._captured = (engine(), used, record)
    return record


def define_when_used(function: Function) -> Record:
    """The saved version of a function that was described without saving it; saved once for each engine and project.

    Raises:
        InvalidError: a field is wrong or missing.
    """
    seen = function._captured
    if seen is not None and seen[0] is engine() and seen[2]["project"] == function.project:
        return dict(seen[2])
    record: Record = define_described(
        function.project, function.name, function.kind, **{"code": None, "code_src": None, "handler": None, **function._defined}
    )
    # Files may have changed when it is used again.
    function._captured = None if function._defined.get("code_src") else (engine(), _Settled(), record)
    return record


def define_described(
    project: str, name: str, kind: str, *, code: str | None, code_src: str | None, handler: str | None, **rest: Any
) -> Record:
    """The saved version of a function described by where its code is, or by what its kind needs.

    Raises:
        SourceError: the code cannot be fetched or does not hold the handler. InvalidError: a field is wrong or missing.
    """
    load_plugins()
    engine().actions(kind)  # an unknown kind, before anything is fetched
    description = rest.pop("description", None) or ""
    labels = rest.pop("labels", None) or []
    check_names("requirements", rest.get("requirements"), 'a list of text, such as ["scikit-learn"]')
    spec: Record = {name: value for name, value in rest.items() if value is not None}
    if code is not None or code_src is not None:
        spec = {**_source(code, code_src, handler), **spec}
    elif handler is not None:
        spec["handler"] = handler
    if kind == "python" and "source" not in spec:
        raise InvalidError(
            f"the python function {name!r} has no code",
            field="code_src",
            cure='give code_src="file.py" (or a folder, git+https://…#ref), or code="…"',
        )
    if kind == "python" and not (spec["source"] or {}).get("handler"):
        raise InvalidError(
            f"the code of {name!r} has several functions, or none",
            field="handler",
            value=handler,
            cure='say which to call: handler="function"',
        )
    return _save(project, name, kind, spec, description=description, labels=labels)


def _source(code: str | None, code_src: str | None, handler: str | None) -> Record:
    from . import capture

    if code is not None and code_src is not None:
        raise InvalidError("code= and code_src= are both given", field="code", cure="give one of them")
    if code is not None:
        source = capture.text(code, handler)
    else:
        assert code_src is not None
        source = capture.fetch(str(code_src), handler, read_url=lambda url: engine().read_url(url).wait())
    spec: Record = {"source": source}
    if source["handler"] is None:
        return spec
    module, _, name = source["handler"].partition(":")
    text = _module_text(source, module)
    if text is not None:
        signature = capture.signature_from_source(text, name)
        if signature is not None:
            spec["signature"] = signature
        outputs = capture.outputs_from_source(text, name)
        if outputs is not None:
            spec["outputs"] = outputs
    return spec


def _module_text(source: Record, module: str) -> str | None:
    path = module.replace(".", "/")
    files = source.get("files", {})
    text = files.get(f"{path}.py", files.get(f"{path}/__init__.py"))
    return None if text is None else str(text)


def _save(project: str, name: str, kind: str, spec: Record, *, description: str = "", labels: list[str] | None = None) -> Record:
    definition = {"project": project, "name": name, "kind": kind, "spec": spec, "description": description, "labels": labels or []}
    record: Record = engine().define(definition).wait()
    return record


def _first_line(doc: str | None) -> str:
    return (doc or "").strip().split("\n", 1)[0]


class Used:
    """What a function uses of its module, so that a change of any of it is seen without reading the source again.

    Functions are compared by their code and followed into; plain values by their content; modules and foreign classes by identity. Anything
    else may change in place unseen, so a function that uses such a thing is captured for every run.
    """

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn
        self.seen = self.look()

    def is_unchanged(self) -> bool:
        return self.look() == self.seen

    def look(self) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        waiting = [self.fn]
        known: set[int] = set()
        while waiting:
            fn = waiting.pop()
            code = getattr(fn, "__code__", None)
            if code is None or id(fn) in known:
                continue
            known.add(id(fn))
            found.append((code, fn.__defaults__, _cells(fn)))
            names = fn.__globals__
            for name in _names(code):
                if name in names:
                    value = getattr(names[name], "fn", None) or names[name]
                    found.append((name, _mark(value, fn.__module__)))
                    if hasattr(value, "__code__") and value.__module__ == fn.__module__:
                        waiting.append(value)
        return found


class _Settled:
    """In the place of `Used`, for what is described by values."""

    @staticmethod
    def is_unchanged() -> bool:
        return True


class _Same:
    """Equal only to the very same object, which it keeps alive so that no other takes its place."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    __hash__ = None  # type: ignore[assignment]


class _Changing:
    """Equal to nothing: what may change in place without a trace is captured anew each time."""

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


def _mark(value: Any, module: str | None) -> Any:
    from types import BuiltinFunctionType, ModuleType

    if type(value) in (int, float, str, bytes, bool, type(None)):
        return (type(value), value)
    if type(value) in (list, dict, set, frozenset, tuple):
        return repr(value) if _is_plain(value) else _Changing()
    is_settled = isinstance(value, (ModuleType, BuiltinFunctionType)) or hasattr(value, "__code__")
    return _Same(value) if is_settled or (isinstance(value, type) and value.__module__ != module) else _Changing()


def _is_plain(value: Any, depth: int = 0) -> bool:
    if type(value) in (int, float, str, bytes, bool, type(None)):
        return True
    if depth > 20 or type(value) not in (list, dict, set, frozenset, tuple):
        return False
    items = [*value, *value.values()] if type(value) is dict else value
    return all(_is_plain(item, depth + 1) for item in items)


def _cells(fn: Any) -> list[Any]:
    return [_mark(cell.cell_contents, fn.__module__) for cell in fn.__closure__ or () if _is_filled(cell)]


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - an empty one raises
    except ValueError:
        return False
    return True


def _names(code: Any) -> list[str]:
    names = list(code.co_names)
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            names += _names(constant)
    return names
