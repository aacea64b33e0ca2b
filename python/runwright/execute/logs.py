"""log.jsonl: what was printed, one JSON object a line, without secrets."""

from __future__ import annotations

from . import clock
from .journal import Appender
from .quickjson import quote

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

LONGEST = 64 * 1024
MASK = "***"
_TAIL = 20
_SHORTEST_SECRET = 4
# Words and places of records that must stay what they are.
_OURS = frozenset(("cause", "type", "kind", "format", "path", "size", "sha256", "id", "attempt", "delay"))


class Redactor:
    """Replaces secret values, and the forms in which they commonly travel, by `***`."""

    def __init__(self, secrets: Any) -> None:
        """`secrets`: the values. One of fewer than 4 characters is no secret (a `1` or `true` would mask every log)."""
        needles: set[str] = set()
        for secret in secrets:
            if len(secret) >= _SHORTEST_SECRET:
                needles.update(_forms(secret))
        # The longest first, so that a form that holds another is masked whole.
        self.needles = sorted((needle for needle in needles if len(needle) >= _SHORTEST_SECRET), key=len, reverse=True)
        self.longest = max((len(needle.encode("utf-8", "replace")) for needle in self.needles), default=0)

    def text(self, text: str) -> str:
        """The text without secrets."""
        for needle in self.needles:
            if needle in text:
                text = text.replace(needle, MASK)
        return text

    def value(self, value: Any) -> Any:
        """The JSON value without secrets in any of its texts, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key) if isinstance(key, str) else key: self.value(entry) for key, entry in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(entry) for entry in value]
        return value

    def members(self, record: Any, ours: frozenset[str] = frozenset()) -> Any:
        """A record of ours: its keys stay, and the members named `ours` altogether (a secret may happen to be one of our words)."""
        if not self.needles or not isinstance(record, dict):
            return record
        return {key: entry if key in ours else self.value(entry) for key, entry in record.items()}

    def event(self, event: dict[str, Any]) -> dict[str, Any]:
        """An event without secrets."""
        if self.needles and isinstance(event.get("entity"), dict):
            entity = event["entity"]
            return {**event, "entity": {**self.members(entity, _OURS), "output": self.members(entity.get("output"), _OURS)}}
        if self.needles and "error" in event:
            return {**event, "error": self.members(event["error"], _OURS)}
        return self.members(event, _OURS)

    def end(self, end: dict[str, Any]) -> dict[str, Any]:
        """An end without secrets."""
        if not self.needles:
            return end
        outputs = {name: self.members(descriptor, _OURS) for name, descriptor in end["outputs"].items()}
        return {**end, "error": self.members(end["error"], _OURS), "outputs": outputs}


def _forms(secret: str) -> set[str]:
    from base64 import b64encode
    from urllib.parse import quote as url_quote
    from urllib.parse import quote_plus

    raw = secret.encode("utf-8", "surrogateescape")
    forms = {secret, quote(secret)[1:-1], repr(secret)[1:-1], raw.decode("utf-8", "replace"), secret.strip()}
    forms |= {url_quote(raw), url_quote(raw, safe=""), quote_plus(raw)}
    forms |= {ascii(secret)[1:-1]}
    # A secret of several lines is printed line by line.
    forms |= {line.strip() for line in secret.splitlines() if len(line.strip()) >= 8}
    for offset in range(3):
        # Inside a longer text (`user:secret`) base64 depends on where the secret begins; its edges mix with the neighbours.
        encoded = b64encode(b"\0" * offset + raw).decode()
        start = (0, 2, 3)[offset]
        end = len(encoded.rstrip("=")) - (1 if encoded.endswith("=") else 0)
        core = encoded[start:end]
        if len(core) >= 6:
            forms |= {core, core.replace("+", "-").replace("/", "_")}
    whole = b64encode(raw).decode()
    forms |= {whole, whole.replace("+", "-").replace("/", "_"), url_quote(whole, safe="")}
    return forms


class Log:
    """The one writer of log.jsonl."""

    def __init__(self, path: str, redactor: Redactor, echo: bool = False) -> None:
        """`echo` prints each line on this process's own standard output instead (in a pod, where the container's log is the log)."""
        self.file = Appender("/dev/null" if echo else path)
        self.redactor = redactor
        self.attempt = 0
        self.tail: list[str] = []
        self._echo = echo

    def lines(self, stream: str, lines: list[str], extra: str = "") -> None:
        """Append lines that hold no secrets any more. `extra`: more members, as JSON text that ends with a comma."""
        if not lines:
            return
        self.tail = (self.tail + [line[:2000] for line in lines[-_TAIL:]])[-_TAIL:]
        if self._echo:
            _print(lines, "runwright: " if stream == "runner" else "")
            return
        head = f'{{"t":{clock.now():.6f},"s":"{stream}","a":{self.attempt},{extra}"m":'
        pieces: list[str] = []
        for line in lines:
            if len(line) > LONGEST // 4:
                pieces.extend(f"{head}{quote(part)}}}\n" for part in split_long(line))
            else:
                pieces.append(f"{head}{quote(line)}}}\n")
        data = "".join(pieces).encode("utf-8", "replace")
        self.file.append(data, len(pieces))

    def say(self, message: str) -> None:
        """A line of the runner's own."""
        self.lines("runner", self.redactor.text(message).split("\n"))

    def record(self, level: str, logger: str, message: str) -> None:
        """A record of the `logging` module; it may have several lines and stays one."""
        text = self.redactor.text
        if self._echo:
            self.lines("logging", [f"{text(level)} {text(logger)}: {text(message)}"])
            return
        self.lines("logging", [text(message)], f'"level":{quote(text(level))},"logger":{quote(text(logger))},')


