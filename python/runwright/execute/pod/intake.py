"""What came with the Job: the frozen run, and what its pod has to wait for."""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PTH110, PTH123

from __future__ import annotations

import binascii
import os

from .. import quickjson
from ..failure import Failed

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

    from . import Places

# Where items that found no room in an annotation are in the luggage: a line each, so that no pod has to read all of them.
ITEMS = "items.jsonl"


def annotation(path: str) -> bytes:
    """An annotation's content: as it is, or after `z:` the base64 of its zlib compression. b"" where there is none. Raises ValueError."""
    if not os.path.exists(path):
        return b""
    packed = _packed(path)
    if packed is None:
        with open(path, "rb") as file:
            return file.read().strip()
    import zlib

    try:
        return zlib.decompress(packed)
    except zlib.error as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def code_zip(path: str) -> bytes:
    """The zip in an annotation. Raises ValueError."""
    packed = os.path.exists(path) and _packed(path)
    if not packed:
        raise ValueError(f"{path} holds no zip")
    return packed


def _packed(path: str) -> Any:
    """The bytes after `z:`, or None where the text does not begin so."""
    with open(path, "rb") as file:
        if file.read(2) != b"z:":
            return None
        return binascii.a2b_base64(file.read())


def frozen(places: Places, environment: Any) -> dict[str, Any]:
    """The frozen run; of a map that of this pod's item, still with the map's parameters. Raises OSError or ValueError."""
    content = annotation(f"{places.job}/run")
    if not content:
        raise ValueError("the pod has no annotation runwright.dev/run")
    run = quickjson.loads(content)
    if not isinstance(run, dict) or not isinstance(run.get("id"), str):
        raise ValueError("the annotation runwright.dev/run holds no run")
    run["pod"] = run.get("pod") or {}
    index = environment.get("JOB_COMPLETION_INDEX") or ""
    if index.isdigit():
        whole = run["id"]
        run["id"] = f"{whole[:-8]}{int(index):08x}"
        key = str(run.get("key") or "")
        if key.endswith(whole):
            run["key"] = key[: -len(whole)] + run["id"]
        run["pod"]["index"] = int(index)
    return run


def become_item(places: Places, run: dict[str, Any]) -> None:
    """Give the run what its item of the map has for itself. Raises OSError or ValueError."""
    index = run["pod"].get("index")
    if index is None:
        return
    item = None
    if run["pod"].get("luggage"):
        from . import unpack

        item = unpack.item(places, int(run["pod"]["luggage"]), index)
    if item is None:
        items = quickjson.loads(annotation(f"{places.job}/items"))
        item = items[index] if index < len(items) else None
    if item is None:
        raise ValueError(f"the map has fewer items than {index + 1}")
    run.update({part: item[part] for part in ("parameters", "inputs") if part in item})
    if "slots" in item:
        run["pod"]["slots"] = item["slots"]


def expired(pod: dict[str, Any]) -> None:
    """Raises Failed with cause `NotStarted` where the URLs that the client made for this run live no more."""
    from .. import clock

    until = pod.get("until")
    if until is None or clock.now() < until:
        return
    import time

    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(until))
    message = f"it began after the presigned URLs by which it reaches the artifact store had expired ({when}): it waited too long"
    cure = "run it again: run.reproduce(); the URLs live for url_lifetime= of rw.use (RUNWRIGHT_URL_LIFETIME), at most 7 days"
    raise Failed("NotStarted", message, cure)


def missing(places: Places, pod: dict[str, Any]) -> list[str]:
    """What has not come yet, in words."""
    found = []
    secrets = [name for name in pod.get("secrets") or () if not os.path.exists(f"{places.secrets}/{name}")]
    if secrets:
        found.append(f"the secrets {', '.join(secrets)}")
    if pod.get("code") == "volume" and not os.path.exists(places.code):
        found.append("the code")
    pieces = [number for number in range(int(pod.get("luggage") or 0)) if not os.path.exists(piece(places, number))]
    if pieces:
        found.append("inputs that travel in ConfigMaps of their own")
    return found


def piece(places: Places, number: int) -> str:
    """Where a piece of the luggage is."""
    return f"{places.luggage}/{number}/luggage"


def wait(places: Places, pod: dict[str, Any], wakeup: Any, log: Any) -> None:
    """Wait until all is there, or a stop is asked for. Raises Failed with cause `NotStarted` where it does not come."""
    from .. import clock

    begin = clock.monotonic()
    said = False
    while (absent := missing(places, pod)) and not wakeup.stop:
        waited = clock.monotonic() - begin
        if waited >= places.wait:
            message = f"{' and '.join(absent)} did not arrive within {places.wait:g} s"
            cure = "run it again; whoever started it was interrupted, or something in the cluster took them away"
            raise Failed("NotStarted", message, cure)
        if waited > 5 and not said:
            said = True
            log.say(f"waiting for {' and '.join(absent)}")
        wakeup.sleep(0.1 if waited < 5 else 0.5)


def secrets(places: Places, pod: dict[str, Any]) -> dict[str, str]:
    """The secrets by name. Raises OSError."""
    found = {}
    for name in pod.get("secrets") or ():
        with open(f"{places.secrets}/{name}", "rb") as file:
            found[str(name)] = os.fsdecode(file.read())
    return found
