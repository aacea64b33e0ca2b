"""The platform's form: `handler(context, event)`, with `init(context, …)` before."""

from __future__ import annotations

from ..bind import bind
from . import replies
from .context import Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .exchange import Answer, Request


class EventForm:
    """How a handler of events is called."""

    def __init__(self, fn: Any, context: Any) -> None:
        self.fn = fn
        self._context = context
        self._by_name = _takes_names(fn)

    def arguments(self, request: Request) -> Any:
        """The arguments for one request, `(positional, keyword)`. Raises Refused."""
        event = Event(request)
        if not self._by_name:
            return (self._context, event), {}
        supplied = {"event": event, "context": self._context, "run": self._context.run, "project": self._context.project}
        return bind(self.fn, {}, supplied.__getitem__)

    def answer(self, value: Any) -> Answer:
        """What was returned as the answer. Raises Unserialisable, ValueError."""
        return replies.of_event(value)

    def own_answer(self, request: Request) -> Answer | None:
        """Every path is the handler's."""
        return None


def _takes_names(fn: Any) -> bool:
    """Whether the parameters have the names that are supplied; if not, they are the context and the event in this order."""
    import inspect

    from ..bind import INJECTED

    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return False
    return all(
        one.name in INJECTED for one in parameters if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    )
