"""The least that serves a function by HTTP: an ASGI application that reads JSON, calls it and writes JSON."""

import json


def double(x: float) -> float:
    """Twice as much."""
    return 2 * x


async def app(scope, receive, send):
    """Answers every request."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    answer = json.dumps(double(**json.loads(body))).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
