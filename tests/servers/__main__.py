"""`python -m tests.servers build | postgres start|stop | s3 start|stop`.

`start` prints shell assignments, for `eval "$(python -m tests.servers postgres start)"`; `stop` ends what `start` started.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import signal
import sys
from pathlib import Path

from tests.servers.gobuild import BuildError, cache_folder
from tests.servers.postgres import Postgres
from tests.servers.processes import ProcessRef, ServerError
from tests.servers.s3 import S3, VERSITYGW


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers", description="Real servers for Runwright's tests.")
    commands = parser.add_subparsers(dest="server", required=True)
    commands.add_parser("build", help="build the binaries that are not in the cache")
    for name in ("postgres", "s3"):
        commands.add_parser(name).add_argument("verb", choices=["start", "stop"])
    options = parser.parse_args()
    try:
        if options.server == "build":
            print(VERSITYGW.build())
        elif options.verb == "start":
            for name, value in _start(options.server).items():
                print(f"export {name}={shlex.quote(value)}")
        else:
            _stop(options.server)
    except (BuildError, ServerError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _state_file(server: str) -> Path:
    return cache_folder() / "running" / f"{server}.json"


def _start(name: str) -> dict[str, str]:
    """Start a server that outlives this process, or find the one that runs; the variables that lead to it."""
    file = _state_file(name)
    if file.exists():
        state = json.loads(file.read_text())
        if ProcessRef(**state["process"]).alive:
            return state["environment"]
        _stop(name)
    server: Postgres | S3
    if name == "postgres":
        server = Postgres(detached=True)
        server.start()
        environment = {"RUNWRIGHT_TEST_POSTGRES_URL": server.url}
    else:
        server = S3(detached=True)
        server.start()
        environment = {**server.bucket.environment, "RUNWRIGHT_TEST_S3_URL": server.bucket.url}
    assert server.process is not None
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"process": server.process.as_dict(), "folder": str(server.folder), "environment": environment}))
    file.chmod(0o600)
    return environment


def _stop(name: str) -> None:
    file = _state_file(name)
    if not file.exists():
        return
    state = json.loads(file.read_text())
    ProcessRef(**state["process"]).stop(signal.SIGINT if name == "postgres" else signal.SIGTERM)
    shutil.rmtree(state["folder"], ignore_errors=True)
    file.unlink()


if __name__ == "__main__":
    sys.exit(main())
