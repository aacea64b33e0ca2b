"""The plain form: a JSON object, a query or a form becomes typed parameters, and what is returned becomes JSON."""

from __future__ import annotations

from typing import Any

from runwright.response import request

_CODE = '''
from typing import *

def f(x: int, y: float = 2.0, *, loud: bool = False, names: Optional[List[str]] = None, run=None):
    """Multiply.

    At length."""
    return {"z": x * y, "type": type(y).__name__, "loud": loud, "names": names}

def echo(value):
    return value

def nothing():
    return None

def give():
    return eval(EXPRESSION)

def open_(a: int = 1, **more):
    return {"a": a, **more}

def positional(a: int, /, b: int, *rest: int):
    return [a, b, *rest]

def injected(x: int, context, run, project):
    return [x, context.worker, run, project]
'''


def _code(expression: str = "None") -> str:
    return f"EXPRESSION = {expression!r}\n{_CODE}"


def test_a_json_object_becomes_typed_parameters(serve: Any) -> None:
    service = serve(_code())
    answer = service.call(x=3)
    assert (answer.status_code, answer.json()) == (200, {"z": 6.0, "type": "float", "loud": False, "names": None})
    assert answer.content_type == "application/json"
    # A whole number is a float, too, and arrives as one.
    assert service.call(x=3, y=4, names=["a"], loud=True).json() == {"z": 12.0, "type": "float", "loud": True, "names": ["a"]}
    # An optional one may be null; /f is the function, too.
    assert service.ask("/f", json={"x": 1, "names": None}).json()["names"] is None
    assert service.stop() == 0


def test_queries_and_forms_are_read_as_the_types_say(serve: Any) -> None:
    service = serve(_code())
    assert service.ask("/?x=3&y=1.5&loud=true&names=a&names=b").json() == {"z": 4.5, "type": "float", "loud": True, "names": ["a", "b"]}
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert service.ask(data="x=3&names=a", headers=form).json()["names"] == ["a"]
    # What `curl -d` sends without a word about its type.
    assert service.ask(data='{"x": 3}', headers=form).json()["z"] == 6.0
    boundary = "xyz"
    part = f'--{boundary}\r\nContent-Disposition: form-data; name="x"\r\n\r\n7\r\n--{boundary}--\r\n'
    assert service.ask(data=part, headers={"content-type": f"multipart/form-data; boundary={boundary}"}).json()["z"] == 14.0
    refused = service.ask("/?x=3&x=4")
    assert refused.status_code == 422
    assert refused.json()["fields"][0]["expected"] == "int, once"


def test_what_does_not_fit_is_422_and_names_field_given_and_right(serve: Any) -> None:
    service = serve(_code())
    for given, field, shown, right in [
        ({"x": "3"}, "x", '"3"', "int"),
        ({"x": True}, "x", "true", "int"),
        ({"x": 1.5}, "x", "1.5", "int"),
        ({"x": None}, "x", "null", "int"),
        ({"x": 1, "y": "2"}, "y", '"2"', "float"),
        ({"x": 1, "loud": 1}, "loud", "1", "bool"),
        ({"x": 1, "names": ["a", 2]}, "names[1]", "2", "str"),
        ({"x": 1, "names": "a"}, "names", '"a"', "list[str] | null"),
        ({}, "x", "nothing", "int"),
        ({"x": 1, "loude": True}, "loude", "true", "did you mean 'loud'?"),
        ({"x": "a" * 1000}, "x", '"aaaa', "int"),
    ]:
        answer = service.call(**given)
        assert answer.status_code == 422, answer
        body = answer.json()
        assert body["error"] == "ValidationError"
        (problem,) = body["fields"]
        assert problem["field"] == field, problem
        assert problem["given"].startswith(shown), problem
        assert problem["expected"].startswith(right), problem
        assert field.partition("[")[0] in body["message"]
        assert len(answer.content) < 1000
    several = service.call(y="a", z=1).json()
    assert {problem["field"] for problem in several["fields"]} == {"x", "y", "z"}
    for body in ("[1]", "3", "null", '"x"'):
        answer = service.ask(data=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["fields"][0]["expected"]) == (422, "a JSON object")
    for body in ("{", '{"x": 1}}', "\x00", "[" * 100_000):
        answer = service.ask(data=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["error"]) == (400, "BadRequest")


def test_bytes_are_sent_as_they_are(serve: Any) -> None:
    answer = serve(_code("b'\\x00\\xff'"), handler="functions:give").ask(method="POST")
    assert (answer.content, answer.content_type) == (b"\x00\xff", "application/octet-stream")


def test_what_cannot_be_sent_is_500_and_names_the_type(serve: Any) -> None:
    service = serve(_code("{'a': [1, {'b': f}]}"), handler="functions:give")
    answer = service.ask(method="POST")
    assert answer.status_code == 500
    message = "give() returned what cannot be sent: at ['a'][1]['b'] there is a value of type function, which is not JSON"
    assert answer.json() == {"error": "Unserialisable", "message": message}
    # And it goes on answering.
    assert service.ask("/healthz").status_code == 200


def test_a_service_says_what_it_is(serve: Any) -> None:
    service = serve(_code())
    told = service.ask("/").json()
    assert (told["service"], told["description"]) == ("f", "Multiply.")
    assert [parameter["name"] for parameter in told["parameters"]] == ["x", "y", "loud", "names", "run"]
    assert told["parameters"][1] == {"name": "y", "type": "float", "required": False, "default": 2.0}
    schema = service.ask("/openapi.json").json()
    body = schema["paths"]["/"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["x"]
    assert body["properties"]["names"] == {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}], "default": None}
    head = service.ask("/", method="HEAD")
    assert (head.status_code, head.content) == (200, b"")


def test_other_paths_and_methods_are_refused(serve: Any) -> None:
    service = serve(_code())
    assert service.ask("/favicon.ico").status_code == 404
    assert service.ask("/else", json={"x": 1}).status_code == 404
    answer = service.ask(method="DELETE")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST")


def test_no_parameters_open_ones_and_positional_ones(serve: Any) -> None:
    assert serve(_code(), handler="functions:nothing").ask(method="POST").json() is None
    assert serve(_code(), handler="functions:open_").call(a=2, b=[3]).json() == {"a": 2, "b": [3]}
    positional = serve(_code(), handler="functions:positional")
    assert positional.call(a=1, b=2, rest=[3, 4]).json() == [1, 2, 3, 4]
    assert positional.call(b=2).json()["fields"][0]["field"] == "a"
    injected = serve(_code(), handler="functions:injected")
    assert injected.call(x=1).json() == [1, 0, None, None]
    assert [parameter["name"] for parameter in injected.ask("/").json()["parameters"]] == ["x"]


def test_texts_without_an_annotation_are_read_as_json_where_they_are(serve: Any) -> None:
    service = serve(_code(), handler="functions:echo")
    for text, value in [("3", 3), ("true", True), ("abc", "abc"), ("007", "007"), ("[1]", [1]), ("", "")]:
        assert service.ask("/", params={"value": text}).json() == value
    assert service.ask("/?value=1&value=a").json() == [1, "a"]


def test_arrays_and_tables_are_sent_as_json(serve: Any) -> None:
    import numpy
    import pandas

    service = serve(_code(), handler="functions:echo")
    assert request(service.url, json={"value": numpy.arange(3)}).json() == [0, 1, 2]
    assert request(service.url, json={"value": pandas.DataFrame({"a": [1]})}).json() == [{"a": 1}]
