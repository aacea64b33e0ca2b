"""Every Python that a pod may have, with the newest server there is for it, and the oldest that is promised to do."""

from __future__ import annotations

import glob
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_PYTHONS = {
    path.split("/versions/")[1].split("/")[0].rpartition(".")[0]: path
    for path in sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python")))
}
_VERSIONS = [version for version in ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14") if version in _PYTHONS]
_FAST = ["httptools>=0.6", "uvloop>=0.17"]
_CASES = [(version, ["uvicorn", *_FAST]) for version in _VERSIONS] + [("3.9", ["uvicorn==0.30.0"]), ("3.13", ["uvicorn"])]

_CODE = '''
from __future__ import annotations
import dataclasses, datetime
from typing import Dict, List, Literal, Optional, Union
from typing import TypedDict

@dataclasses.dataclass
class Item:
    name: str
    price: float = 1.0

class Place(TypedDict):
    x: int

def f(item: Item, place: Place, n: int, at: datetime.datetime, kind: Literal["a", "b"] = "a", more: Optional[List[Dict[str, int]]] = None, context=None):
    """Describe."""
    return [item, place, n, at, kind, more]

async def init(context, k):
    import asyncio
    context.k, context.lock = k, asyncio.Lock()

async def handle(context, event):
    async with context.lock:
        return 201, {"k": context.k, "body": event.body}

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        print("lifespan ended", flush=True)
        return
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"bare"})
'''


@pytest.fixture(scope="module", params=_CASES, ids=lambda case: f"{case[0]}-{'-'.join(case[1])}")
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    version, packages = request.param
    if version not in _PYTHONS:
        pytest.skip(f"there is no Python {version} here")
    folder: Path = tmp_path_factory.mktemp("venv") / "venv"
    for arguments in (
        ["venv", "--python", _PYTHONS[version], str(folder)],
        ["pip", "install", "--python", f"{folder}/bin/python", *packages],
    ):
        subprocess.run([sys.executable, "-m", "uv", *arguments], check=True, capture_output=True)
    return f"{folder}/bin/python"


def test_each_form_is_served(serve: Any, python: str) -> None:
    plain = serve(_CODE, python=python, workers=2, init="init", init_parameters={"k": 1})
    good = {"item": {"name": "a"}, "place": {"x": 1}, "n": 2, "at": "2024-01-02T03:04:05+00:00", "more": [{"a": 1}]}
    answer = plain.call(**good)
    assert answer.json() == [{"name": "a", "price": 1.0}, {"x": 1}, 2, "2024-01-02T03:04:05+00:00", "a", [{"a": 1}]]
    for name, value, right in [
        ("item", {"name": 1}, "str"),
        ("n", "2", "int"),
        ("kind", "c", 'one of "a", "b"'),
        ("place", {"x": "1"}, "int"),
    ]:
        assert plain.call(**{**good, name: value}).json()["fields"][0]["expected"] == right
    assert plain.ask("/").json()["description"] == "Describe."
    assert plain.metric("http_requests_total") == 6
    event = serve(_CODE, python=python, handler="functions:handle", init_parameters={"k": 5})
    made = event.call(a=1)
    assert (made.status_code, made.json()) == (201, {"k": 5, "body": {"a": 1}})
    bare = serve(_CODE, python=python, handler="functions:app")
    assert bare.ask("/x", data=b"x").text == "bare"
    for service in (plain, event, bare):
        assert service.ask("/readyz").status_code == 200
        assert service.stop() == 0
    assert "lifespan ended" in bare.log
    assert "Traceback" not in plain.log + event.log + bare.log


def test_limits_and_a_stop_work_there(serve: Any, python: str) -> None:
    code = "import time\ndef f(seconds: float = 0.0, text: str = ''):\n    time.sleep(seconds)\n    return 1\n"
    service = serve(code, python=python, timeout=1.5, max_body=1000, concurrency=4)
    assert service.ask(data=b"x" * 500_000).status_code == 413
    assert service.call(seconds=5).status_code == 504
    assert service.call(seconds=0.1).status_code == 200
    assert service.stop() == 0
    assert "Traceback" not in service.log
