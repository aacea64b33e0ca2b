"""A function served by `run(action="serve")`, of which one worker process answers: sync, or async."""

import json
import time
import urllib.error
import urllib.request

from worker import serve

import runwright as rw

services = {}


@rw.function
def double(x: float) -> float:
    """Twice as much."""
    return 2 * x


@rw.function
async def double_async(x: float) -> float:
    """Twice as much, in the event loop."""
    return 2 * x


def start(name, function, log=False):
    """The port, and the seconds from `run()` to the first answer. `log`: a line a request, as by default."""
    began = time.perf_counter()
    run = function.run(action="serve", serving={"port": 0, "workers": 1, "log_requests": log}).wait(60)
    request = urllib.request.Request(str(run.url), json.dumps({"x": 1.5}).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer) == 3.0
    services[name] = run
    return {"port": int(str(run.url).rsplit(":", 1)[1]), "seconds": time.perf_counter() - began}


def stop():
    """End all."""
    for run in services.values():
        run.stop()


serve(
    start=lambda: start("plain", double),
    start_async=lambda: start("async", double_async),
    start_logging=lambda: start("logging", double, log=True),
    stop=stop,
)
