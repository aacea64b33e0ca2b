"""The platform's form: `init(context, …)` once in each worker, then `handler(context, event)`."""

from __future__ import annotations

import http.client
from typing import Any

_CODE = """
import json

def init(context, factor=1, **more):
    context.factor = factor
    context.more = more
    context.logger.info("initialised %d", context.worker)

def f(context, event):
    if event.path == "/status":
        return 201, {"made": True}
    if event.path == "/text":
        return "plain words"
    if event.path == "/bytes":
        return b"\\x00"
    if event.path == "/empty":
        return 204, {"dropped": True}
    if event.path == "/none":
        return None
    if event.path == "/pair":
        return (1, 2)
    if event.path == "/response":
        return context.Response(body="<b>hi</b>", content_type="text/html", headers={"X-Made-By": "f"}, status_code=202)
    if event.path == "/foreign":
        class Foreign:
            status, body, headers = 418, {"a": 1}, [("x-a", "1")]
        return Foreign()
    if event.path == "/bad":
        return context.Response(body="x", status_code="many")
    if event.path == "/split":
        return context.Response(body="x", headers={"X-A": "1\\r\\nX-B: 2"})
    body = event.body.decode() if isinstance(event.body, bytes) else event.body
    return {
        "body": body, "factor": context.factor, "method": event.method, "path": event.path, "fields": {
            name: value.decode() if isinstance(value, bytes) else value for name, value in event.fields.items()
        }, "content_type": event.content_type, "agent": event.headers["USER-AGENT"], "has": "x-none" in event.headers,
        "url": event.url, "size": event.size, "id": event.id, "year": event.timestamp.year, "trigger": event.trigger["kind"],
    }

def only_event(event, scale=2):
    return event.json()["x"] * scale

def other_names(ctx, ev):
    return [type(ctx).__name__, ev.method]

def prepare(context):
    context.ready = "by name"

def prepared(context, event):
    return context.ready

async def init_async(context):
    import asyncio
    context.lock = asyncio.Lock()
    context.loop = asyncio.get_running_loop()

async def f_async(context, event):
    import asyncio
    async with context.lock:
        await asyncio.sleep(0)
        return asyncio.get_running_loop() is context.loop
"""


def test_an_event_is_the_whole_request(serve: Any) -> None:
    service = serve(_CODE, init_parameters={"factor": 7, "else": 1})
    told = service.ask("/some%20where?a=1&b=2&b=3", json={"x": 1}, headers={"user-agent": "test", "x-request-id": "r-1"}).json()
    year = told.pop("year")
    assert year > 2000
    assert told == {
        "body": {"x": 1},
        "factor": 7,
        "method": "POST",
        "path": "/some where",
        "fields": {"a": "1", "b": ["2", "3"]},
        "content_type": "application/json",
        "agent": "test",
        "has": False,
        "url": "/some where?a=1&b=2&b=3",
        "size": 7,
        "id": "r-1",
        "trigger": "http",
    }
    assert service.logged("INFO f initialised 0")


def test_bodies_are_bytes_unless_they_say_json(serve: Any) -> None:
    service = serve(_CODE)
    agent = {"user-agent": "t"}
    assert service.ask(data="words", headers=agent).json()["body"] == "words"
    form = service.ask(data="a=1&c=x", headers={**agent, "content-type": "application/x-www-form-urlencoded"}).json()
    assert (form["body"], form["fields"]) == ("a=1&c=x", {"a": "1", "c": "x"})
    part = '--B\r\nContent-Disposition: form-data; name="up"; filename="a.bin"\r\n\r\nbytes\r\n--B--\r\n'
    upload = service.ask(data=part, headers={**agent, "content-type": "multipart/form-data; boundary=B"}).json()
    assert upload["fields"] == {"up": "bytes"}
    refused = service.ask(data="{", headers={**agent, "content-type": "application/json"})
    assert (refused.status_code, refused.json()["error"]) == (400, "BadRequest")
    # Every method and path is the handler's; only those of the probes are not.
    assert service.ask("/any/path", method="DELETE", headers=agent).json()["method"] == "DELETE"
    assert service.ask("/healthz").json() == {"status": "alive"}


def test_what_a_handler_returns_is_the_answer(serve: Any) -> None:
    service = serve(_CODE)
    for path, status, kind, content in [
        ("/status", 201, "application/json", b'{"made":true}'),
        ("/text", 200, "text/plain", b"plain words"),
        ("/bytes", 200, "application/octet-stream", b"\x00"),
        ("/none", 200, "", b""),
        ("/pair", 200, "application/json", b"[1,2]"),
        ("/response", 202, "text/html", b"<b>hi</b>"),
        ("/foreign", 418, "application/json", b'{"a":1}'),
    ]:
        answer = service.ask(path)
        assert (answer.status_code, answer.content_type, answer.content) == (status, kind, content), path
    assert service.ask("/response").headers["x-made-by"] == "f"
    assert service.ask("/foreign").headers["x-a"] == "1"
    assert "a number from 200 to 599" in service.ask("/bad").json()["message"]
    # What has no body leaves the connection usable for the next.
    connection = http.client.HTTPConnection("127.0.0.1", service.port)
    for path, status, content in [("/empty", 204, b""), ("/text", 200, b"plain words")]:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (status, content)
    # A header cannot bring another one with it.
    split = service.ask("/split")
    assert split.status_code == 500
    assert "x-b" not in split.headers


def test_names_decide_what_a_handler_gets(serve: Any) -> None:
    assert serve(_CODE, handler="functions:only_event").ask(json={"x": 4}).json() == 8
    assert serve(_CODE, handler="functions:other_names", form="event").ask().json() == ["Context", "GET"]
    assert serve(_CODE, handler="functions:prepared", init="prepare").ask().text == "by name"


def test_async_init_and_handler_share_the_loop(serve: Any) -> None:
    assert serve(_CODE, handler="functions:f_async", init="init_async").ask().json() is True


def test_init_that_is_wrong_is_told_before_anything_is_served(serve: Any) -> None:
    for settings, cause, words in [
        ({"init": "no_such"}, "ImportFailed", "no function 'no_such'"),
        ({"init": "prepare", "init_parameters": {"x": 1}}, "InputError", "unexpected keyword argument 'x'"),
        ({"handler": "functions:no_such"}, "ImportFailed", "has no 'no_such'"),
        ({"form": "other"}, "InputError", "one of plain, event, asgi"),
        ({"wrokers": 2}, "InputError", "no setting 'wrokers'"),
        ({"workers": 0}, "InputError", "a whole number from 1"),
        ({"port": "80"}, "InputError", "port"),
    ]:
        service = serve(_CODE, **settings)
        failed = service.failed()
        assert failed["cause"] == cause, failed
        assert words in f"{failed['message']} {failed['cure']}", failed
        assert service.ended() == 1
    raising = serve("def init(context):\n    raise LookupError('no model')\ndef f(context, event): ...\n")
    failed = raising.failed()
    assert (failed["cause"], failed["type"], failed["message"]) == ("UserError", "LookupError", "no model")
    assert "functions.py" in failed["traceback"]
    assert raising.ended() == 1
