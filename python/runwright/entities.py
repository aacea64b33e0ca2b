"""Artifact, Dataitem, Model: tracked data, with a key, versions and lineage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._engine import engine
from .asynchronous import AsyncVerbs
from .exceptions import InvalidError, MaterializeError

if TYPE_CHECKING:
    import os

Record = dict[str, Any]


class Entity(AsyncVerbs):
    """What the three have in common.

    Attributes:
        key (str): `store://<project>/<type>/<kind>/<name>:<id>`. project, name, kind, id (str). path (str): where its bytes are.
        spec (dict): how they are read: format, size (bytes), sha256, schema, preview, …
    """

    type = "entity"

    def __init__(self, record: Record) -> None:
        self.record = record

    @property
    def key(self) -> str:
        return str(self.record["key"])

    @property
    def project(self) -> str:
        return str(self.record["project"])

    @property
    def name(self) -> str:
        return str(self.record["name"])

    @property
    def kind(self) -> str:
        return str(self.record["kind"])

    @property
    def id(self) -> str:
        return str(self.record["id"])

    @property
    def path(self) -> str:
        return str(self.record["path"])

    @property
    def spec(self) -> Record:
        return dict(self.record["spec"])

    @property
    def metrics(self) -> Record:
        return dict(self.record["metrics"])

    @property
    def producer(self) -> str | None:
        """The key of the run that made it."""
        return self.record["producer"]

    def load(self) -> Any:
        """The value, read back equal to what was written: a data frame, an array, a model, …

        Raises:
            MaterializeError: a library is missing, or it is a pickle of another Python. NotFoundError: the bytes are gone.
        """
        from .values import read_descriptor

        path = engine().fetch_entity(self.key).wait()
        return read_descriptor({**self.spec, "type": self.type, "kind": self.kind}, str(path))

    def download(self, destination: str | os.PathLike[str] | None = None, *, overwrite: bool = False) -> str:
        """Copy the bytes to a file or folder here (the working folder by default) and return the file's path.

        Raises:
            InvalidError: the file exists and `overwrite` is False. NotFoundError: the bytes are gone.
        """
        target = Path(destination) if destination is not None else Path.cwd()
        wanted = None if target.is_dir() or (not target.suffix and not target.exists()) else target
        folder = target if wanted is None else target.parent
        name = Path(self.path).name or self.name
        final = wanted or folder / name
        if final.exists() and not overwrite:
            raise InvalidError(f"{final} exists", field="destination", value=str(final), cure="give overwrite=True, or another destination")
        got = Path(str(engine().fetch_entity(self.key, str(folder)).wait()))
        if got != final:
            got.replace(final)
        return str(final)

    def lineage(self) -> Record:
        """`{"key", "made_by": run key or None, "read_by": [run keys]}`."""
        lineage: Record = engine().lineage(self.key).wait()
        return lineage

    def log_metric(self, name: str, value: float) -> None:
        """Note a metric on it."""
        self.log_metrics({name: value})

    def log_metrics(self, metrics: dict[str, Any]) -> None:
        """Note metrics on it; a name that is there already takes the new value."""
        self.record = engine().update_entity({**self.record, "metrics": {**self.metrics, **metrics}}).wait()

    def versions(self) -> list[Entity]:
        """All versions of its name, the newest first."""
        return [of_record(record) for record in engine().entities(project=self.project, type=self.type, name=self.name).wait()]

    def refresh(self) -> Entity:
        """Look at the record again; gives itself."""
        self.record = engine().entity(self.key).wait()
        return self

    def delete(self) -> None:
        """Delete this version, and its bytes where Runwright keeps them."""
        engine().delete_entity(self.key).wait()

    def to_dict(self) -> Record:
        """The whole record, plain data."""
        return {"entity": self.type, **self.record}

    def export(self, path: str | None = None) -> str:
        """Write the record as YAML (to `<name>.yaml` by default) and return the path."""
        from .exports import export

        return export(self.to_dict(), path or f"{self.name}.yaml")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entity) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        from .display.text import entity_text

        return entity_text(self.record)

    def _repr_html_(self) -> str:
        from .display.html import entity_html

        try:
            lineage = self.lineage()
        except Exception:  # it was deleted, or the store is away: a repr must not fail
            lineage = None
        return entity_html(self.record, lineage)


class Artifact(Entity):
    """A tracked file, array, figure, text, … of any kind."""

    type = "artifact"
    __runwright_entity__ = "artifact"


class Dataitem(Entity):
    """A tracked table."""

    type = "dataitem"
    __runwright_entity__ = "dataitem"

    def as_df(self, engine: str = "pandas") -> Any:
        """The table as a data frame of `engine`: "pandas", "polars" or "pyarrow".

        Raises:
            MaterializeError: the library is not installed, or it is no table.
        """
        from . import materialize
        from ._engine import engine as core

        path = str(core().fetch_entity(self.key).wait())
        descriptor = {"format": Path(path).suffix.removeprefix("."), **self.spec, "type": self.type, "kind": self.kind, "path": path}
        try:
            return materialize.as_df(descriptor, "/", engine)
        except materialize.MaterializeFailed as error:
            raise MaterializeError(error.message, cure=error.cure) from error


class Model(Entity):
    """A tracked model."""

    type = "model"
    __runwright_entity__ = "model"


_CLASSES: dict[str, type[Entity]] = {"artifact": Artifact, "dataitem": Dataitem, "model": Model}


def of_record(record: Record) -> Entity:
    """The object for a record."""
    return _CLASSES[record["type"]](record)


def by_key(key: str) -> Entity:
    """The entity of a key; without an id the newest version.

    Raises:
        InvalidError: it is no key. NotFoundError: it names nothing.
    """
    return of_record(engine().entity(key).wait())


def log(
    project: str,
    type: str,
    name: str,
    *,
    kind: str | None,
    data: Any = None,
    source: str | os.PathLike[str] | None = None,
    path: str | None = None,
    description: str = "",
    labels: list[str] | None = None,
    producer: str | None = None,
) -> Entity:
    """Save an entity from a value (`data`), a file or folder whose bytes are taken in (`source`), or what stays where it is (`path`).

    Raises:
        InvalidError: not exactly one of the three, or a name that is none. MaterializeError: the value cannot be written. NotFoundError: no such file.
    """
    given = [field for field, value in (("data", data), ("source", source), ("path", path)) if value is not None]
    if len(given) != 1:
        raise InvalidError(
            f"{type} {name!r}: {' and '.join(given) or 'nothing'} given",
            field="data",
            cure="give one of data= (a value), source= (a file or folder, taken in) or path= (where it is and stays)",
        )
    entity: Record = {
        "project": project,
        "type": type,
        "name": name,
        "description": description,
        "labels": labels or [],
        "producer": producer,
    }
    if path is not None:
        file = Path(path)
        entity["spec"] = {"format": file.suffix.removeprefix(".")} if file.suffix else {}
        return of_record(
            engine().save_entity({**entity, "kind": kind or _default(type), "path": path if "://" in path else str(file.absolute())}).wait()
        )
    return _take_in(entity, kind, name, data if source is None else Path(source))


def _take_in(entity: Record, kind: str | None, name: str, value: Any) -> Entity:
    import tempfile

    from . import materialize

    with tempfile.TemporaryDirectory() as folder:
        try:
            # A plain value is kept as a file, too: an entity is bytes.
            descriptor = materialize.write(value, folder, name, name=name, role=str(entity["type"]), inline=False)
        except materialize.MaterializeFailed as error:
            raise MaterializeError(error.message, field="data", value=type(value).__name__, cure=error.cure) from error
        file = Path(folder) / descriptor.pop("path")
        descriptor.pop("type")
        found = descriptor.pop("kind")
        if entity["type"] == "dataitem" and found == "file":
            found = "table"
        return of_record(engine().save_entity({**entity, "kind": kind or found, "spec": descriptor}, str(file), False).wait())


def _default(type: str) -> str:
    return {"dataitem": "table", "model": "model"}.get(type, "artifact")
