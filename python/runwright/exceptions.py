"""Every error that Runwright raises. Declared here in Python so that they carry attributes; the Rust core raises these same classes."""

from __future__ import annotations

from typing import Any


class RunwrightError(Exception):
    """The base of all.

    Attributes:
        message (str): what failed, on what.
        field (str | None): the argument or setting at fault, where one is.
        value (Any): its offending value.
        cure (str | None): what to do about it.
    """

    def __init__(self, message: str, *, field: str | None = None, value: Any = None, cure: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.value = value
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.cure}" if self.cure else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, dict(self.__dict__))


def _rebuild(kind: type[RunwrightError], message: str, state: dict[str, Any]) -> RunwrightError:
    error = kind(message)
    error.__dict__.update(state)
    return error


class InvalidError(RunwrightError, ValueError):
    """An argument is wrong; nothing was created."""


class NotFoundError(RunwrightError, LookupError):
    """A project, function, run or entity of that name or key does not exist."""


class ConflictError(RunwrightError):
    """The thing exists already with another content, or is in a state that does not allow this."""


class CaptureError(RunwrightError):
    """A function cannot travel: it has no source and cannot be pickled. Nothing was created."""


class SourceError(RunwrightError):
    """`code_src` cannot be fetched, is unsafe to unpack, or does not hold the handler. Nothing was created."""


class MaterializeError(RunwrightError, TypeError):
    """A value cannot be written as an output, or a stored one cannot be read back."""


class StoreError(RunwrightError):
    """The database or the artifact store cannot be reached, is full, locked or damaged."""


class BackendError(RunwrightError):
    """The place to run cannot execute this: a program is missing, a process cannot be started."""


class ResponseError(RunwrightError):
    """A service answered what the caller cannot use: an error, or no JSON.

    Attributes:
        response (runwright.response.Response | None): the answer. status_code (int | None): its status.
    """

    def __init__(self, message: str, *, response: Any = None, cure: str | None = None) -> None:
        super().__init__(message, cure=cure)
        self.response = response
        self.status_code: int | None = getattr(response, "status_code", None)


class RefusedError(BackendError):
    """The cluster does not take what was asked of it.

    Attributes:
        cause (str | None): which of its rules refuses it, e.g. `QuotaExceeded`, `PodSecurity`, `AdmissionDenied`, `NamespaceMissing`.
    """

    def __init__(self, message: str, *, cause: str | None = None, **fault: Any) -> None:
        super().__init__(message, **fault)
        self.cause = cause


class ForbiddenError(RefusedError):
    """The user has no right to do this in the cluster; `cure` has the rule of a Role that would allow it."""


class RunError(RunwrightError):
    """A run did not complete.

    Attributes:
        key (str | None): the run's key.
        state (str | None): `ERROR` or `STOPPED`.
        cause (str | None): what ended it, e.g. `UserError`, `OutOfMemory`, `Timeout`.
        type (str | None): the class name of the user's exception.
        traceback (str | None): the user's traceback.
        exit_code (int | None), signal (str | None): how the process ended.
        log (list[str]): the last log lines.
        attributes (dict): JSON-able attributes of the user's exception.
    """

    def __init__(self, message: str, **evidence: Any) -> None:
        super().__init__(message, cure=evidence.get("cure"))
        self.key: str | None = evidence.get("key")
        self.state: str | None = evidence.get("state")
        self.cause: str | None = evidence.get("cause")
        self.type: str | None = evidence.get("type")
        self.traceback: str | None = evidence.get("traceback")
        self.exit_code: int | None = evidence.get("exit_code")
        self.signal: str | None = evidence.get("signal")
        self.log: list[str] = evidence.get("log") or []
        self.attributes: dict[str, Any] = evidence.get("attributes") or {}

    def __str__(self) -> str:
        parts = [self.message]
        if self.traceback:
            parts.append(self.traceback.rstrip())
        elif self.log and self.log[-1] not in self.message:  # what an installer printed is in the message already
            parts.append("last log lines:\n" + "\n".join(f"  {line}" for line in self.log))
        if self.cure:
            parts.append(f"→ {self.cure}")
        return "\n".join(parts)


class UserError(RunError):
    """The user's code raised; `type`, `traceback` and `attributes` are those of the exception."""


class ExitCodeError(RunError):
    """The process ended with an exit code other than 0."""


class ContainerNotStartedError(RunError):
    """The container could not be started: its image cannot be had, a program is not in it, or something asked for is not possible there."""


class SignalError(RunError):
    """The process was killed by a signal that Runwright did not send."""


