"""What a service can be told, checked before anything is opened."""

# ruff: noqa: PLR0917

from __future__ import annotations

from ..failure import Failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MIB = 1024 * 1024
# The name, what it is without being given, the types it may have, and its bounds; `None` is allowed where it is the default.
_NUMBERS: dict[str, tuple[Any, tuple[type, ...], float, float]] = {
    "port": (8080, (int,), 0, 65535),
    "workers": (1, (int,), 1, 256),
    "concurrency": (None, (int,), 1, 100_000),
    "queue": (1000, (int,), 0, 1_000_000),
    "max_body": (16 * _MIB, (int,), 0, 1 << 40),
    "timeout": (None, (int, float), 0.001, 1e9),
    "grace": (30.0, (int, float), 0, 1e6),
    "drain": (0.25, (int, float), 0, 3600),
    "keep_alive": (65.0, (int, float), 0, 1e6),
    "head_timeout": (30.0, (int, float), 0.001, 1e6),
}
_FLAGS: dict[str, bool] = {"log_requests": True, "metrics": True, "debug": False}
_TEXTS: dict[str, Any] = {"host": "127.0.0.1", "init": None, "form": None, "name": None}
FORMS = ("plain", "event", "asgi")


class Settings:
    """How a service is served.

    Attributes:
        host (str): the address to listen at; `0.0.0.0` for all of this machine's.
        port (int): 0 for a free one.
        workers (int): processes that answer, each with the function loaded and initialised for itself.
        concurrency (int | None): calls at once in each worker. None: 16 for a function, 1,000 for an `async` one, no limit for an ASGI app.
        queue (int): requests that wait for their turn in each worker; one more is answered 503 with Retry-After.
        max_body (int): bytes of a request's body; a longer one is answered 413.
        timeout (float | None): seconds from a request's first line to its answer, then 504. None: 60, for an ASGI app no limit. A call of a
            function that is not `async` cannot be ended: its thread goes on and keeps its place until it returns.
        grace (float): seconds that requests in flight have to finish when the service is stopped.
        drain (float): seconds after the request to stop in which new connections are still accepted, while `/readyz` says no already.
        keep_alive (float): seconds that an idle connection stays open.
        head_timeout (float): seconds a client has to send a request's first lines.
        log_requests (bool): log one line a request (method, path, status, time; never the query or the body).
        metrics (bool): answer `/metrics`; False leaves that path to the function or app.
        debug (bool): send the traceback of a handler that raises to the client, too.
        init (str | None): the function of the handler's module that is called once in each worker; None: `init(context, …)` if there is one.
        init_parameters (dict): its further arguments, by name.
        form (str | None): `plain`, `event` or `asgi`; None: told from the handler, see `forms`.
        name (str | None): what the service calls itself in its description.
    """

    def __init__(self, given: dict[str, Any]) -> None:
        """Raises Failed (cause InputError), naming the setting."""
        known = [*_NUMBERS, *_FLAGS, *_TEXTS, "init_parameters"]
        for name in given:
            if name not in known:
                from difflib import get_close_matches

                near = get_close_matches(name, known, 1)
                raise Failed(
                    "InputError",
                    f"a service has no setting {name!r}",
                    f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}",
                )
        for name, (default, types, low, high) in _NUMBERS.items():
            setattr(self, name, _number(name, given.get(name), default, types, low, high))
        for name, standard in _FLAGS.items():
            value = given.get(name)
            if value is not None and type(value) is not bool:
                raise _wrong(name, value, "true or false")
            setattr(self, name, standard if value is None else value)
        for name, text in _TEXTS.items():
            value = given.get(name)
            if value is not None and (type(value) is not str or not value):
                raise _wrong(name, value, "a text")
            setattr(self, name, text if value is None else value)
        if self.form is not None and self.form not in FORMS:
            raise _wrong("form", self.form, f"one of {', '.join(FORMS)}")
        self.init_parameters = given.get("init_parameters") or {}
        if not isinstance(self.init_parameters, dict):
            raise _wrong("init_parameters", self.init_parameters, "an object of arguments by name")

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


def _number(name: str, value: Any, default: Any, types: tuple[type, ...], low: float, high: float) -> Any:
    if value is None:
        return default
    if type(value) not in types or not low <= value <= high:
        what = "a whole number" if types == (int,) else "a number"
        raise _wrong(name, value, f"{what} from {low:g} to {high:g}")
    return value


def _wrong(name: str, value: Any, right: str) -> Failed:
    return Failed("InputError", f"the service's {name} is {value!r:.80}", f"give {name} as {right}")
