"""What is given to `run(…)`, told apart: the function's own arguments, and how to run it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .exceptions import InvalidError

if TYPE_CHECKING:
    from .functions import Function

# How to run it.
MODES = {"wait", "inline", "cache", "local_execution", "dry_run"}
# What the engine's request has a field for.
REQUEST = {"action", "on", "resources", "envs", "secrets", "timeout", "retries", "grace", "labels"}
# The task parameters, which say how the place has to execute it. Most can only a cluster heed; they are checked and recorded everywhere, so that a function
# moves to one unchanged.
CLUSTER = {
    "affinity",
    "annotations",
    "autoscale",
    "backoff_limit",
    "fs_group",
    "image",
    "image_pull_policy",
    "image_pull_secrets",
    "node_selector",
    "pending_timeout",
    "pod_template",
    "priority_class",
    "profile",
    "queue",
    "recover",
    "replicas",
    "run_as_group",
    "run_as_user",
    "runtime_class",
    "security_context",
    "service_name",
    "serving",
    "building",
    "service_ports",
    "service_type",
    "start_timeout",
    "tolerations",
    "ttl",
    "volumes",
}
# Words for data, too: a parameter of the function that has one of these names comes first.
YIELDING = {"annotations", "image"}
OPTIONS = MODES | REQUEST | CLUSTER
_BY_NAME = {"parameters", "inputs"}


class Call:
    """One call of `run`: `arguments` (the function's, by name), `inputs` (the platform's form), `options`."""

    __slots__ = ("arguments", "inputs", "options")

    def __init__(self, arguments: dict[str, Any], inputs: dict[str, Any], options: dict[str, Any]) -> None:
        self.arguments = arguments
        self.inputs = inputs
        self.options = options


def split(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
    """Tell arguments and options apart.

    Raises:
        InvalidError: a name that is both, an argument given twice, too many by place.
    """
    names = parameter_names(function)
    options = dict(function.options)
    arguments: dict[str, Any] = dict(zip(_places(function, args), args, strict=False))
    for name, value in kwargs.items():
        if name in _BY_NAME and name not in names:
            continue
        if name in OPTIONS and not (name in YIELDING and name in names):
            if name in names:
                raise InvalidError(
                    f"{function.name}: {name}= is a parameter of the function and an option of run()",
                    field=name,
                    value=value,
                    cure=f"give the function's own as parameters={{{name!r}: …}}, and name the parameter otherwise to use the option",
                )
            options[name] = value
        else:
            _put(function, arguments, name, value)
    given = {} if "parameters" in names else _mapping("parameters", kwargs.get("parameters"))
    for name, value in given.items():
        _put(function, arguments, name, value)
    inputs = {} if "inputs" in names else _mapping("inputs", kwargs.get("inputs"))
    return Call(arguments, inputs, options)


def parameter_names(function: Function) -> list[str]:
    """The names of the function's parameters; empty where they are not known."""
    return [parameter["name"] for parameter in function.record["spec"].get("signature") or []]


def check_options(options: dict[str, Any]) -> None:
    """Options given where a function is defined.

    Raises:
        InvalidError: an unknown one.
    """
    for name, value in options.items():
        if name not in OPTIONS:
            import difflib

            close = difflib.get_close_matches(name, OPTIONS, 1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise InvalidError(
                f"there is no option {name!r}{hint}", field=name, value=value, cure=f"options are: {', '.join(sorted(OPTIONS))}"
            )


def check_names(field: str, value: Any, meaning: str) -> None:
    """A list of text that names something: none twice.

    Raises:
        InvalidError: it is none.
    """
    if value is None:
        return
    if isinstance(value, str):
        raise InvalidError(f"{field}={value!r} is text", field=field, value=value, cure=f"give a list: [{value!r}]")
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value) or len(set(value)) < len(value):
        raise InvalidError(f"{field}={value!r} is not {meaning}", field=field, value=value, cure=f"give {meaning}")


def _places(function: Function, args: tuple[Any, ...]) -> list[str]:
    if not args:
        return []
    signature = function.record["spec"].get("signature") or []
    places = [one["name"] for one in signature if one["kind"] in ("positional_only", "positional_or_keyword") and not one.get("inject")]
    if len(args) > len(places):
        rest = next((one["name"] for one in signature if one["kind"] == "var_positional"), None)
        raise InvalidError(
            f"{function.name} takes {len(places)} argument{'' if len(places) == 1 else 's'} by place, {len(args)} were given",
            field="arguments",
            value=len(args),
            cure=f"make *{rest} a parameter that takes a list: what is tracked has a name"
            if rest
            else f"it takes {', '.join(places) or 'none'}",
        )
    return places


def _put(function: Function, arguments: dict[str, Any], name: str, value: Any) -> None:
    if name in arguments:
        raise InvalidError(f"{function.name}: {name!r} is given twice", field=name, value=value, cure="give it once")
    arguments[name] = value


def _mapping(field: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise InvalidError(f"{field}={value!r} is not a dict of names", field=field, value=value, cure=f"give {field}={{'name': value}}")
    return value
