"""What is worth showing of a record, in the same words for text and HTML."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ..records import FINAL
from .format import ELLIPSIS, cut, lines_of, number, one_line, short

Record = dict[str, Any]
# Where the record itself names no cure.
_CURES = {
    "UserError": "to debug it here, run it with inline=True",
    "ImportFailed": "what it imports belongs into requirements=[…], or next to the function's file",
    "InputError": "look at the input that is named above",
    "OutputError": "look at the output that is named above",
    "UpstreamFailed": "look at the run that it needs, then run this one again",
    "NotStarted": "run it again: run.reproduce()",
    "RunnerLost": "run it again: run.reproduce()",
}
_FRAME = re.compile(r'^\s*File "(?P<path>[^"]+)", line (?P<line>\d+)(?:, in (?P<where>.+))?$')
_DIGEST = re.compile(r"^[0-9a-f]{64}$")
_CODE = re.compile(r"^.*/code/[0-9a-f]{64}/")


class Failure(NamedTuple):
    """Why a run did not complete, ready to be shown: every field is clean, `traceback` and `log` line by line."""

    cause: str
    message: str
    where: str
    cure: str
    traceback: list[str]
    log: list[str]


def title(record: Record) -> str:
    """`train.job`; of a fan-out also the place in it: `train.job[3]`."""
    place = record["spec"].get("map")
    return f"{one_line(record['function'])}.{one_line(record['action'])}" + (f"[{place['index']}]" if place else "")


def value_of(plain: Any) -> Any:
    """A value of a record as it was given; as it is kept where it cannot be told here."""
    from ..values import read_value

    try:
        return read_value(plain)
    except Exception:  # a tag of a newer version, a time zone that is unknown here
        return plain


def arguments(record: Record, limit: int = 60) -> dict[str, str]:
    """Parameters and inputs by name, each in one line."""
    spec = record["spec"]
    found = {one_line(name): short(value_of(value), limit, name) for name, value in spec["parameters"].items()}
    found.update({one_line(name): cut(_input(given), max(limit, 40)) for name, given in spec["inputs"].items()})
    return found


def _input(given: Record) -> str:
    if given.get("from") == "entity":
        return one_line(given.get("key"))
    if given.get("from") == "run":
        output = f"[{given['output']!r}]" if given.get("output") else ""
        return one_line(f"run {str(given.get('run'))[:18]}{output}")
    of = given.get("descriptor", {})
    return one_line(f"<{of.get('of') or of.get('kind') or 'value'}>")


def results(record: Record, limit: int = 60) -> dict[str, str]:
    """Plain results in the order in which they were returned."""
    ordered = sorted(record["results"], key=_order(record))
    return {one_line(name): short(value_of(record["results"][name]), limit, name) for name in ordered}


def outputs(record: Record) -> dict[str, str]:
    """Keys of entities in the order in which they were returned."""
    return {one_line(name): one_line(record["outputs"][name]) for name in sorted(record["outputs"], key=_order(record))}


def _order(record: Record) -> Any:
    places = {name: place for place, name in enumerate(record["names"])}
    return lambda name: (places.get(name, len(places)), name)


def series(record: Record) -> dict[str, list[Any]]:
    """The values of each metric, in their order."""
    return {one_line(name): [point["value"] for point in points] for name, points in record["metrics"].items() if points}


def last_metrics(record: Record) -> dict[str, str]:
    """The last value of each metric."""
    return {name: number(values[-1]) for name, values in series(record).items()}


def failure(record: Record) -> Failure | None:
    """Why it did not complete; None if it did, goes on, or was stopped on request."""
    error = record.get("error")
    if not error or record["state"] == "COMPLETED":
        return None
    kind = error.get("type")
    text = str(error.get("message") or "")
    message = one_line(f"{kind}: {text}" if kind and not text.startswith(kind) else text)
    trace = str(error.get("traceback") or "")
    cause = one_line(error.get("cause") or "unknown")
    where = _where(trace)
    cure = one_line(error.get("cure") or _CURES.get(cause, "look at the log: run.logs()"))
    return Failure(cause, message, where, cure, lines_of(trace), [one_line(line) for line in error.get("log") or []])


def notice(record: Record) -> str:
    """What was noticed last of a run that goes on: what it waits for, why an attempt failed. Empty where nothing was."""
    last = record["history"][-1] if record["history"] else {}
    return "" if record["state"] in FINAL else one_line(last.get("message") or "")


def service(record: Record) -> str:
    """Of a service that goes on: `1 of 2 answer · http://…`. Empty for what is none."""
    found = record.get("service")
    if not found or record["state"] in FINAL:
        return ""
    number = f"{found['ready']} of {found['replicas']} {'answers' if found['replicas'] == 1 else 'answer'}"
    return f"{number} · {one_line(found['url'])}" if found["ready"] and found.get("url") else number


def _where(trace: str) -> str:
    """The last line of the user's own code that the traceback names, else its last line: `functions.py:2 in bad: raise …`."""
    lines = trace.splitlines()
    found = [(place, match) for place, line in enumerate(lines) if (match := _FRAME.match(line))]
    if not found:
        return ""
    own = [frame for frame in found if _CODE.match(frame[1]["path"])]
    place, frame = (own or found)[-1]
    code = lines[place + 1].strip() if place + 1 < len(lines) and lines[place + 1].startswith("    ") else ""
    name = f" in {frame['where']}" if frame["where"] and frame["where"] != "<module>" else ""
    return one_line(f"{_CODE.sub('', frame['path'])}:{frame['line']}{name}" + (f": {code}" if code else ""))


def compared(records: list[Record]) -> tuple[list[str], dict[str, str]]:
    """Which arguments differ between runs, and those that all share."""
    seen: dict[str, set[str]] = {}
    given: dict[str, int] = {}
    shown: dict[str, str] = {}
    for record in records:
        spec = record["spec"]
        for part in ("parameters", "inputs"):
            for name, value in spec[part].items():
                seen.setdefault(name, set()).add(repr(value))
                given[name] = given.get(name, 0) + 1
        if not shown:
            shown = arguments(record, 40)
    differ = [one_line(name) for name, values in seen.items() if len(values) > 1 or given[name] < len(records)]
    return differ, {name: value for name, value in shown.items() if name not in differ}


def sides(difference: Record, limit: int = 200) -> tuple[str, str]:
    """Both values of a difference, each in one line; of long ones from where they begin to differ."""
    name = difference["path"].rsplit(".", 1)[-1]
    left, right = (_side(difference[side], name, limit) for side in ("left", "right"))
    same = next((place for place, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    if same > 16 and max(len(left), len(right)) > 32 and left != right:
        return tuple(ELLIPSIS + text[same - 6 :] for text in (left, right))  # type: ignore[return-value]
    return left, right


def _side(value: Any, name: str, limit: int) -> str:
    if value is None:
        return "-"
    if isinstance(value, str) and _DIGEST.match(value):
        return value[:12]
    return short(value_of(value), limit, name)


def tally(records: list[Record]) -> dict[str, int]:
    """How many are in each state, those that went wrong first."""
    counts: dict[str, int] = {}
    for record in records:
        counts[record["state"]] = counts.get(record["state"], 0) + 1
    order = ("ERROR", "STOPPED", "RUNNING", "PENDING", "CREATED", "COMPLETED")
    return {state: counts[state] for state in order if state in counts} | {state: n for state, n in counts.items() if state not in order}


def phases(record: Record) -> list[Record]:
    """The parts of a run's time, `[{"phase", "seconds"}]`."""
    from ..timeline import timeline

    return [{"phase": part["phase"], "seconds": part["seconds"]} for part in timeline(record)]
