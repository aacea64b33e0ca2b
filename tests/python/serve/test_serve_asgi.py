"""Applications of the user's own, as they are, under the service's health checks, limits and stop."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

from serve_lab import until

_FASTAPI = """
import asyncio, os
from contextlib import asynccontextmanager
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

class Item(BaseModel):
    x: int

@asynccontextmanager
async def lifespan(app):
    app.state.factor = 3
    print("lifespan began", flush=True)
    yield
    print("lifespan ended", flush=True)

app = FastAPI(lifespan=lifespan)

@app.post("/predict")
def predict(item: Item):
    return {"y": item.x * app.state.factor}

@app.get("/fail")
async def fail():
    raise ValueError("it failed")

@app.post("/size")
async def size(request: Request):
    return len(await request.body())

@app.get("/slow")
async def slow(gate: str):
    while not os.path.exists(gate):
        await asyncio.sleep(0.01)
    return "done"

@app.get("/stream")
async def stream():
    async def pieces():
        for number in range(3):
            yield f"{number}\\n"
            await asyncio.sleep(0.05)
    return StreamingResponse(pieces(), media_type="text/plain")

@app.get("/metrics")
def metrics():
    return "my own"
"""
_BARE = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})

def wsgi(environ, start_response): ...

class Broken:
    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no database"})
            raise ConnectionError("no database")
broken = Broken()
"""


def test_fastapi_is_served_as_it_is(serve: Any) -> None:
    service = serve(_FASTAPI, handler="functions:app")
    assert service.ask("/predict", json={"x": 5}).json() == {"y": 15}
    refused = service.ask("/predict", json={"x": "a"})
    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "x"])
    assert service.ask("/openapi.json").json()["info"]["title"] == "FastAPI"
    assert service.ask("/stream").text == "0\n1\n2\n"
    assert service.ask("/fail").status_code == 500
    assert service.logged("ValueError: it failed")
    assert service.ask("/nothing").status_code == 404
    assert service.ask("/readyz").json() == {"status": "ready"}
    assert service.metric("http_requests_total") == 6
    assert service.stop() == 0
    assert "lifespan began" in service.log
    assert "lifespan ended" in service.log


def test_its_own_metrics_may_take_the_path(serve: Any) -> None:
    assert serve(_FASTAPI, handler="functions:app", metrics=False).ask("/metrics").json() == "my own"


def test_limits_hold_around_an_application(serve: Any, tmp_path: Path) -> None:
    service = serve(_FASTAPI, handler="functions:app", max_body=1000, timeout=2.0)
    assert service.ask("/size", data=b"x" * 1000).json() == 1000
    assert service.ask("/size", data=b"x" * 1001).status_code == 413
    # A length that is not told beforehand is counted as it comes.
    connection = http.client.HTTPConnection("127.0.0.1", service.port)
    connection.request("POST", "/size", iter([b"x" * 600, b"x" * 600]), encode_chunked=True, headers={"transfer-encoding": "chunked"})
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["error"]) == (413, "BodyTooLarge")
    late = service.ask("/slow?gate=/never")
    assert (late.status_code, late.json()["error"]) == (504, "Timeout")
    gate = tmp_path / "gate"
    one = serve(_FASTAPI, handler="functions:app", concurrency=1, queue=1)
    asked = one.together(3, f"/slow?gate={gate}")
    until(lambda: one.metric("http_requests_total") == 1 and one.metric("service_requests_waiting") == 1)
    gate.touch()
    assert sorted(answer.status_code for answer in asked.answers()) == [200, 200, 503]
    assert one.ask("/predict", json={"x": 1}).status_code == 200


def test_a_request_in_flight_ends_before_the_application_does(serve: Any, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    service = serve(_FASTAPI, handler="functions:app")
    asked = service.together(1, f"/slow?gate={gate}")
    until(lambda: service.metric("http_requests_in_progress") == 1)
    service.term()
    assert service.event("unready")
    gate.touch()
    assert [(answer.status_code, answer.json()) for answer in asked.answers()] == [(200, "done")]
    assert service.ended() == 0
    assert service.log.index("/slow 200") < service.log.index("lifespan ended")


def test_a_bare_application_and_what_is_none(serve: Any) -> None:
    assert serve(_BARE, handler="functions:app").ask("/a/b").text == "/a/b"
    failed = serve(_BARE, handler="functions:wsgi").failed()
    assert (failed["cause"], "WSGI" in failed["message"], "a2wsgi" in failed["cure"]) == ("ImportFailed", True, True)


def test_an_application_that_does_not_start_says_why(serve: Any) -> None:
    service = serve(_BARE, handler="functions:broken")
    failed = service.failed()
    assert (failed["cause"], failed["type"], failed["message"]) == ("UserError", "ConnectionError", "no database")
    assert service.ended() == 1
