"""YAML out and in, of every entity."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._engine import engine
from .exceptions import InvalidError, NotFoundError

if TYPE_CHECKING:
    import os

Record = dict[str, Any]
_LARGEST = 16 * 1024 * 1024


def export(record: Record, path: str) -> str:
    """Write a record as YAML and return the path.

    Raises:
        InvalidError: its folder does not exist.
    """
    from ._core import to_yaml

    file = Path(path)
    if not file.parent.is_dir():
        raise InvalidError(
            f"{file} cannot be written: there is no folder {file.parent}", field="path", value=str(path), cure="make the folder first"
        )
    partial = file.with_name(f".{file.name}.partial")
    partial.write_text(to_yaml(record), encoding="utf-8")
    partial.replace(file)
    return str(file)


def import_file(path: str | os.PathLike[str]) -> Any:
    """Save what a file describes and give its object.

    Raises:
        InvalidError: the file is too large, no YAML, a bomb, or describes nothing that is known.
    """
    from ._core import from_yaml

    file = Path(path)
    if not file.is_file():
        raise NotFoundError(f"there is no file {file}", field="path", value=str(file), cure="give the path of a file that .export() wrote")
    if file.stat().st_size > _LARGEST:
        raise InvalidError(
            f"{file} has more than {_LARGEST} bytes", field="path", value=str(file), cure="exports are smaller: is it the right file?"
        )
    record = from_yaml(file.read_text(encoding="utf-8"))
    kind = record.get("entity") if isinstance(record, dict) else None
    if kind not in _IMPORTS:
        raise InvalidError(
            f"{file} describes no {' or '.join(_IMPORTS)}",
            field="entity",
            value=kind,
            cure="give a file that .export() wrote: it has a field `entity`",
        )
    del record["entity"]
    try:
        return _IMPORTS[kind](record)
    except (KeyError, TypeError) as error:
        raise InvalidError(f"{file} lacks what a {kind} needs: {error}", field="path", value=str(file), cure="export it again") from error


def _project(record: Record) -> Any:
    from .project import Project

    functions, entities = record.pop("functions", []), record.pop("entities", [])
    own = {name: record[name] for name in ("description", "labels", "secrets")}
    project = Project(engine().update_project({**engine().project(record["name"], True).wait(), **own}).wait())
    for one in functions:
        _function(one)
    for one in entities:
        _entity(one)
    return project


def _function(record: Record) -> Any:
    from .functions import _of

    fields = ("project", "name", "kind", "spec", "description", "labels")
    # Read whole before anything is made.
    defining = engine().define({field: record[field] for field in fields})
    engine().project(record["project"], True).wait()
    return _of(defining.wait())


def _entity(record: Record) -> Any:
    from .entities import of_record

    saving = engine().save_entity(record)
    engine().project(record["project"], True).wait()
    return of_record(saving.wait())


def _run(record: Record) -> Any:
    from .run import Run

    importing = engine().import_run(record)
    engine().project(record["project"], True).wait()
    return Run(importing.wait())


_IMPORTS = {"project": _project, "function": _function, "artifact": _entity, "dataitem": _entity, "model": _entity, "run": _run}
