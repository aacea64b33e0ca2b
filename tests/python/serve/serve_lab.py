"""Real services in processes of their own, by the runner's files as they travel."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable
from typing import Any

from runwright.execute import bundle
from runwright.response import Response, request

_PROGRAM = """
import json, logging, sys
runner, code, handler, settings, secrets = sys.argv[1:]
package = type(sys)("_runwright")
package.__path__ = [runner]
sys.modules["_runwright"] = package
from _runwright.execute import failure, load, serve
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
def say(event):
    print(json.dumps(event), flush=True)
try:
    code = serve.serve_from(lambda: load.load_handler(code, handler), json.loads(settings), say, secrets=json.loads(secrets))
except failure.Failed as error:
    say({"type": "failed", "error": failure.describe(error)})
    code = 1
sys.exit(code)
"""
_runner = ""


def runner() -> str:
    """The folder with the runner's files, laid out once."""
    global _runner
    if not _runner:
        folder = tempfile.mkdtemp(prefix="runwright-serve-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        _runner = os.path.dirname(bundle.write(folder))
    return _runner


class Service:
    """A service that a test started."""

    def __init__(self, folder: str, code: str, handler: str = "functions:f", python: str | None = None, **settings: Any) -> None:
        secrets = settings.pop("secrets", [])
        env, options = settings.pop("env", {}), settings.pop("options", [])
        source = tempfile.mkdtemp(dir=folder)
        with open(f"{source}/functions.py", "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(code))
        self.events: list[dict[str, Any]] = []
        self._log: list[str] = []
        self.settings = {"port": 0, "grace": 10, **settings}
        command = [
            python or sys.executable,
            "-I",
            *options,
            "-c",
            _PROGRAM,
            runner(),
            source,
            handler,
            json.dumps(self.settings),
            json.dumps(secrets),
        ]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True, env={**os.environ, **env})
        self._readers = [threading.Thread(target=self._read, args=(stream,), daemon=True) for stream in ("stdout", "stderr")]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: str) -> None:
        for line in getattr(self.process, stream):
            if stream == "stdout" and line.startswith('{"type"'):
                self.events.append(json.loads(line))
            else:
                self._log.append(line.rstrip("\n"))

    @property
    def log(self) -> str:
        return "\n".join(self._log)

    def logged(self, words: str) -> bool:
        """Whether it logs that, sooner or later."""
        return until(lambda: words in self.log, what=f"{words!r} in {self.log!r}")

    def event(self, kind: str, place: int = 0) -> dict[str, Any]:
        """The event of that kind, once it is there."""

        def found() -> Any:
            events = [event for event in self.events if event["type"] == kind]
            if len(events) > place:
                return events[place]
            assert self.process.poll() is None or any(reader.is_alive() for reader in self._readers), f"it ended: {self.events} {self.log}"
            return None

        return until(found, what=f"an event {kind!r}")

    def failed(self) -> dict[str, Any]:
        """The error that it ended with."""
        return self.event("failed")["error"]

    @property
    def url(self) -> str:
        return self.event("ready")["url"]

    @property
    def port(self) -> int:
        return self.event("ready")["port"]

    def ask(self, path: str = "/", **more: Any) -> Response:
        return request(self.url + path, **more)

    def call(self, **parameters: Any) -> Response:
        return self.ask(json=parameters)

    def together(self, count: int, path: str = "/", **more: Any) -> Together:
        """Ask the same so many times at once, each in a thread."""
        return Together(self, count, path, more)

    def metric(self, name: str) -> float:
        """The sum of a metric's lines; 0 where nothing is counted yet."""
        lines = self.ask("/metrics").text.splitlines()
        assert any(line.startswith("# TYPE ") and name.startswith(line.split()[2]) for line in lines), name
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    def workers(self) -> list[int]:
        """The ids of the worker processes, once they are there."""
        self.event("ready")
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]

    def term(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def ended(self, timeout: float = 60.0) -> int:
        """Its exit code, once it has ended and all it said is read."""
        code = self.process.wait(timeout)
        for reader in self._readers:
            reader.join(10.0)
        return code

    def stop(self) -> int:
        self.term()
        return self.ended()

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            stream.close()


class Together:
    """Requests that are under way."""

    def __init__(self, service: Service, count: int, path: str, more: dict[str, Any]) -> None:
        self._answers: list[Response] = []
        self._threads = [threading.Thread(target=lambda: self._answers.append(service.ask(path, **more))) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def answers(self) -> list[Response]:
        """All answers, once they are there."""
        for thread in self._threads:
            thread.join()
        return self._answers


def until(condition: Callable[[], Any], timeout: float = 60.0, what: str = "it") -> Any:
    """Wait for a condition; its value."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come about in time")


def exists(pid: int) -> bool:
    """Whether a process is there and not a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False
