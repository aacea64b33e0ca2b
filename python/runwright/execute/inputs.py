"""Inputs of a run: values read back, entities as objects, outputs of other runs, files behind presigned URLs."""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PTH100, PTH103, PTH104, PTH108, PTH110, PTH112, PTH118, PTH119, PTH120, PTH123

from __future__ import annotations

import os

from . import journal
from .failure import Failed, foreign, text_of

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

_ATTEMPTS = 5


def resolve(name: str, given: dict[str, Any], base: str) -> Any:
    """What the parameter gets.

    Args:
        name: of the parameter.
        given: its entry in the frozen run's `inputs`.
        base: the folder that a relative `path` is relative to.

    Raises:
        Failed: with cause `InputError`. OSError: the disk is full.
    """
    if "parts" in given:
        parts = given["parts"]
        return _shaped(given.get("shape"), given.get("names") or list(parts), lambda part: resolve(name, parts[part], base))
    if "run" in given:
        return _of_run(name, given, base)
    if given.get("as") == "entity":
        return _entity(given, base, name)
    return _value(name, given, base)


def entity_or_description(name: str, given: dict[str, Any], base: str) -> Any:
    """An entity as an object, whatever the parameter gets; what is none, as it was described."""
    return _entity(given, base, name) if given.get("key") and given.get("type") in ENTITIES else dict(given)


def _of_run(name: str, given: dict[str, Any], base: str) -> Any:
    home = os.environ.get("RUNWRIGHT_HOME") or os.path.dirname(os.path.dirname(base))
    folder = f"{home}/runs/{given['run']}"
    end = journal.read_end(folder)
    if end is None:
        raise Failed("InputError", f"{name}: the run {given['run']} has no end in {folder}", "wait for it, or run it again")
    outputs, names, output = end.get("outputs") or {}, end.get("names"), given.get("output")
    how = given.get("as")
    if output is None:
        return _shaped(
            end.get("shape"), names or list(outputs), lambda part: resolve(name, {**outputs[part], "name": part, "as": how}, folder)
        )
    if output not in outputs:
        has = ", ".join(names or outputs) or "none"
        raise Failed("InputError", f"{name}: the run {given['run']} has no output {output!r}", f"it has: {has}")
    return resolve(name, {"name": output, **outputs[output], "as": how}, folder)


def _shaped(shape: Any, names: Any, read: Any) -> Any:
    if shape == "none" or not names:
        return None
    if shape == "tuple":
        return tuple(read(name) for name in names)
    if shape == "dict":
        return {name: read(name) for name in names}
    return read(names[0])


def _value(name: str, given: dict[str, Any], base: str) -> Any:
    from ..materialize import read

    try:
        return read(local(given, base, name), base)
    except Failed:
        raise
    except Exception as error:
        raise _unreadable(name, error) from foreign(error)


def _unreadable(name: str, error: Exception) -> Failed:
    message = getattr(error, "message", None) or f"{type(error).__name__}: {text_of(error)}"
    return Failed("InputError", f"the input {name!r} cannot be read: {message}", getattr(error, "cure", None))


def local(given: dict[str, Any], base: str, name: str, destination: Any = None) -> dict[str, Any]:
    """The descriptor with a path on this machine; what is only behind a URL is fetched. Raises Failed."""
    if given.get("type") == "value" and "path" not in given:
        return given
    path = given.get("path")
    if path and os.path.exists(os.path.join(base, path)):
        return given
    if not given.get("url"):
        where = os.path.join(base, path) if path else "no path and no URL is given"
        raise Failed("InputError", f"the input {name!r} is not there: {where}", "log it again, or restore the file")
    return {**given, "path": fetch(given, destination or os.path.join(base, "inputs", name), f"the input {name!r}")}


def fetch(given: dict[str, Any], folder: str, what: str) -> str:
    """Get the file behind a URL into `folder`, whole and checked, or not at all. Returns its path. Raises Failed or OSError.

    `what` says in errors what it is.
    """
    from urllib.parse import unquote, urlsplit

    url = given["url"]
    file = os.path.basename(unquote(urlsplit(url).path)) or f"data.{given.get('format') or 'bin'}"
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, file)
    draft = f"{path}.{os.getpid()}.partial"
    failure = ""
    for attempt in range(_ATTEMPTS):
        if attempt:
            import time

            time.sleep(min(0.2 * 2**attempt, 5.0))
        try:
            failure = _download(url, draft, given)
        except OSError:
            if os.path.exists(draft):
                os.unlink(draft)
            raise
        if not failure:
            os.rename(draft, path)
            return path
        if failure.startswith("!"):
            break
    if os.path.exists(draft):
        os.unlink(draft)
    # The query of a presigned URL is a credential.
    message = f"{what} cannot be fetched from {url.partition('?')[0]}: {failure.lstrip('!')}"
    raise Failed("InputError", message, "check that the file is there and that the run began before its URL expired")


