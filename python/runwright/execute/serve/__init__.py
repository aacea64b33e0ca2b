"""A function or an ASGI application as an HTTP service.

`service.py` opens the port and watches over the workers; `worker.py` is one of them; `app.py` is what it answers by: health, metrics and
limits around one of three forms (`forms.py`), which `calls.py` calls. Nothing here is imported by runs that do not serve.
"""

from __future__ import annotations

from ..failure import Failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What must be installed where it runs: the server, and the two that make it fast.
REQUIREMENTS = ("uvicorn>=0.30,<1", "httptools>=0.6", "uvloop>=0.17")


def serve(function_or_app: Any, settings: dict[str, Any], announce: Any, **more: Any) -> int:
    """Serve what is in this process already; see `serve_from`."""
    return serve_from(lambda: function_or_app, settings, announce, **more)


def serve_from(load: Any, settings: dict[str, Any], announce: Any, *, active: Any = None, secrets: Any = (), bound: Any = dict) -> int:
    """Serve until a TERM or INT. To be called in the main thread.

    Args:
        load: called in each worker, gives the function or the ASGI application.
        settings: see `settings.Settings`.
        announce: called with events: `{"type": "ready", "time", "url", "port", …}` when the service answers; `unready` when it does so no
            more, and `ready` when it does again.
        active: the run as user code sees it (`context.Active`), or None.
        secrets: values that must not be seen in any error that is answered.
        bound: called in each worker, gives values by name: those of a plain function's parameters that clients do not give, and of `init`'s.

    Returns:
        0: it was stopped, and what was in flight was finished or had its grace.

    Raises:
        Failed: with cause PortInUse; InputError (a setting); RequirementError (no HTTP server is installed); or whatever kept the workers
            from coming up (`service.ServiceFailed`).
    """
    try:
        import uvicorn  # noqa: F401
    except ImportError as error:
        message = f"serving needs uvicorn, which cannot be imported where this runs: {error}"
        raise Failed("RequirementError", message, "add 'uvicorn' to `requirements`, or install it there") from error
    from .service import Service

    return Service(load, settings, announce, active=active, secrets=secrets, bound=bound).run()


__all__ = ["REQUIREMENTS", "serve", "serve_from"]
