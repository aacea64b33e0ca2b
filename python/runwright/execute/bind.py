"""Which value goes to which parameter, without `inspect` (whose import costs 10 ms) where the function is a plain one."""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PLR0912, PLR0917

from __future__ import annotations

from .failure import Failed

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

# Supplied by the runner where a parameter has such a name, no default, and no value of the user's.
INJECTED = ("project", "run", "context", "event")

_VARARGS, _VARKEYWORDS = 0x04, 0x08
_plain_function = type(lambda: None)
_bound_method = type((lambda self: self).__get__(0))


class Shape:
    """A signature: names of its parameters by kind, and which have a default."""

    __slots__ = ("defaults", "keyword_only", "positional_only", "regular", "varargs", "varkeywords")

    def __init__(self, positional_only: Any, regular: Any, keyword_only: Any, varargs: Any, varkeywords: Any, defaults: Any) -> None:
        self.positional_only = positional_only
        self.regular = regular
        self.keyword_only = keyword_only
        self.varargs = varargs
        self.varkeywords = varkeywords
        self.defaults = defaults


def shape_of(fn: Any) -> Shape | None:
    """The signature; None where it cannot be told (some built-in functions)."""
    while type(fn) is _plain_function and "__wrapped__" in fn.__dict__ and "__signature__" not in fn.__dict__:
        fn = fn.__dict__["__wrapped__"]
    skip = 0
    if type(fn) is _bound_method and type(fn.__func__) is _plain_function:
        fn, skip = fn.__func__, 1
    if type(fn) is not _plain_function or "__signature__" in fn.__dict__ or "__wrapped__" in fn.__dict__:
        return _inspected(fn)
    code = fn.__code__
    names, count, only = code.co_varnames, code.co_argcount, code.co_kwonlyargcount
    place = count + only
    varargs = varkeywords = None
    if code.co_flags & _VARARGS:
        varargs = names[place]
        place += 1
    if code.co_flags & _VARKEYWORDS:
        varkeywords = names[place]
    with_default = names[count - len(fn.__defaults__) : count] if fn.__defaults__ else ()
    defaults = (*with_default, *fn.__kwdefaults__) if fn.__kwdefaults__ else with_default
    positional = code.co_posonlyargcount
    return Shape(names[skip:positional], names[max(positional, skip) : count], names[count : count + only], varargs, varkeywords, defaults)


def _inspected(fn: Any) -> Shape | None:
    import inspect

    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return None
    kinds: dict[object, list[str]] = {}
    for parameter in parameters:
        kinds.setdefault(parameter.kind, []).append(parameter.name)
    of = inspect.Parameter
    return Shape(
        tuple(kinds.get(of.POSITIONAL_ONLY, ())),
        tuple(kinds.get(of.POSITIONAL_OR_KEYWORD, ())),
        tuple(kinds.get(of.KEYWORD_ONLY, ())),
        kinds.get(of.VAR_POSITIONAL, [None])[0],
        kinds.get(of.VAR_KEYWORD, [None])[0],
        tuple(parameter.name for parameter in parameters if parameter.default is not of.empty),
    )


def plain_parameters(frozen: dict[str, Any]) -> dict[str, Any]:
    """The parameters as they were given: what JSON has no word for (tuples, sets, infinity) is marked in run.json."""
    given = frozen.get("parameters") or {}
    if not any(type(value) in (dict, list) for value in given.values()):
        return dict(given)
    from ..materialize.values import decode

    return {name: decode(value) for name, value in given.items()}


def bind(fn: Any, values: dict[str, Any], supply: Any, shape: Shape | None = None) -> Any:
    """The arguments of the call.

    Args:
        values: by name, parameters and inputs together.
        supply: gives the object for an injected name.
        shape: its signature, where that is known already.

    Returns:
        `(positional, keyword)`.

    Raises:
        Failed: with cause `InputError`, naming the parameter.
    """
    shape = shape or shape_of(fn)
    if shape is None:
        return (), values
    values = dict(values)
    positional = []
    rest = None if shape.varargs is None else values.pop(shape.varargs, None)
    for place, name in enumerate(shape.positional_only):
        if name in values:
            positional.append(values.pop(name))
        elif name not in shape.defaults:
            positional.append(_supplied(fn, name, supply))
        elif rest or any(later in values for later in shape.positional_only[place + 1 :]):
            raise Failed("InputError", f"{_name(fn)}: {name!r} has no value, but one after it does", f"give {name!r} a value, too")
    keyword = {}
    for name in shape.regular:
        if name in values:
            value = values.pop(name)
        elif name not in shape.defaults:
            value = _supplied(fn, name, supply)
        elif rest:
            raise Failed("InputError", f"{_name(fn)}: {name!r} has no value, but *{shape.varargs} has", f"give {name!r} a value, too")
        else:
            continue
        if rest:
            positional.append(value)
        else:
            keyword[name] = value
    if rest is not None:
        if not isinstance(rest, (list, tuple)):
            message = f"{_name(fn)}: *{shape.varargs} takes a list, not {type(rest).__name__}"
            raise Failed("InputError", message, f"give {shape.varargs!r} a list of values")
        positional.extend(rest)
    for name in shape.keyword_only:
        if name in values:
            keyword[name] = values.pop(name)
        elif name not in shape.defaults:
            keyword[name] = _supplied(fn, name, supply)
    if shape.varkeywords is not None:
        more = values.pop(shape.varkeywords, None)
        if isinstance(more, dict):
            values.update(more)
        elif more is not None:
            values[shape.varkeywords] = more
        keyword.update(values)
    elif values:
        _refuse(fn, shape, next(iter(values)))
    return positional, keyword


def _supplied(fn: Any, name: str, supply: Any) -> Any:
    if name in INJECTED:
        return supply(name)
    message = f"{_name(fn)} needs a value for {name!r}"
    raise Failed("InputError", message, f"give it as a parameter or an input, or give {name!r} a default")


def _refuse(fn: Any, shape: Shape, name: str) -> None:
    from difflib import get_close_matches

    known = (*shape.positional_only, *shape.regular, *shape.keyword_only)
    near = get_close_matches(name, known, 1)
    takes = f"it takes {', '.join(known)}" if known else "it takes none"
    raise Failed("InputError", f"{_name(fn)} has no parameter {name!r}", f"did you mean {near[0]!r}?" if near else takes)


def _name(fn: Any) -> str:
    return f"{getattr(fn, '__name__', type(fn).__name__)}()"
