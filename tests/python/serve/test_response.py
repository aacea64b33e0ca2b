"""Asking a service, and what comes back."""

from __future__ import annotations

import pickle
import socket
from typing import Any

import pytest

from runwright.exceptions import BackendError, InvalidError, ResponseError
from runwright.response import Response, request

_CODE = """
import time
def f(context, event):
    if event.path == "/slow":
        time.sleep(5)
    if event.path == "/refuse":
        return 422, {"error": "ValidationError", "message": "x is 1, and should be 2"}
    if event.path == "/page":
        return context.Response(status_code=404, body="<h1>" + "lost " * 1000, content_type="text/html; charset=latin-1")
    if event.path == "/latin":
        return context.Response(body="caf\\u00e9".encode("latin-1"), content_type="text/plain; charset=latin-1")
    return {"method": event.method, "url": event.url, "type": event.content_type, "body": (event.raw).decode(), "mine": event.headers.get("x-mine")}
"""


def test_a_request_says_what_it_is_told_to(serve: Any) -> None:
    service = serve(_CODE)
    url = service.url
    assert request(url).json() == {"method": "GET", "url": "/", "type": "text/plain", "body": "", "mine": None}
    sent = request(f"{url}/a?b=1", json=[1, "é"], params={"c": [2, 3]}, headers={"X-Mine": "y"}).json()
    assert sent == {"method": "POST", "url": "/a?b=1&c=2&c=3", "type": "application/json", "body": '[1,"é"]', "mine": "y"}
    assert request(url, method="put", data="text").json()["body"] == "text"
    answer = request(f"{url}/latin")
    assert (answer.text, answer.encoding, answer.headers["CONTENT-TYPE"]) == ("café", "latin-1", "text/plain; charset=latin-1")
    assert dict(answer.headers)["content-type"] == "text/plain; charset=latin-1"
    assert answer.raise_for_status() is answer
    assert bool(answer)
    assert answer.seconds > 0


def test_what_went_wrong_is_said_with_what_the_service_said(serve: Any) -> None:
    service = serve(_CODE)
    refused = request(f"{service.url}/refuse", json={})
    assert (refused.ok, bool(refused), refused.reason) == (False, False, "Unprocessable Entity")
    with pytest.raises(ResponseError, match="answered 422 Unprocessable .*ValidationError: x is 1, and should be 2") as caught:
        refused.raise_for_status()
    assert (caught.value.response, caught.value.status_code) == (refused, 422)
    page = request(f"{service.url}/page")
    with pytest.raises(ResponseError, match="404 Not Found: <h1>lost lost") as caught:
        page.raise_for_status()
    assert len(str(caught.value)) < 1000
    with pytest.raises(ResponseError, match="not JSON .text/html"):
        page.json()
    assert pickle.loads(pickle.dumps(caught.value)).response.status_code == 404


def test_no_answer_is_an_error_with_a_cure(serve: Any) -> None:
    service = serve(_CODE)
    with pytest.raises(BackendError, match="give it more time"):
        request(f"{service.url}/slow", timeout=0.2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(BackendError, match="nothing listens there") as caught:
            request(f"http://user:password@127.0.0.1:{free.getsockname()[1]}")
    assert "password" not in str(caught.value)
    with pytest.raises(InvalidError) as refused:
        request("ftp://user:password@host")
    assert "password" not in f"{refused.value} {refused.value.value}"
    for arguments, words in [
        ({"url": "ftp://x"}, "not a URL of http"),
        ({"url": "127.0.0.1:80"}, "not a URL of http"),
        ({"url": service.url, "json": 1, "data": "x"}, "one body"),
        ({"url": service.url, "json": {"a": object()}}, r"at \['a'\] there is a value of type object"),
    ]:
        with pytest.raises(InvalidError, match=words):
            request(**arguments)


def test_it_shows_what_matters() -> None:
    answer = Response(200, {"Content-Type": "application/json"}, b'{"a": 1}', seconds=0.0123)
    assert repr(answer) == '<Response 200 OK, application/json, 8 bytes, 12.3 ms>\n{"a": 1}'
    assert "&lt;b&gt;" in Response(200, {"Content-Type": "text/html"}, b"<b>")._repr_html_()
    assert repr(Response(500, [("content-type", "image/png")], b"\x00" * 10)) == "<Response 500 Internal Server Error, image/png, 10 bytes>"
    twice = Response(200, [("Set-Cookie", "a"), ("set-cookie", "b")]).headers
    assert (twice["SET-COOKIE"], len(twice), list(twice), "set-cookie" in twice) == ("a, b", 1, ["Set-Cookie"], True)
    assert Response(200, {}, b"\xff").text == "�"
    assert Response(799).reason == ""
