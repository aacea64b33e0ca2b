"""The kind `shell`: a script; a run's parameters are its environment."""

from __future__ import annotations

from typing import Any

from runwright.extend import InvalidError


class Shell:
    """Runs `spec["script"]` with `sh`."""

    kind = "shell"
    actions = ["job"]  # noqa: RUF012 - as the contract has it

    def check(self, spec: dict[str, Any]) -> None:
        """Raises InvalidError where there is no script."""
        script = spec.get("script")
        if not isinstance(script, str) or not script.strip():
            raise InvalidError("a shell function needs a script", field="script", value=script, cure='give script="…"')

    def translate(self, request: dict[str, Any]) -> dict[str, Any]:
        """The script as a command; parameters as environment variables."""
        run = request["run"]
        envs = {**run["envs"], **{name: str(value) for name, value in run["parameters"].items()}}
        script = request["function"]["spec"]["script"]
        return {"task": {"process": {"command": ["sh", "-eu", "-c", script]}, "envs": envs, "resources": run["resources"]}}
