"""A run in a pod: what came with its Job becomes a run folder, and what the run left goes back. See docs/decisions/0005-a-run-in-a-pod.md."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any


class Places:
    """Where things are in the pod.

    Attributes:
        home, temporary, job, code, luggage, secrets, results, termination (str): folders and files as the decision names them.
        wait (float): how many seconds to wait for what is made after the Job.
        patience (float): for how many seconds an upload that fails is tried again.
    """

    def __init__(self, environment: Any) -> None:
        root = environment.get("RUNWRIGHT_POD_ROOT") or "/runwright"
        self.home = f"{root}/home"
        self.temporary = f"{self.home}/tmp"  # noqa: S108 - the pod's own
        self.job = f"{root}/job"
        self.code = f"{root}/code/code.zip"
        self.luggage = f"{root}/luggage"
        self.secrets = f"{root}/secrets"
        self.results = f"{self.home}/results"
        self.termination = environment.get("RUNWRIGHT_TERMINATION") or "/dev/termination-log"
        self.wait = float(environment.get("RUNWRIGHT_POD_WAIT") or 120)
        self.patience = float(environment.get("RUNWRIGHT_POD_PATIENCE") or 300)


def say(message: str) -> None:
    """Print a line of the runner's own."""
    os.write(1, f"runwright: {message}\n".encode("utf-8", "replace"))


def main(arguments: list[str]) -> None:
    """What a container does: `job` executes the run, `results` prints what it left. Ends the process.

    Exit codes of `job`: 0 completed, 1 ended with an error, 143 stopped.
    """
    places = Places(os.environ)
    if arguments == ["job"]:
        from .job import run
    else:
        from .results import run
    # Nothing is left to flush or to take down.
    os._exit(run(places))
