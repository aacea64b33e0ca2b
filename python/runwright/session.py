"""What concerns the session as a whole: where things are kept and run, and how runs are found again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ._engine import configure, engine, restored_on_error
from .exceptions import InvalidError
from .place import set_default

if TYPE_CHECKING:
    from .differences import Differences
    from .entities import Entity
    from .functions import Function
    from .run import Run
    from .run_list import RunList

Record = dict[str, Any]
_project: str | None = None


def use(
    on: str | None = None,
    *,
    context: str | None = None,
    namespace: str | None = None,
    image: str | None = None,
    profiles: dict[str, Record] | str | os.PathLike[str] | None = None,
    project: str | None = None,
    home: str | os.PathLike[str] | None = None,
    store: str | None = None,
    artifacts: str | None = None,
    url_lifetime: float | None = None,
    concurrency: int | None = None,
) -> None:
    """Set what holds for the rest of the session.

    Args:
        on: the place to run: "local" or "kubernetes" (RUNWRIGHT_ON). project: the project of functions defined from now on.
        context, namespace: of the kubeconfig (its current context, and that context's namespace). image: for Python functions that name none
            (RUNWRIGHT_IMAGE, the official Python image of this Python's version).
        profiles: what runs say that name one (`profile="large"`), by name: `{"large": {"resources": {"mem": "16Gi"}, "node_selector": {…}}}`, or the path of
            a YAML file with that (RUNWRIGHT_PROFILES, `profiles.yaml` in the home, under those given here). What a run says itself wins.
        home: the folder of everything local (RUNWRIGHT_HOME, `~/.runwright`). store: the database (RUNWRIGHT_STORE): a path or `postgresql://…`.
        artifacts: where bytes are kept (RUNWRIGHT_ARTIFACTS): a folder, `s3://…`, `gs://…`, `az://…`.
        url_lifetime: how many seconds the presigned URLs live by which pods reach a bucket (RUNWRIGHT_URL_LIFETIME; as long as they can, 7 days):
            a run that waits longer in a queue does not start.
        concurrency: how many runs execute at a time on this machine (RUNWRIGHT_CONCURRENCY, the number of cores).

    Raises:
        InvalidError: a value is wrong. StoreError: the store cannot be opened.
    """
    global _project
    if on is not None:
        known = ("local", "kubernetes")
        if not isinstance(on, str) or on.partition(":")[0] not in known:
            raise InvalidError(f"there is no place to run called {on!r}", field="on", value=on, cure='use "local" or "kubernetes"')
    for field, value in (("home", home), ("store", store), ("artifacts", artifacts)):
        if value is not None and not isinstance(value, (str, os.PathLike)):
            raise InvalidError(f"{field}={value!r} is not a path or URL", field=field, value=value, cure="give text")
    with restored_on_error():
        configure(
            home=home, store=store, artifacts=artifacts, url_lifetime=url_lifetime, concurrency=concurrency, image=image, profiles=profiles
        )
        set_default(on, context, namespace)
        if any(setting is not None for setting in (home, store, artifacts, url_lifetime, image, profiles)):
            engine()
    if project is not None:
        engine().project(project, True).wait()
        _project = project


def default_project() -> str:
    """The project of functions that name none: of `use`, RUNWRIGHT_PROJECT, or "default"."""
    return _project or os.environ.get("RUNWRIGHT_PROJECT") or "default"


def attach(key: str | Run) -> Run:
    """The run of a key, an id or the beginning of one, from any process on this machine or with the same store.

    Raises:
        InvalidError: it is no key. NotFoundError: there is no such run.
    """
    from .run import Run

    return Run(engine().run(_of_run(key)).wait())


def _of_run(run: Any) -> str:
    """The key or id that something names a run by."""
    from .run import Run

    if isinstance(run, Run):
        return run.id
    if not isinstance(run, str):
        raise InvalidError(
            f"{run!r} names no run",
            field="run",
            value=run,
            cure="give a run, its key (store://…), or the first 6 or more characters of its id",
        )
    return run


def runs(
    function: str | Function | None = None,
    state: str | None = None,
    *,
    project: str | None = None,
    limit: int | None = 100,
    before: str | None = None,
    map: str | None = None,
    open: bool = False,
) -> RunList:
    """Runs, the newest first.

    Args:
        function: of that name, or that function. state: in that state, e.g. "ERROR". project: of that project; "*" of all. map: of that fan-out.
        limit: how many at most (None: all). before: older than the run of that id, for the next page. open: only those that have not ended.

    Raises:
        InvalidError: no such state. NotFoundError: no such project or function.
    """
    from .run import Run
    from .run_list import RunList

    name: Any = getattr(function, "name", function)
    for field, value, meaning in (
        ("function", name, "the name of a function"),
        ("state", state, 'a state, such as "ERROR"'),
        ("project", project, "the name of a project"),
    ):
        if value is not None and not isinstance(value, str):
            raise InvalidError(f"{field}={value!r} is not {meaning}", field=field, value=value, cure=f"give {meaning}")
    if limit is not None and (not isinstance(limit, int) or limit < 0):
        raise InvalidError(f"limit={limit!r} is not a number of runs", field="limit", value=limit, cure="give 0 or more, or None for all")
    where = None if project == "*" else project or default_project()
    found = engine().runs(project=where, function=name, state=state, map=map, open=open, before=before, limit=limit).wait()
    return RunList(Run(record) for record in found)


def get_entity(key: str) -> Entity:
    """The artifact, dataitem or model of a key; without an id in it, the newest version.

    Raises:
        InvalidError: it is no key. NotFoundError: it names nothing.
    """
    from .entities import by_key

    return by_key(key)


def diff(left: Run | str, right: Run | str) -> Differences:
    """What tells two runs apart: version, parameters, inputs, results, metrics, provenance, …"""
    from .differences import Differences

    a, b = _of_run(left), _of_run(right)
    return Differences(a, b, engine().compare(a, b).wait())


def sync() -> Record:
    """Bring the store up to date with what really runs; finds the runs that the store has lost. Gives `{"found", "updated"}`."""
    done: Record = engine().sync().wait()
    return done


def gc(older_than: float = 7 * 24 * 3600, *, dry_run: bool = False) -> Record:
    """Remove the folders of runs that ended `older_than` seconds ago (records, logs and outputs stay) and what killed clients left.

    Gives `{"runs": [keys], "paths": [paths]}`; with `dry_run` of what would be removed.
    """
    done: Record = engine().gc(older_than, dry_run).wait()
    return done


def import_yaml(path: str | os.PathLike[str]) -> Any:
    """Import what `.export()` wrote: a project, function, run, artifact, dataitem or model. Gives its object.

    Raises:
        InvalidError: the file is no export.
    """
    from .exports import import_file

    return import_file(path)
