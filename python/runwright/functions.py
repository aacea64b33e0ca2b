"""Function: the logical description of something executable, with versions and actions."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from ._engine import engine
from .asynchronous import AsyncVerbs
from .exceptions import InvalidError
from .options import Call, parameter_names, split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .run import Run
    from .run_list import RunList

Record = dict[str, Any]


class Function(AsyncVerbs):
    """A function that can be run, tracked.

    Made by `rw.function` (from a Python function; calling the object calls it plainly, untracked), by `rw.container` or by `project.new_function`.

    Attributes:
        name (str), kind (str): what it is called and what it is.
    """

    __runwright_function__ = True

    def __init__(
        self,
        project: str | None,
        name: str,
        kind: str,
        *,
        record: Record | None = None,
        fn: Callable[..., Any] | None = None,
        **defined: Any,
    ):
        # None: the session's, as it is when the function is used.
        self._project = project
        self.name = name
        self.kind = kind
        self.fn = fn
        # The options given where it was defined; a run's own come before them.
        self.options: dict[str, Any] = defined.pop("options", {})
        self._defined = defined
        self._record = record
        self._captured: Any = None
        if fn is not None:
            functools.update_wrapper(self, fn)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the Python function plainly: nothing is tracked.

        Raises:
            InvalidError: it was not made from a Python function at hand.
        """
        if self.fn is None:
            raise InvalidError(f"{self.name} is not a Python function of this process", field="call", cure=f"run it: {self.name}.run(…)")
        return self.fn(*args, **kwargs)

    @property
    def project(self) -> str:
        """Where it belongs."""
        from .session import default_project

        return self._project or default_project()

    @property
    def record(self) -> Record:
        """The version as it is saved: `project, name, kind, version, spec, description, labels, created`. Saved first if need be."""
        return self._define() if self._record is None else self._record

    @property
    def version(self) -> str:
        """The content digest that names the version (64 hexadecimal digits)."""
        return str(self.record["version"])

    @property
    def spec(self) -> Record:
        """What the version says: source, handler, requirements, …"""
        return dict(self.record["spec"])

    @property
    def key(self) -> str:
        """`store://<project>/function/<kind>/<name>:<version>`."""
        return f"store://{self.project}/function/{self.kind}/{self.name}:{self.version}"

    @property
    def actions(self) -> list[str]:
        """What can be done with it; the first is the default."""
        return engine().actions(self.kind)

    @property
    def source(self) -> str:
        """The source of the version, as text: its main file, or every file under a heading."""
        files = (self.spec.get("source") or {}).get("files", {})
        if len(files) == 1:
            return str(next(iter(files.values())))
        return "\n".join(f"# ---- {name}\n{text}" for name, text in files.items())

    def versions(self) -> list[Function]:
        """All versions, the newest first."""
        return [_of(record) for record in engine().functions(self.project, self.name).wait()]

    def run(self, *args: Any, **kwargs: Any) -> Run:
        """Run it, tracked, and return at once.

        Args:
            *args, **kwargs: the function's own arguments, by place or by name. A `Run`, one of its outputs (`run["name"]`) or an entity may
                be given: it is waited for where the run executes, and recorded as lineage.
            action (str): what to do; the kind's first action by default.
            parameters (dict), inputs (dict): arguments by name, in the platform's form. `inputs` takes keys, entities and runs.
            on (str): the place to run: `local` by default.
            inline (bool), local_execution (bool): `inline=True` executes in this process, for debugging, equally tracked; `local_execution=True` means `on="local"`.
            wait (bool): return when the run has ended.
            cache (bool): a completed run of the same version, parameters and inputs will do.
            dry_run (bool): check it as far as the place where it would execute, and give what would be handed over (`Manifests`); nothing is recorded.
            timeout (float): seconds an attempt may take. grace (float): seconds between TERM and KILL when it is stopped.
            retries (int | dict): attempts after the first; `{"limit", "delay", "factor", "max_delay"}` (seconds) sets the back-off.
            resources (dict): `cpu`, `mem`, `gpu`, `disk`. envs (dict): environment. secrets (list[str]): names of secrets to have in the environment.
            labels (list[str]): to find it by.

        Raises:
            InvalidError: an argument is wrong, missing or unknown. NotFoundError: a key names nothing.
            CaptureError, SourceError: the code cannot travel. MaterializeError: an argument cannot be written. Nothing was created then.
        """
        from .submit import submit

        return submit(self, split(self, args, kwargs))

    async def run_async(self, *args: Any, **kwargs: Any) -> Run:
        """As `run`, in the running event loop."""
        from .submit import submit_async

        return await submit_async(self, split(self, args, kwargs))

    def build(self, **settings: Any) -> Run:
        """Make an image of it, as a tracked run; later runs on Kubernetes (of a container, everywhere) use the image.

        Args:
            target (str): where the image goes: `registry.example/team/image`; by default below RUNWRIGHT_REGISTRY.
            base_image (str): what it is built on.
            instructions (list[str]): commands (`apt-get install -y git`) and instructions of a Dockerfile (`ENV A=b`), executed in order.
            dockerfile (str | Path): the text of a Dockerfile, or its path; the function's code is its context.
            secrets (list[str]): names of secrets that instructions see as variables, and no image has. credentials (str): that of them which is the
                text of a docker config.json, the login of registries.
            buildkit (str): where a BuildKit is that executes instructions: `tcp://host:1234`; RUNWRIGHT_BUILDKIT by default.
            force (bool): build also what was built before.
            **settings: all others of docs/building.md, and the options of `run`: on, wait, dry_run, timeout, resources, …

        Returns:
            The run. Its results: `image` (with its digest), `tag`, `digest`, `size`, `cached`, …

        Raises:
            InvalidError: a setting is wrong, or the namespace does not allow what the build needs. Nothing was created then.
        """
        return self.run(action="build", **settings)

    def map(self, items: Iterable[Any], /, **kwargs: Any) -> RunList:
        """Run it once for each item, in their order.

        Args:
            items: a dict each (arguments by name), or any other value (the first parameter).
            **kwargs: arguments and options that all share, as for `run`.

        Returns:
            The runs, in the order of the items: `.wait()`, `.results()`, `.failed`, `.rerun_failed()`.

        Raises: as `run`; either all runs are created or none.
        """
        from .submit import numbered, submit_map

        if isinstance(items, (str, bytes, dict)) or not hasattr(items, "__iter__"):
            raise InvalidError(
                f"items={items!r} is not a list of items",
                field="items",
                value=items,
                cure=f'give a list with a dict for each run: {self.name}.map([{{"name": value}}, …])',
            )
        parameter_names(self)  # what is wrong with the function itself is not an item's fault
        calls = []
        for index, item in enumerate(items):
            with numbered(index):
                calls.append(split(self, *_item(item, kwargs)))
        return submit_map(self, calls)

    def delete(self, *, all_versions: bool = False) -> None:
        """Delete this version, or all. Runs stay.

        Raises:
            NotFoundError: it was deleted already.
        """
        engine().delete_function(self.project, self.name, None if all_versions else self.version).wait()

    def to_dict(self) -> Record:
        """The whole record, plain data."""
        return {"entity": "function", **self.record}

    def export(self, path: str | None = None) -> str:
        """Write the version as YAML (to `<name>.yaml` by default) and return the path."""
        from .exports import export

        return export(self.to_dict(), path or f"{self.name}.yaml")

    def _define(self) -> Record:
        from .define import define_captured, define_when_used

        return define_captured(self) if self.fn is not None else define_when_used(self)

    def __repr__(self) -> str:
        from .display.text import function_text

        return function_text(self)

    def _repr_html_(self) -> str:
        from .display.html import function_html

        return function_html(self)


def _item(item: Any, shared: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(item, dict):
        return (), {**shared, **item}
    return (item,), dict(shared)


def _of(record: Record) -> Function:
    return Function(record["project"], record["name"], record["kind"], record=record)


__all__ = ["Call", "Function"]