def _download(url: str, draft: str, given: dict[str, Any]) -> str:
    """One try. Returns what went wrong, with `!` before what another try would not change; "" if nothing did."""
    import hashlib
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    if not url.startswith(("http://", "https://")):
        return "!it is no http(s) URL"
    digest, size = hashlib.sha256(), 0
    try:
        with urlopen(Request(url, headers={"Accept-Encoding": "identity"}), timeout=60) as answer:  # noqa: S310 - checked above
            expected = answer.headers.get("Content-Length")
            with open(draft, "wb") as file:
                while chunk := answer.read(1 << 20):
                    file.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
    except HTTPError as error:
        again = error.code >= 500 or error.code in (408, 425, 429)
        return f"{'' if again else '!'}HTTP {error.code} {error.reason}"
    except URLError as error:
        return text_of(error)
    except (HTTPException, ConnectionError, TimeoutError) as error:
        return f"{type(error).__name__}: {text_of(error)}"
    if expected is not None and expected.isdigit() and int(expected) != size:
        return f"{size} bytes came, {expected} were announced"
    if given.get("sha256") and digest.hexdigest() != given["sha256"]:
        return "its SHA-256 is not the recorded one: the file was changed or damaged"
    return ""


class Entity:
    """An artifact, dataitem or model that the run reads.

    Attributes:
        key, id, name, kind, type, format (str), spec (dict).
    """

    __runwright_entity__ = "artifact"

    def __init__(self, given: dict[str, Any], base: str, label: str) -> None:
        self.spec = {field: value for field, value in given.items() if field not in ("as", "url")}
        self.key = given.get("key")
        self.id = given.get("id")
        self.name = given.get("name") or label
        self.kind = given.get("kind")
        self.type = given.get("type")
        self.format = given.get("format")
        self._given = given
        self._base = base
        self._label = label

    def download(self, destination: Any = None) -> str:
        """The path of a local copy: below the folder `destination` where one is given, else wherever the bytes are on this machine.

        Raises an error that says why it cannot be read.
        """
        found = local(self._given, self._base, self._label, destination and os.path.abspath(destination))
        if "path" not in found:
            return self._as_json(destination)
        path = os.path.abspath(os.path.join(self._base, found["path"]))
        self._given = {**found, "path": path}
        if destination is None or os.path.dirname(path) == os.path.abspath(destination):
            return path
        import shutil

        os.makedirs(destination, exist_ok=True)
        target = os.path.join(os.path.abspath(destination), os.path.basename(path))
        if os.path.isdir(path):
            shutil.copytree(path, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(path, target)
        return target

    def _as_json(self, destination: Any) -> str:
        """A small value has no file yet; who asks for one gets it."""
        from . import quickjson

        folder = os.path.abspath(destination) if destination else os.path.join(self._base, "inputs", self._label)
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, f"{self.name}.json")
        with open(path, "wb") as file:
            file.write(quickjson.encode(self._given.get("value")))
        return path

    def load(self) -> Any:
        """The value, as it was when it was logged; a file of an unknown format as its path. Raises `materialize.MaterializeFailed`."""
        from ..materialize import read

        return read(local(self._given, self._base, self._label), self._base)

    def to_object(self) -> Any:
        """The same as `load`."""
        return self.load()

    def as_df(self, engine: str = "pandas", **_ignored: Any) -> Any:
        """The table as a data frame of `pandas`, `polars` or `pyarrow`. Raises `materialize.MaterializeFailed`."""
        from ..materialize import as_df

        return as_df(local(self._given, self._base, self._label), self._base, engine=engine)

    def __fspath__(self) -> str:
        return self.download()

    def __repr__(self) -> str:
        return f"<{self.type} {self.key or self.name}>"


class Artifact(Entity):
    """A file."""


class Dataitem(Entity):
    """Data, usually a table."""

    __runwright_entity__ = "dataitem"


class Model(Entity):
    """A trained model."""

    __runwright_entity__ = "model"


ENTITIES = {"artifact": Artifact, "dataitem": Dataitem, "model": Model}


def _entity(given: dict[str, Any], base: str, label: str) -> Entity:
    # A plain value that is wanted as an entity (another run's output) behaves like one.
    return ENTITIES.get(str(given.get("type")), Artifact)(given, base, label)
