"""Where runs execute: this machine, or a namespace of a cluster. `use` sets what holds where nothing is said."""

from __future__ import annotations

import os
from typing import Any

from .exceptions import InvalidError

KUBERNETES = ("context", "namespace")
_default: dict[str, Any] = {}


def default_place() -> dict[str, Any]:
    """The request's fields `on` and `place`: of `use`, else of RUNWRIGHT_ON (`kubernetes`, `kubernetes:<context>/<namespace>`), else none."""
    if _default:
        return dict(_default)
    named = os.environ.get("RUNWRIGHT_ON")
    return place_of(named) if named else {}


def place_of(on: Any) -> dict[str, Any]:
    """The request's fields of `on`: "local", "kubernetes", "kubernetes:CONTEXT/NAMESPACE" (either may be left out).

    Raises:
        InvalidError: it is no text.
    """
    if not isinstance(on, str):
        raise InvalidError(
            f"on={on!r} is not text", field="on", value=on, cure='give "local", "kubernetes" or "kubernetes:<context>/<namespace>"'
        )
    name, colon, where = on.partition(":")
    if _default.get("on") == name and not colon:
        return dict(_default)
    context, _, namespace = where.rpartition("/") if "/" in where else (where, "", "")
    place = {field: value for field, value in (("context", context), ("namespace", namespace)) if value}
    return {"on": name, "place": place} if place else {"on": name}


def set_default(on: str | None, context: str | None, namespace: str | None) -> None:
    """What holds from now on.

    Raises:
        InvalidError: a context or namespace for a place that has none.
    """
    place = {field: value for field, value in (("context", context), ("namespace", namespace)) if value is not None}
    if on is None and not place:
        return
    on = on or _default.get("on") or "kubernetes"
    request = dict(place_of(on))
    if place and request["on"] != "kubernetes":
        field, value = next(iter(place.items()))
        raise InvalidError(
            f"{field}={value!r} is of a cluster, and on={on!r} is none", field=field, value=value, cure='give on="kubernetes"'
        )
    for field, value in place.items():
        if not isinstance(value, str) or not value:
            raise InvalidError(f"{field}={value!r} is not a name", field=field, value=value, cure=f"give the name of a {field}")
    merged = {**request.get("place", {}), **place}
    _default.clear()
    _default.update({"on": request["on"], "place": merged} if merged else {"on": request["on"]})
