"""Classes and functions of `__main__` → one readable module with them and what they use: for values that are pickled."""

from __future__ import annotations

import sys
from typing import Any

from ..exceptions import CaptureError
from . import function
from .collect import Collector
from .plain import NoSourceError
from .scope import Scope
from .tree import Tree


def text_of(values: list[Any]) -> str | None:
    """The module, or None where they cannot be written as source.

    Args:
        values: classes and functions of `__main__`, under their own names.
    """
    if not values:
        return None
    code = getattr(values[0], "__code__", None)
    scope = Scope(vars(sys.modules["__main__"]), code.co_filename if code else "")
    collector = Collector(scope, "a value", Tree("a value", CaptureError))
    try:
        for value in values:
            collector.name(value.__name__, {})
        text = function.text_of(collector)
        function.check_secrets(text, "a value")
    except (CaptureError, NoSourceError):
        return None
    return text
