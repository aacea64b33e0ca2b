"""Every verb in an event loop, too: beside each method `verb` there is `verb_async`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_SUFFIX = "_async"


def twin(verb: Callable[..., Any]) -> Callable[..., Any]:
    """The same call as a coroutine function: a thread carries it out, the loop goes on meanwhile."""
    import functools

    @functools.wraps(verb)
    async def twin(*args: Any, **kwargs: Any) -> Any:
        import asyncio

        return await asyncio.to_thread(verb, *args, **kwargs)

    return twin


class AsyncVerbs:
    """A class whose methods have asynchronous twins. Those that wait for long (`run`, `wait`, `stop`, …) define their own, without a thread."""

    def __getattr__(self, name: str) -> Any:
        # Asked only for what is not there.
        if name.endswith(_SUFFIX) and not name.startswith("_"):
            verb = getattr(type(self), name[: -len(_SUFFIX)], None)
            if callable(verb):
                return twin(verb.__get__(self))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
