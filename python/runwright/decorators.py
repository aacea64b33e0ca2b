"""The two ways to make a Python function one that can be run, tracked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from .exceptions import InvalidError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .functions import Function


@overload
def function(fn: Callable[..., Any], /) -> Function: ...
@overload
def function(
    *,
    name: str | None = None,
    project: str | None = None,
    requirements: list[str] | None = None,
    outputs: list[str] | None = None,
    image: str | None = None,
    **options: Any,
) -> Callable[[Callable[..., Any]], Function]: ...
def function(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    project: str | None = None,
    requirements: list[str] | None = None,
    outputs: list[str] | None = None,
    image: str | None = None,
    **options: Any,
) -> Any:
    """Make a function one that can be run: `@rw.function` or `@rw.function(requirements=[…], …)`. A plain call of it stays a plain call.

    Args:
        name: what it is called; its own name by default. project: where it belongs; that of `rw.use(project=…)`, or "default".
        requirements: what it needs, as in requirements.txt: it then runs in a virtual environment of just that.
        outputs: names for what it returns, in order. image: for places that run images.
        **options: how it is run, as for `run(…)`: timeout, retries, envs, secrets, resources, …

    Raises:
        InvalidError: an option that does not exist, or it is no function.
    """
    from .functions import Function
    from .options import check_names, check_options

    check_options(options)
    check_names("requirements", requirements, 'a list of text, such as ["scikit-learn"]')
    check_names("outputs", outputs, 'a list of different names, such as ["dataset", "score"]')

    def make(fn: Callable[..., Any]) -> Function:
        if not callable(fn) or isinstance(fn, type):
            raise InvalidError(f"{fn!r} is not a function", field="fn", value=fn, cure="decorate a function: @rw.function above def …")
        own = getattr(fn, "__name__", None)
        if own == "<lambda>" and name is None:
            raise InvalidError("a lambda has no name", field="name", value=None, cure='give it one: rw.function(lambda …, name="square")')
        if _is_method(fn):
            raise InvalidError(
                f"{fn.__qualname__} is a method",
                field="fn",
                value=fn,
                cure="decorate a function outside of the class, which takes the object or makes it; or make it a @staticmethod",
            )
        spec: dict[str, Any] = {
            field: value for field, value in (("requirements", requirements), ("outputs", outputs), ("image", image)) if value is not None
        }
        return Function(project, name or own or "function", "python", fn=fn, options=options, **spec)

    return make(fn) if fn is not None else make


def _is_method(fn: Any) -> bool:
    """Whether it is defined in a class, for its objects: nobody could give the first argument."""
    code = getattr(fn, "__code__", None)
    first = code.co_varnames[:1] if code is not None and code.co_argcount else ()
    around = getattr(fn, "__qualname__", "").rpartition(".")[0]
    return first in (("self",), ("cls",)) and bool(around) and not around.endswith("<locals>") and not hasattr(fn, "__self__")


def handler(outputs: list[str] | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Name what a function returns (the platform's form): `@handler(outputs=["dataset", "score"])`. The function itself stays as it is.

    Raises:
        InvalidError: outputs is not a list of names.
    """
    from .options import check_names

    check_names("outputs", outputs, 'a list of different names, such as ["dataset", "score"]')

    def mark(fn: Callable[..., Any]) -> Callable[..., Any]:
        fn.__runwright_outputs__ = outputs  # type: ignore[attr-defined]
        return fn

    return mark
