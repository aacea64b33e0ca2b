"""A small Python function that answers by HTTP: as a service of ours, by bare uvicorn, by BentoML, by MLServer."""

from __future__ import annotations

import functools
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from .. import environments
from ..bench import Bench
from ..measure import PEERS, Failed, Spread, environment, interleave, ratios

NOTES = [
    "Served: `double(x: float) -> float`, one worker process each, JSON in and out, 32 connections kept open by one load generator of the standard library "
    "(`programs/load.py`), in turns of a second. Bare uvicorn: the least ASGI application around the function, which it calls in its event loop, with httptools "
    "and uvloop; no validation, no limits, no metrics, no log. Runwright validates and counts; its line a request in the log, there by default, is off but where it "
    "is said. It calls a plain function in a thread, and one that is `async` in the event loop. MLServer: a "
    "runtime of its own, asked by the V2 inference protocol (`parallel_workers` 0, no metrics). First answer: from `run()` or the start of the process to "
    "the first right answer.",
]
CONNECTIONS = 32
SENT = {"x": 1.5}
INFERENCE = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1.5]}]}
TITLES = {
    "ours": "Runwright, plain function",
    "async": "Runwright, async function",
    "logging": "Runwright, each request logged",
    "uvicorn": "bare uvicorn",
    "bentoml": "BentoML",
    "mlserver": "MLServer",
}


def measure(bench: Bench) -> None:
    """Add the lines."""
    with ExitStack() as stack:
        service = stack.enter_context(bench.worker("service"))
        stack.callback(service.ask, "stop")
        servers, firsts = {}, {}
        for name, verb in (("ours", "start"), ("async", "start_async"), ("logging", "start_logging")):
            told = service.ask(verb)
            servers[name], firsts[name] = {"port": told["port"], "path": "/", "body": SENT}, told["seconds"]
        if bench.peers:
            for name in ("uvicorn", "bentoml", "mlserver"):
                try:
                    servers[name], firsts[name] = stack.enter_context(_peer(bench, name))
                except Failed as error:
                    bench.add(f"served: {TITLES[name]}", "", f"could not be measured: {' '.join(str(error).split())}", met=False)
        _rates(bench, stack, servers)
        for name, seconds in firsts.items():
            bench.add(f"served: start → first answer, {TITLES[name]}", "", f"**{seconds * 1e3:,.0f} ms**")


def _rates(bench: Bench, stack: ExitStack, servers: Mapping[str, Any]) -> None:
    seconds = "0.2" if bench.quick else "1"
    load = stack.enter_context(bench.worker("load", None, json.dumps(servers), seconds, str(CONNECTIONS)))
    latencies: dict[str, list[dict[str, float]]] = {name: [] for name in servers}

    def once(name: str) -> float:
        told = load.ask(name)
        latencies[name].append(told)
        return float(told["rate"])

    subjects: dict[str, Callable[[], float]] = {name: functools.partial(once, name) for name in servers}
    rates = interleave(subjects, bench.rounds(10, 2))
    name = f"served, {CONNECTIONS} connections"
    for peer in ("uvicorn", "bentoml", "mlserver"):
        if peer in rates:
            for mine in ("ours", "async"):
                bench.add(f"{name}: requests/s of {TITLES[mine]} / of {TITLES[peer]}", "", ratios(rates[mine], rates[peer]).text("x"))
    for server, measured in rates.items():
        p99 = Spread.of([each["p99"] for each in latencies[server][1:]])
        bench.add(f"… {TITLES[server]}", "", f"{Spread.of(measured).text('requests/s')}; p99 {p99.text('ms')}")
    for server in servers:
        alone = Spread.of([load.ask(f"{server}_alone")["p50"] for _ in range(bench.rounds(3, 1))])
        bench.add(f"served, one connection: an answer of {TITLES[server]}", "", alone.text("us"))


@contextmanager
def _peer(bench: Bench, peer: str) -> Iterator[tuple[dict[str, Any], float]]:
    """How to ask it, and the seconds to its first answer."""
    folder, port = bench.fresh(peer), _free_port()
    python = environments.python_of(peer)
    argv, asked = {"uvicorn": _uvicorn, "bentoml": _bentoml, "mlserver": _mlserver}[peer](python, folder, port)
    env = environment(folder, **environments.SETTINGS[peer], PYTHONPATH=str(PEERS), PATH=f"{python.parent}:{os.environ['PATH']}")
    began = time.perf_counter()
    with (folder / "said").open("wb") as said:
        # A group of its own: some have processes below them.
        process = subprocess.Popen(argv, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True)
    try:
        _wait_for_answer(process, asked, folder / "said")
        yield asked, time.perf_counter() - began
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _uvicorn(python: Path, _folder: Path, port: int) -> tuple[list[str], dict[str, Any]]:
    argv = [str(python), "-m", "uvicorn", "uvicorn_app:app", "--port", str(port), "--log-level", "warning", "--no-access-log"]
    return argv, {"port": port, "path": "/", "body": SENT}


def _bentoml(python: Path, _folder: Path, port: int) -> tuple[list[str], dict[str, Any]]:
    argv = [
        str(python),
        "-m",
        "bentoml",
        "serve",
        "bentoml_app:Double",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--working-dir",
        str(PEERS),
    ]
    return argv, {"port": port, "path": "/double", "body": SENT}


def _mlserver(python: Path, folder: Path, port: int) -> tuple[list[str], dict[str, Any]]:
    settings = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": _free_port(),
        "metrics_endpoint": None,
        "parallel_workers": 0,
        "debug": False,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps({"name": "double", "implementation": "mlserver_app.Double"}))
    return [str(python.parent / "mlserver"), "start", str(folder)], {"port": port, "path": "/v2/models/double/infer", "body": INFERENCE}


def _wait_for_answer(process: subprocess.Popen[bytes], asked: Mapping[str, Any], said: Path) -> None:
    url = f"http://127.0.0.1:{asked['port']}{asked['path']}"
    request = urllib.request.Request(url, json.dumps(asked["body"]).encode(), {"content-type": "application/json"})
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as answer:
                if b"3.0" in answer.read():
                    return
        except OSError:
            time.sleep(0.01)
    raise Failed(f"{Path(str(process.args[0])).name} does not answer: {said.read_text(errors='replace').strip()[-500:]}")  # type: ignore[index]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
