"""The three forms of what is served, and how they are told apart.

1. `asgi`: what is called with `(scope, receive, send)`: an application of FastAPI, Starlette, Django, …, or a plain function of these.
2. `event`: a function with a parameter `event` that has no default, as the platform has it: `handler(context, event)`.
3. `plain`: any other function.
"""

from __future__ import annotations

import inspect

from ..failure import Failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ASGI = ("scope", "receive", "send")
_WSGI = ("environ", "start_response")


def form_of(target: Any, wanted: str | None) -> str:
    """The form of a function or application.

    Args:
        wanted: the form that the settings ask for, or None.

    Raises:
        Failed: with cause ImportFailed, where it cannot be served.
    """
    if not callable(target):
        raise Failed("ImportFailed", f"a {type(target).__name__} cannot be served", "name a function or an ASGI application")
    if wanted is not None:
        return wanted
    names = [name for name, _ in _required(target)]
    if names[:3] == list(_ASGI):
        return "asgi"
    if names[:2] == list(_WSGI):
        cure = "wrap it: `a2wsgi.WSGIMiddleware(app)` or `asgiref.wsgi.WsgiToAsgi(app)` make an ASGI application of it"
        raise Failed("ImportFailed", f"{_name(target)} is a WSGI application, and this serves ASGI", cure)
    return "event" if "event" in names else "plain"


def _required(target: Any) -> list[tuple[str, Any]]:
    """The parameters without a default; none where the signature cannot be told."""
    try:
        parameters = inspect.signature(target).parameters
    except (TypeError, ValueError):
        return []
    open_ = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [(name, one) for name, one in parameters.items() if one.default is one.empty and one.kind not in open_]


def initialiser(target: Any, name: str | None) -> Any:
    """The function to call once in each worker, or None.

    Without a name it is the `init` of the handler's module, if its first parameter is `context`.

    Raises:
        Failed: with cause ImportFailed, where there is none of the name.
    """
    inner = inspect.unwrap(target) if callable(target) else target
    home = getattr(inner, "__globals__", None)
    if home is None:
        import sys

        home = vars(sys.modules.get(getattr(inner, "__module__", "") or "", inspect))
    if name is not None:
        found = home.get(name)
        if not callable(found):
            raise Failed("ImportFailed", f"the handler's module has no function {name!r}, which is to initialise it", "check `init`")
        return found
    found = home.get("init")
    return found if callable(found) and [one for one, _ in _required(found)][:1] == ["context"] else None


def is_async(target: Any) -> bool:
    """Whether a call of it gives a coroutine."""
    method = None if inspect.isroutine(target) else getattr(type(target), "__call__", None)  # noqa: B004 - it is looked into
    return inspect.iscoroutinefunction(inspect.unwrap(target)) or inspect.iscoroutinefunction(method)


def _name(target: Any) -> str:
    return str(getattr(target, "__name__", type(target).__name__))
