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
    from .options import check_options

    check_options(options)
    if isinstance(requirements, str):
        raise InvalidError(
            f"requirements={requirements!r} is text", field="requirements", value=requirements, cure=f"give a list: [{requirements!r}]"
        )

    def make(fn: Callable[..., Any]) -> Function:
        if not callable(fn) or isinstance(fn, type):
            raise InvalidError(f"{fn!r} is not a function", field="fn", value=fn, cure="decorate a function: @rw.function above def …")
        own = getattr(fn, "__name__", None)
        spec: dict[str, Any] = {
            field: value for field, value in (("requirements", requirements), ("outputs", outputs), ("image", image)) if value is not None
        }
        return Function(project, name or own or "function", "python", fn=fn, options=options, **spec)

    return make(fn) if fn is not None else make


def handler(outputs: list[str] | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Name what a function returns (the platform's form): `@handler(outputs=["dataset", "score"])`. The function itself stays as it is.

    Raises:
        InvalidError: outputs is not a list of names.
    """
    if outputs is not None and (not isinstance(outputs, list) or not all(isinstance(name, str) for name in outputs)):
        raise InvalidError(
            f"outputs={outputs!r} is not a list of names", field="outputs", value=outputs, cure='give a list: ["dataset", "score"]'
        )

    def mark(fn: Callable[..., Any]) -> Callable[..., Any]:
        fn.__runwright_outputs__ = outputs  # type: ignore[attr-defined]
        return fn

    return mark