def _print(lines: list[str], prefix: str) -> None:
    import os

    data = "".join(f"{prefix}{line}\n" for line in lines).encode("utf-8", "replace")
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError:
        return  # nobody listens


def split_long(line: str) -> list[str]:
    """The line in parts of at most 64 KiB of UTF-8 each."""
    data = line.encode("utf-8", "replace")
    parts = []
    while len(data) > LONGEST:
        cut = _boundary(data, LONGEST)
        parts.append(data[:cut].decode("utf-8"))
        data = data[cut:]
    parts.append(data.decode("utf-8"))
    return parts


def _boundary(data: Any, cut: int) -> int:
    """The last place at or before `cut` that is not inside a character."""
    lowest = max(cut - 4, 1)
    place = cut
    while place > lowest and data[place] & 0xC0 == 0x80:
        place -= 1
    return place if data[place] & 0xC0 != 0x80 else cut


class Splitter:
    """Turns the bytes of one stream into lines of the log, as they come."""

    def __init__(self, log: Log, stream: str) -> None:
        self._log = log
        self._stream = stream
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """More bytes; whole lines are written at once."""
        data = self._rest + data if self._rest else data
        whole, newline, self._rest = data.rpartition(b"\n")
        if newline:
            self._emit(whole)
        hold = self._log.redactor.longest
        if len(self._rest) > LONGEST + hold:
            self._cut(hold)

    def close(self) -> None:
        """The end: what has no newline is a line, too."""
        if self._rest:
            self._emit(self._rest)
            self._rest = b""

    def _emit(self, data: bytes) -> None:
        text = self._log.redactor.text(data.decode("utf-8", "replace"))
        if "\r" in text:
            text = text.replace("\r\n", "\n").rstrip("\r")
        self._log.lines(self._stream, text.split("\n"))

    def _cut(self, hold: int) -> None:
        """Write the first parts of a line that is too long, holding back what may be the beginning of a secret or of a character."""
        end = _boundary(self._rest, len(self._rest) - 1) if self._rest[-1] & 0x80 else len(self._rest)
        unfinished, text = self._rest[end:], self._rest[:end].decode("utf-8", "replace")
        data = self._log.redactor.text(text).encode("utf-8", "replace")
        while len(data) > LONGEST + hold:
            cut = _boundary(data, LONGEST)
            self._log.lines(self._stream, [data[:cut].decode("utf-8")])
            data = data[cut:]
        self._rest = data + unfinished
