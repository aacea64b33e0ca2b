"""What a service of the plain form says of itself: a few lines, and an OpenAPI schema."""

from __future__ import annotations

import inspect

from .jsonable import Unserialisable, dump

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _told(form: Any) -> str:
    return (inspect.getdoc(form.fn) or "").partition("\n\n")[0].replace("\n", " ")


def _default(parameter: Any) -> dict[str, Any]:
    """`{"default": …}` where the parameter has one that JSON can say."""
    import json

    if parameter.required:
        return {}
    try:
        return {"default": json.loads(dump(parameter.default))}
    except (Unserialisable, ValueError):
        return {}


def description(form: Any) -> dict[str, Any]:
    """What it is and how to call it, for a person with `curl`."""
    parameters = [
        {"name": parameter.name, "type": parameter.reader.expected, "required": parameter.required, **_default(parameter)}
        for parameter in form.parameters
    ]
    return {
        "service": form.name,
        "description": _told(form),
        "call": "POST / with a JSON object of the parameters, or GET /?name=value",
        "parameters": parameters,
        "schema": "/openapi.json",
    }


def openapi(form: Any) -> dict[str, Any]:
    """The service as an OpenAPI 3.1 document."""
    properties = {parameter.name: {**parameter.reader.schema, **_default(parameter)} for parameter in form.parameters}
    body: dict[str, Any] = {"type": "object", "properties": properties, "required": [one.name for one in form.parameters if one.required]}
    if not form.is_open:
        body["additionalProperties"] = False
    operation = {
        "operationId": form.name,
        "summary": _told(form) or form.name,
        "requestBody": {"required": bool(body["required"]), "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": {"description": "What the function returned.", "content": {"application/json": {"schema": {}}}},
            "422": {
                "description": "The parameters are not what the function takes.",
                "content": {"application/json": {"schema": _PROBLEM}},
            },
            "503": {"description": "Too many calls at once; try again."},
        },
    }
    return {"openapi": "3.1.0", "info": {"title": form.name, "version": "1"}, "paths": {"/": {"post": operation}}}


_TEXT = {"type": "string"}
_FIELD = {"type": "object", "properties": dict.fromkeys(("field", "given", "expected", "message"), _TEXT)}
_PROBLEM = {"type": "object", "properties": {"error": _TEXT, "message": _TEXT, "fields": {"type": "array", "items": _FIELD}}}
