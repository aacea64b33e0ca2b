"""What a run's record says, beyond what stands in it."""

from __future__ import annotations

from typing import Any

from .exceptions import BY_CAUSE, RunError

Record = dict[str, Any]
FINAL = ("COMPLETED", "ERROR", "STOPPED")


def answers(record: Record) -> bool:
    """Whether it is a service of which all replicas answer."""
    service = record.get("service") or {"replicas": 0, "ready": 0}
    return bool(0 < service["replicas"] <= service["ready"])


def is_awaited(record: Record) -> bool:
    """Whether there is something to wait for: an end, of a service that it answers or cannot come to."""
    return record["state"] not in FINAL and not answers(record) and not (record.get("service") or {}).get("failure")


def duration(record: Record) -> float | None:
    """Seconds of execution; of one that goes on, so far."""
    if record["seconds"] is not None:
        return float(record["seconds"])
    began = next((step["time"] for step in record["history"] if step["state"] == "RUNNING"), None)
    if began is None:
        return None
    from datetime import datetime, timezone

    end = parse_time(record["history"][-1]["time"]) if record["state"] in FINAL else datetime.now(timezone.utc)
    return max(0.0, (end - parse_time(began)).total_seconds())


def parse_time(text: str) -> Any:
    """A record's time as a datetime in UTC."""
    from datetime import datetime

    whole, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{(fraction + '000000')[:6]}+00:00")


def error_of(record: Record) -> RunError | None:
    """The exception for a record that ended otherwise than completed."""
    if record["state"] not in ("ERROR", "STOPPED"):
        return None
    failure = record.get("error") or {
        "cause": "Stopped" if record["state"] == "STOPPED" else "RunnerError",
        "message": "it ended without saying why",
    }
    return _error(record, failure, "was stopped" if record["state"] == "STOPPED" else "failed")


def failing(record: Record) -> RunError | None:
    """The exception for a service that answered before, goes on, and does not come to answer again with all that it should have."""
    failure = (record.get("service") or {}).get("failure")
    if not failure or record["state"] in FINAL:
        return None
    cure = "what answered before goes on; run.update(…) serves another version (the one before, too)"
    return _error(record, {**failure, "cure": "; ".join(part for part in (failure.get("cure"), cure) if part)}, "does not come to answer")


def _error(record: Record, failure: Record, what: str) -> RunError:
    kind = BY_CAUSE.get(failure["cause"], RunError)
    of = f"{failure['type']}: " if failure.get("type") and not failure["message"].startswith(failure["type"]) else ""
    message = f"run {record['id']} of {record['function']} {what} ({failure['cause']}): {of}{failure['message']}"
    evidence: dict[str, Any] = {**failure, "key": record["key"], "state": record["state"]}
    evidence.pop("message")
    return kind(message, **evidence)
