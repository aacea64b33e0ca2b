"""Project: a namespace of names, in the platform's form."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._engine import engine, home
from .asynchronous import AsyncVerbs
from .exceptions import InvalidError

if TYPE_CHECKING:
    from .entities import Artifact, Dataitem, Entity, Model
    from .functions import Function
    from .run import Run
    from .run_list import RunList

Record = dict[str, Any]


class Project(AsyncVerbs):
    """A project: its functions, runs, artifacts, dataitems and models.

    Attributes:
        name (str), record (dict).
    """

    def __init__(self, record: Record) -> None:
        self.record = record

    @property
    def name(self) -> str:
        return str(self.record["name"])

    # ---- functions

    def new_function(
        self,
        name: str,
        kind: str,
        *,
        code_src: str | None = None,
        code: str | None = None,
        handler: str | None = None,
        requirements: list[str] | None = None,
        image: str | None = None,
        **spec: Any,
    ) -> Function:
        """Define a function and save its version; the same description gives the same version.

        Args:
            name: what it is called. kind: "python", "container", or what a plug-in brings.
            code_src: a local file or folder, `git+https://…#ref`, `https://…`, `zip+https://…` or `zip+s3://…`. code: the source itself.
            handler: `function` or `module:function`. requirements: as in requirements.txt.
            image: what a container is started from; for python, where places run images.
            **spec: what else the kind knows (of a container: `command`, `args`, `image_pull_policy`, …); `description` and `labels`.

        Raises:
            InvalidError: a field is wrong. SourceError: the code cannot be had or does not hold the handler. Nothing was created then.
        """
        from .define import define_described
        from .functions import _of

        record = define_described(
            self.name, name, kind, code=code, code_src=code_src, handler=handler, requirements=requirements, image=image, **spec
        )
        return _of(record)

    def get_function(self, name: str, version: str | None = None) -> Function:
        """The function of that name or key; its newest version, or the one whose digest begins with `version`."""
        from .functions import _of

        if name.startswith("store://"):
            name, _, found = name.rsplit("/", 1)[-1].partition(":")
            version = version or found or None
        return _of(engine().function(self.name, name, version).wait())

    def list_functions(self) -> list[Function]:
        """The newest version of every function, by name."""
        from .functions import _of

        return [_of(record) for record in engine().functions(self.name).wait()]

    def delete_function(self, name: str, version: str | None = None) -> None:
        """Delete a version, or all versions. Runs stay."""
        engine().delete_function(self.name, name, version).wait()

    # ---- runs

    def get_run(self, key: str) -> Run:
        """The run of a key or an id."""
        from .session import attach

        return attach(key)

    def list_runs(self, function: str | None = None, state: str | None = None, **filters: Any) -> RunList:
        """Its runs, the newest first; filters as for `rw.runs`."""
        from .session import runs

        return runs(function, state, project=self.name, **filters)

    def delete_run(self, key: str) -> None:
        """Delete a run that has ended."""
        engine().delete_run(key).wait()

    # ---- artifacts, dataitems, models

    def new_artifact(self, name: str, kind: str | None = None, *, path: str, **more: Any) -> Artifact:
        """Register an artifact whose bytes are, and stay, at `path` (a file or a URL)."""
        return self._log("artifact", name, kind, path=path, **more)

    def new_dataitem(self, name: str, kind: str | None = None, *, path: str, **more: Any) -> Dataitem:
        """Register a dataitem whose bytes are, and stay, at `path` (a file or a URL)."""
        return self._log("dataitem", name, kind, path=path, **more)

    def new_model(self, name: str, kind: str | None = None, *, path: str, **more: Any) -> Model:
        """Register a model whose bytes are, and stay, at `path` (a file or a URL)."""
        return self._log("model", name, kind, path=path, **more)

    def log_artifact(self, name: str, kind: str | None = None, *, data: Any = None, source: str | None = None, **more: Any) -> Artifact:
        """Save an artifact: of a value (`data`) or of a file or folder (`source`), whose bytes are taken into the artifact store."""
        return self._log("artifact", name, kind, data=data, source=source, **more)

    def log_dataitem(self, name: str, kind: str | None = None, *, data: Any = None, source: str | None = None, **more: Any) -> Dataitem:
        """Save a dataitem: of a data frame (`data`) or of a file (`source`)."""
        return self._log("dataitem", name, kind, data=data, source=source, **more)

    def log_model(self, name: str, kind: str | None = None, *, data: Any = None, source: str | None = None, **more: Any) -> Model:
        """Save a model: of an object (`data`) or of a file or folder (`source`)."""
        return self._log("model", name, kind, data=data, source=source, **more)

    def get_artifact(self, name: str) -> Artifact:
        """The artifact of a key, or the newest of a name."""
        return self._get("artifact", name)

    def get_dataitem(self, name: str) -> Dataitem:
        """The dataitem of a key, or the newest of a name."""
        return self._get("dataitem", name)

    def get_model(self, name: str) -> Model:
        """The model of a key, or the newest of a name."""
        return self._get("model", name)

    def list_artifacts(self, name: str | None = None) -> list[Artifact]:
        """Every version of its artifacts (of one name), the newest first."""
        return self._list("artifact", name)

    def list_dataitems(self, name: str | None = None) -> list[Dataitem]:
        """Every version of its dataitems (of one name), the newest first."""
        return self._list("dataitem", name)

    def list_models(self, name: str | None = None) -> list[Model]:
        """Every version of its models (of one name), the newest first."""
        return self._list("model", name)

    def delete_artifact(self, name: str) -> None:
        """Delete the artifact of a key, or the newest of a name."""
        self.get_artifact(name).delete()

    def delete_dataitem(self, name: str) -> None:
        """Delete the dataitem of a key, or the newest of a name."""
        self.get_dataitem(name).delete()

    def delete_model(self, name: str) -> None:
        """Delete the model of a key, or the newest of a name."""
        self.get_model(name).delete()

    # ---- secrets

    def new_secret(self, name: str, *, secret_value: str | None = None, reference: str | None = None) -> None:
        """Say where a secret is: `env:NAME`, `file:/path`; or give its value, which is kept in a file that only you may read.

        Records hold the reference, never the value.

        Raises:
            InvalidError: neither or both are given, or the reference is none.
        """
        if (secret_value is None) == (reference is None):
            raise InvalidError(f"secret {name!r}: give either secret_value= or reference=", field="secret_value", cure="give one of them")
        if not name.isidentifier():
            raise InvalidError(
                f"secret {name!r} is not a name of an environment variable", field="name", value=name, cure="use letters, digits and '_'"
            )
        if secret_value is not None:
            file = Path(home()).absolute() / "secrets" / self.name / name
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as opened:
                opened.write(secret_value)
            reference = f"file:{file}"
        assert reference is not None
        if reference.split(":", 1)[0] not in ("env", "file"):
            raise InvalidError(f"{reference!r} is no reference", field="reference", value=reference, cure="use env:NAME or file:/path")
        self._update(secrets={**engine().project(self.name, False).wait()["secrets"], name: reference})

    def list_secrets(self) -> dict[str, str]:
        """The references of its secrets, by name."""
        return dict(engine().project(self.name, False).wait()["secrets"])

    def delete_secret(self, name: str) -> None:
        """Forget a secret, and its file where Runwright keeps one."""
        secrets = self.list_secrets()
        secrets.pop(name, None)
        (Path(home()).absolute() / "secrets" / self.name / name).unlink(missing_ok=True)
        self._update(secrets=secrets)

    # ---- itself

    def delete(self) -> None:
        """Delete the project with all that is in it, bytes too.

        Raises:
            ConflictError: runs go on in it.
        """
        delete_project(self.name)

    def to_dict(self) -> Record:
        """The project with the newest version of each function, plain data."""
        return {
            "entity": "project",
            **self.record,
            "functions": engine().functions(self.name).wait(),
            "entities": engine().entities(project=self.name).wait(),
        }

    def export(self, path: str | None = None) -> str:
        """Write the project as YAML (to `<name>.yaml` by default) and return the path."""
        from .exports import export

        return export(self.to_dict(), path or f"{self.name}.yaml")

    def _update(self, **fields: Any) -> None:
        self.record = engine().update_project({**engine().project(self.name, False).wait(), **fields}).wait()

    def _log(self, type: str, name: str, kind: str | None, **given: Any) -> Any:
        from .entities import log
        from .tracking import current

        active = current()
        return log(self.name, type, name, kind=kind, producer=active.key if active is not None else None, **given)

    def _get(self, type: str, name: str) -> Any:
        from .entities import by_key, of_record

        return by_key(name) if name.startswith("store://") else of_record(engine().entity_by_name(self.name, type, name).wait())

    def _list(self, type: str, name: str | None) -> Any:
        from .entities import of_record

        found: list[Entity] = [of_record(record) for record in engine().entities(project=self.name, type=type, name=name).wait()]
        return found

    def __repr__(self) -> str:
        from .display.text import project_text

        return project_text(self)

    def _repr_html_(self) -> str:
        from .display.html import project_html

        return project_html(self)


def get_or_create_project(name: str) -> Project:
    """The project of that name, made if need be.

    Raises:
        InvalidError: it is no name.
    """
    return Project(engine().project(name, True).wait())


def get_project(name: str) -> Project:
    """The project of that name.

    Raises:
        NotFoundError: there is none; tells of close names.
    """
    return Project(engine().project(name, False).wait())


def list_projects() -> list[Project]:
    """All projects, by name."""
    return [Project(record) for record in engine().projects().wait()]


def delete_project(name: str) -> None:
    """Delete a project with all that is in it.

    Raises:
        NotFoundError: there is none. ConflictError: runs go on in it.
    """
    engine().delete_project(name).wait()
    import shutil

    shutil.rmtree(Path(home()).absolute() / "secrets" / name, ignore_errors=True)
