"""A repr never fails: what is asked for in a traceback, a debugger or a log must not raise an error of its own."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ParamSpec

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")


def safely(fallback: Callable[[Any], str]) -> Callable[[Callable[P, str]], Callable[P, str]]:
    """Where the decorated function fails, `fallback` of its first argument stands in; where that fails too, the type's name."""

    def decorate(show: Callable[P, str]) -> Callable[P, str]:
        @functools.wraps(show)
        def shown(*args: P.args, **kwargs: P.kwargs) -> str:
            try:
                return show(*args, **kwargs)
            except Exception:
                try:
                    return fallback(args[0])
                except Exception:
                    return f"<{type(args[0]).__name__}>"

        return shown

    return decorate


def plain_record(record: Any) -> str:
    """The little that any record can tell."""
    names = [name for name in ("key", "id", "name", "state") if name in record]
    return "<" + " ".join(f"{name}={str(record[name])[:200]}" for name in names) + ">"
