"""The load for servers, the same for all: so many connections kept open, each sends its next request when its answer has come. Stdlib only.

It reads no more of an answer than its status and its length, so that one core of it outruns what it asks.
"""

import asyncio
import functools
import json
import sys
import time

from worker import serve

requests = json.loads(sys.argv[2])
SECONDS = float(sys.argv[3])
CONNECTIONS = int(sys.argv[4])


class Connection(asyncio.Protocol):
    """One connection, for as long as the load lasts."""

    def __init__(self, request, until, latencies, done):
        self.request, self.until, self.latencies, self.done = request, until, latencies, done
        self.seen = b""

    def connection_made(self, transport):
        self.transport = transport
        self.ask()

    def ask(self):
        self.began = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data):
        self.seen += data
        if not is_whole(self.seen):
            return
        now = time.perf_counter()
        if not self.seen.startswith(b"HTTP/1.1 200"):
            self.end(RuntimeError(self.seen[:300].decode(errors="replace")))
            return
        self.latencies.append(now - self.began)
        self.seen = b""
        if now < self.until:
            self.ask()
        else:
            self.end(None)

    def connection_lost(self, _error):
        self.end(RuntimeError("the server closed the connection"))

    def end(self, error):
        if not self.done.done():
            self.done.set_result(error)
            self.transport.close()


def is_whole(seen):
    """Whether an answer has come whole."""
    head, found, body = seen.partition(b"\r\n\r\n")
    if not found:
        return False
    lower = head.lower()
    at = lower.find(b"\r\ncontent-length:")
    if at < 0:
        return body.endswith(b"0\r\n\r\n")
    return len(body) >= int(lower[at + 17 :].split(b"\r\n", 1)[0])


def bytes_of(request):
    """A request as it goes over the line."""
    body = json.dumps(request["body"]).encode()
    head = f"POST {request['path']} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def load(request, connections):
    """Rate and latencies."""
    loop = asyncio.get_running_loop()
    latencies = []
    ends = [loop.create_future() for _ in range(connections)]
    began = time.perf_counter()
    for end in ends:
        made = functools.partial(Connection, bytes_of(request), began + SECONDS, latencies, end)
        await loop.create_connection(made, "127.0.0.1", request["port"])
    for error in await asyncio.gather(*ends):
        if error is not None:
            raise error
    seconds = time.perf_counter() - began
    latencies.sort()
    return {"rate": len(latencies) / seconds, "p50": latencies[len(latencies) // 2], "p99": latencies[int(len(latencies) * 0.99)]}


def verbs():
    """One for each server."""
    for name, request in requests.items():
        yield name, lambda request=request: asyncio.run(load(request, CONNECTIONS))
        yield f"{name}_alone", lambda request=request: asyncio.run(load(request, 1))


serve(**dict(verbs()))