class OutOfMemoryError(RunError):
    """The process was killed because memory ran out."""


class TimedOutError(RunError):
    """An attempt took longer than `timeout`."""


class StoppedError(RunError):
    """The run was stopped on request."""


class RequirementError(RunError):
    """`requirements` could not be installed."""


class RegistryError(RunError):
    """An image registry cannot be reached or refuses."""


class BaseImageError(RunError):
    """The image to build on does not exist or does not fit: no Python in it, another processor."""


class InstructionError(RunError):
    """An instruction of a Dockerfile failed."""


class BuilderError(RunError):
    """What executes the instructions of a build (BuildKit, podman, …) cannot be reached, or does not work."""


class ConfigError(RunError):
    """A setting of a build cannot be used."""


class ImportFailedError(RunError):
    """The function's source or handler does not import where it runs."""


class InputError(RunError):
    """An input could not be read or bound to a parameter."""


class OutputError(RunError):
    """An output is missing, was not declared, or could not be materialised."""


class UpstreamFailedError(RunError):
    """A run that this one needs did not complete."""


class DiskFullError(RunError):
    """There was no room left to write."""


class NotStartedError(RunError):
    """The run was recorded, but its client died before anything was started."""


class RunnerLostError(RunError):
    """The runner died without writing an end (killed, machine restarted)."""


class PortInUseError(RunError):
    """The port at which a service was to listen is taken."""


class ImageError(RunError):
    """The image cannot be had where the run was to execute."""


class ConfigurationError(RunError):
    """The container cannot be made: a secret or config map that it names is not there, or its user is not allowed."""


class NotReadyError(RunError):
    """A service runs, and its readiness probe fails."""


class MountError(RunError):
    """A volume cannot be mounted."""


class UnschedulableError(RunError):
    """No node of the cluster took the run in the time that it was to wait."""


class NotAdmittedError(RunError):
    """The cluster's rules do not admit the run: a quota, a limit, a Pod Security Standard, a policy of its own."""


class DisruptedError(RunError):
    """The cluster took the run away."""


class EvictedError(DisruptedError):
    """Its node was emptied, or short of what the run used."""


class PreemptedError(DisruptedError):
    """A run of higher priority took its place."""


class NodeLostError(DisruptedError):
    """Its node is gone."""


class DeletedError(RunError):
    """What executed it was deleted by somebody."""


class ResultsError(RunError):
    """What it returned did not come back: it is too large for its way, or lost."""


class RunnerError(RunError):
    """A fault of Runwright itself."""


BY_CAUSE: dict[str, type[RunError]] = {
    "UserError": UserError,
    "ExitCode": ExitCodeError,
    "ContainerNotStarted": ContainerNotStartedError,
    "Signal": SignalError,
    "OutOfMemory": OutOfMemoryError,
    "Timeout": TimedOutError,
    "Stopped": StoppedError,
    "RequirementError": RequirementError,
    "RegistryError": RegistryError,
    "BaseImageError": BaseImageError,
    "ConfigError": ConfigError,
    "InstructionError": InstructionError,
    "BuilderError": BuilderError,
    "ImportFailed": ImportFailedError,
    "InputError": InputError,
    "OutputError": OutputError,
    "UpstreamFailed": UpstreamFailedError,
    "DiskFull": DiskFullError,
    "NotStarted": NotStartedError,
    "RunnerLost": RunnerLostError,
    "PortInUse": PortInUseError,
    "ImagePull": ImageError,
    "ErrImageNeverPull": ImageError,
    "InvalidImageName": ImageError,
    "CreateContainerConfigError": ConfigurationError,
    "NotReady": NotReadyError,
    "FailedMount": MountError,
    "Unschedulable": UnschedulableError,
    "Queued": UnschedulableError,
    "PendingTimeout": UnschedulableError,
    "QuotaExceeded": NotAdmittedError,
    "LimitRange": NotAdmittedError,
    "PodSecurity": NotAdmittedError,
    "AdmissionDenied": NotAdmittedError,
    "AdmissionFailed": NotAdmittedError,
    "FailedCreate": NotAdmittedError,
    "Forbidden": NotAdmittedError,
    "NamespaceMissing": NotAdmittedError,
    "StorageFull": NotAdmittedError,
    "Evicted": EvictedError,
    "Preempted": PreemptedError,
    "NodeLost": NodeLostError,
    "JobDeleted": DeletedError,
    "PodDeleted": DeletedError,
    "NamespaceTerminating": DeletedError,
    "ResultsLost": ResultsError,
    "ResultTooLarge": ResultsError,
    "RunnerError": RunnerError,
}
