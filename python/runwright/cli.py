"""The program `runwright`. The commands are in Rust (`src/cli/`); here is its entry, and what of them needs Python."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

Record = dict[str, Any]
_INTERRUPTED = 130
_OTHER = 3


def main(arguments: list[str] | None = None) -> int:
    """Run a command and give its exit code: 0 success, 1 the run failed, 2 wrong arguments, 3 another error, 130 Ctrl-C.

    Args:
        arguments: without the program's name; those of this process by default.
    """
    try:
        from . import _core
        from ._engine import engine

        given = sys.argv[1:] if arguments is None else arguments
        # What is no text (bytes of another encoding) cannot name anything here; it is shown as `?` in what says so.
        code: int = _core.main(engine, [word.encode("utf-8", "replace").decode() for word in given])
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception:
        # A fault of ours: exit code 1 would say that a run failed.
        import traceback

        traceback.print_exc()
        return _OTHER
    return code


def define_target(target: Record) -> Record:
    """The saved version of the function that `FILE:FUNCTION` names. Nothing of it is imported.

    Args:
        target: `target`, `project`, `name` (None: the function's own), `requirements`.

    Raises:
        SourceError: the code cannot be had or does not hold the function. InvalidError: a name is wrong. NotFoundError: no such project.
    """
    from .project import Project, get_or_create_project, get_project

    code_src, handler = split_target(target["target"])
    name = target["name"] or handler.rpartition(":")[2]
    project: Project = get_or_create_project("default") if target["project"] == "default" else get_project(target["project"])
    function = project.new_function(
        name=name, kind="python", code_src=code_src, handler=handler, requirements=list(target["requirements"]) or None
    )
    return function.record


def place(on: str) -> Record:
    """Where `--on` says that something is to run: `on`, and `place` where it says more.

    Raises:
        InvalidError: there is no such place.
    """
    from .exceptions import InvalidError
    from .place import place_of

    found = place_of(on)
    if found["on"] not in ("local", "kubernetes"):
        raise InvalidError(
            f"there is no place to run called {on!r}", field="--on", value=on, cure="give local, kubernetes or kubernetes:CONTEXT/NAMESPACE"
        )
    return found


def facts() -> Record:
    """What `runwright doctor` asks of this Python: `home`, `executable`, `version`, `venv` (it can make virtual environments), `image` (RUNWRIGHT_IMAGE)."""
    import os
    from importlib.util import find_spec

    from ._engine import home

    venv = find_spec("venv") is not None and find_spec("ensurepip") is not None
    version = ".".join(map(str, sys.version_info[:3]))
    return {
        "home": str(Path(home()).absolute()),
        "executable": sys.executable,
        "version": version,
        "venv": venv,
        "image": os.environ.get("RUNWRIGHT_IMAGE"),
    }


def split_target(target: str) -> tuple[str, str]:
    """`FILE:FUNCTION` or `FOLDER:MODULE:FUNCTION`, where FILE may be a URL with colons of its own, as (code_src, handler)."""
    path, _, handler = target.partition(":")
    if Path(path).exists():
        return path, handler
    head, _, function = target.rpartition(":")
    # A URL's module: git+https://host/repository#ref:module:function
    before, colon, module = head.rpartition(":")
    if colon and "/" not in module and before.partition(":")[1]:
        return before, f"{module}:{function}"
    return head, function


def rehearse_run(function: Record, call: Record) -> list[Record]:
    """What `start_run` would hand over, checked by the place where it would execute. Arguments and errors are those of `start_run`."""
    from .functions import _of
    from .options import Call
    from .submit import submit

    return list(submit(_of(function), Call(call["parameters"], call["inputs"], {**call["options"], "dry_run": True})))


def start_run(function: Record, call: Record) -> Record:
    """Start a run of a saved version and give its record. With `options.inline` the record has ended.

    Args:
        function: the version's record. call: `parameters`, `inputs` (keys), `options` as of `Function.run`; `aside`: what an inline run prints goes
            to standard error, because standard output is for the record.

    Raises:
        InvalidError: an argument is wrong. NotFoundError: a key names nothing. Nothing was created then.
    """
    import contextlib

    from .functions import _of
    from .options import Call
    from .submit import submit

    with contextlib.redirect_stdout(sys.stderr) if call["aside"] else contextlib.nullcontext():
        run = submit(_of(function), Call(call["parameters"], call["inputs"], call["options"]))
    # What follows is printed by Rust, past Python's buffer.
    sys.stdout.flush()
    return run.record
