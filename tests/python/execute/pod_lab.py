"""A pod without a cluster: what the kubelet would mount, as folders, and the two containers as processes."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import textwrap
import zipfile
import zlib
from pathlib import Path
from typing import Any

from execute_lab import PYTHON

from runwright.execute import bundle

BOOT = (Path(__file__).parents[3] / "src" / "backend" / "kubernetes" / "boot.py").read_text(encoding="utf-8")
RUN_ID = "0190aaaa-0000-7000-8000-000000000000"


def zipped(files: dict[str, Any], links: dict[str, str] | None = None) -> bytes:
    """Files as a zip; `links`: symbolic links in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        for name, target in (links or {}).items():
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, 0o120777 << 16
            archive.writestr(info, target)
    return buffer.getvalue()


def annotation(data: bytes) -> bytes:
    """Bytes as a compressed annotation holds them."""
    return b"z:" + base64.b64encode(data)


class Pod:
    """One pod."""

    def __init__(self, root: Path, python: str = PYTHON, wait: float = 30, patience: float = 30) -> None:
        self.root = root
        self.python = python
        self.processes: list[subprocess.Popen[str]] = []
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RUNWRIGHT") and name != "PYTHONPATH"},
            "RUNWRIGHT_POD_ROOT": str(root),
            "RUNWRIGHT_POD_WAIT": str(wait),
            "RUNWRIGHT_POD_PATIENCE": str(patience),
        }
        for name in ("home", "job", "runner", "secrets", "code", "luggage"):
            (root / name).mkdir(parents=True)
        shutil.copyfile(bundle.write_zip(str(root.parent / "runners")), root / "runner" / "runner.zip")

    def lay(self, code: str = "", secrets: dict[str, str] | None = None, pod: dict[str, Any] | None = None, **frozen: Any) -> None:
        """What comes with the Job. `pod`: more members of the frozen run's `pod`; where it names no code, the code is an annotation."""
        run = {
            "protocol": 1,
            "id": RUN_ID,
            "key": f"store://demo/run/python/{RUN_ID}",
            "project": "demo",
            "function": "f",
            "kind": "python",
            "version": "0" * 64,
            "action": "job",
            "task": {"call": {"path": None, "handler": frozen.pop("handler", "functions:f"), "outputs": frozen.pop("outputs", None)}},
            "python": None,
            "cwd": None,
            "parameters": {},
            "inputs": {},
            "needs": [],
            "envs": {},
            "requirements": [],
            "timeout": None,
            "grace": 0.5,
            "concurrency": 0,
            "retries": None,
            **frozen,
            "pod": {"secrets": list(secrets or ()), "code": "annotation", "luggage": 0, "slots": [], "limit": 8_000_000, **(pod or {})},
        }
        self.annotate("run", annotation(zlib.compress(json.dumps(run).encode())))
        if run["pod"]["code"] == "annotation":
            self.annotate("code", annotation(zipped({"functions.py": textwrap.dedent(code)})))
        self.give(secrets or {})

    def annotate(self, name: str, content: bytes) -> None:
        (self.root / "job" / name).write_bytes(content)

    def give(self, secrets: dict[str, str]) -> None:
        for name, value in secrets.items():
            (self.root / "secrets" / name).write_text(value, encoding="utf-8")

    def start(self, what: str, python: str | None = None, prelude: str = "", **options: Any) -> subprocess.Popen[str]:
        """Start one container: `job` or `results`."""
        environment = {**self.environment, "RUNWRIGHT_TERMINATION": str(self.root / f"termination-{what}"), **options.pop("env", {})}
        process = subprocess.Popen(
            [python or self.python, "-I", "-S", "-c", prelude + BOOT, what],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
            **options,
        )
        self.processes.append(process)
        if what == "job":
            assert process.stdout is not None
            assert process.stdout.readline() == "runwright: begins\n"
        return process

    def run(self, **options: Any) -> Came:
        """Both containers, to their end."""
        results, job = self.start("results"), self.start("job", **options)
        return self.came(job, results)

    def came(self, job: subprocess.Popen[str], results: subprocess.Popen[str], timeout: float = 60) -> Came:
        """What comes out of two containers that end."""
        told, errors = job.communicate(timeout=timeout)
        printed, more = results.communicate(timeout=timeout)
        assert (errors, more, results.returncode) == ("", "", 0)
        return Came(self.root, job.returncode, told, printed)

    def message(self, container: str = "job") -> bytes:
        path = self.root / f"termination-{container}"
        return path.read_bytes() if path.exists() else b""


class Came:
    """What a client can see of a pod: exit code, logs and termination messages; decoded as docs/decisions/0005-a-run-in-a-pod.md says."""

    def __init__(self, root: Path, code: int, stdout: str, printed: str) -> None:
        self.code = code
        self.stdout = stdout
        self.printed = printed
        self.message = b""
        for container in ("job", "results"):
            path = root / f"termination-{container}"
            if not self.message and path.exists():
                self.message = path.read_bytes()
        assert len(self.message) <= 4096
        lines = printed.splitlines()
        assert lines[-1] == "t " + self.message.decode()
        told = json.loads(self.message)
        self.channel = "stream" if "stream" in told else "slot" if "slot" in told else "message"
        self.state = told["state"] if self.channel != "message" else (told["end"] or {}).get("state")
        self.announced = told
        pieces = [line[2:] for line in lines if line.startswith("r ")]
        assert all(len(piece) == 8000 for piece in pieces[:-1])
        self.stream = b"".join(map(base64.b85decode, pieces))
        self.payload: dict[str, Any] = told
        if self.channel == "stream":
            assert len(self.stream) == told["stream"]["bytes"]
            assert hashlib.sha256(self.stream).hexdigest() == told["stream"]["sha256"]
            self.payload = json.loads(zlib.decompress(self.stream[: told["stream"]["payload"]]))

    @property
    def end(self) -> dict[str, Any]:
        return self.payload["end"]

    @property
    def error(self) -> dict[str, Any]:
        return self.end["error"]

    @property
    def values(self) -> dict[str, Any]:
        return {name: descriptor.get("value") for name, descriptor in self.end["outputs"].items()}

    @property
    def events(self) -> list[dict[str, Any]]:
        return self.payload["events"]

    @property
    def live(self) -> list[dict[str, Any]]:
        return [json.loads(line[2:]) for line in self.printed.splitlines() if line.startswith("e ")]

    def files(self) -> dict[str, bytes]:
        """The contents of the files that came in the stream."""
        found, at = {}, self.announced["stream"]["payload"]
        for path, facts in self.payload["files"].items():
            assert facts["in"] == "stream"
            found[path] = self.stream[at : at + facts["size"]]
            assert hashlib.sha256(found[path]).hexdigest() == facts["sha256"]
            at += facts["size"]
        assert at == len(self.stream)
        return found
