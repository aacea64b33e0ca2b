"""The engine of this process: opened at the first use, never at import, and anew in a forked child."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._core import Engine

_lock = threading.Lock()
_engine: Engine | None = None
# A parent's engine is kept in a forked child: closing it would wait for threads that do not exist there.
_of_parents: list[Engine | None] = []
_settings: dict[str, Any] = {}
_runtimes: dict[str, Any] = {}
_plugins_loaded = False


def engine() -> Engine:
    """The engine, opened if need be.

    Raises:
        StoreError: the database or the artifact store cannot be opened.
        InvalidError: a setting is wrong.
    """
    global _engine
    if _engine is None:
        with _lock:
            if _engine is None:
                opened = _open()
                for runtime in _runtimes.values():
                    opened.register_runtime(runtime)
                _engine = opened
    return _engine


def configure(**settings: Any) -> None:
    """Set `home`, `store`, `artifacts`, `url_lifetime`, `concurrency`, `image`, `profiles`, `python` for what follows; an engine that is open is left to its runs.

    Raises:
        InvalidError: a setting is wrong.
    """
    from .exceptions import InvalidError

    global _engine
    concurrency = settings.get("concurrency")
    if concurrency is not None and (not isinstance(concurrency, int) or isinstance(concurrency, bool) or concurrency < 1):
        raise InvalidError(
            f"concurrency={concurrency!r} is not a number of runs", field="concurrency", value=concurrency, cure="give 1 or more"
        )
    lifetime = settings.get("url_lifetime")
    if lifetime is not None and (not isinstance(lifetime, (int, float)) or isinstance(lifetime, bool)):
        raise InvalidError(
            f"url_lifetime={lifetime!r} is not a number of seconds",
            field="url_lifetime",
            value=lifetime,
            cure="give a number of seconds, at most 604800 (7 days)",
        )
    with _lock:
        _settings.update({name: value for name, value in settings.items() if value is not None})
        _engine = None


@contextmanager
def restored_on_error() -> Iterator[None]:
    """Settings that turn out to be wrong leave those before in force."""
    global _engine
    before, engine_before = dict(_settings), _engine
    try:
        yield
    except BaseException:
        _settings.clear()
        _settings.update(before)
        _engine = engine_before
        raise


def register(runtime: Any) -> None:
    """Add a kind of function, in this process."""
    _runtimes[runtime.kind] = runtime
    if _engine is not None:
        _engine.register_runtime(runtime)


def load_plugins() -> None:
    """Register the runtimes of installed packages (entry points `runwright.runtimes`), once."""
    global _plugins_loaded
    if _plugins_loaded:
        return
    _plugins_loaded = True
    from importlib.metadata import entry_points

    from .exceptions import RunwrightError

    for point in entry_points(group="runwright.runtimes"):
        try:
            runtime = point.load()
        except Exception as error:
            raise RunwrightError(
                f"the runtime {point.name!r} ({point.value}) cannot be loaded: {error!r}",
                cure="update or remove the package that brings it",
            ) from error
        register(runtime() if isinstance(runtime, type) else runtime)


def home() -> str:
    """The folder of everything local."""
    return str(_settings.get("home") or os.environ.get("RUNWRIGHT_HOME") or os.path.join(os.path.expanduser("~"), ".runwright"))  # noqa: PTH111, PTH118


def _open() -> Engine:
    from . import _core
    from ._profiles import known

    folder = os.path.abspath(home())  # noqa: PTH100
    store = _settings.get("store") or os.environ.get("RUNWRIGHT_STORE")
    artifacts = _settings.get("artifacts") or os.environ.get("RUNWRIGHT_ARTIFACTS")
    opened = _core.Engine(
        home=folder,
        store=str(store) if store else None,
        artifacts=str(artifacts) if artifacts else None,
        url_lifetime=_settings.get("url_lifetime") or _url_lifetime(),
        python=str(_settings.get("python") or sys.executable),
        runner=_place_runner,
        concurrency=_settings.get("concurrency") or _concurrency(),
        image=_settings.get("image") or os.environ.get("RUNWRIGHT_IMAGE"),
        runner_zip=_runner_zip,
        profiles=known(_settings.get("profiles"), folder),
        session=_session(),
    )
    from .place import default_place

    where = default_place()
    if where.get("on", "local") != "local":
        opened.visit(where["on"], where.get("place", {}))
    return opened


def _place_runner() -> str:
    from .execute.bundle import write

    return write(os.path.abspath(home()))  # noqa: PTH100


def _runner_zip() -> str:
    from .execute.bundle import write_zip

    return write_zip(os.path.abspath(home()))  # noqa: PTH100


def _url_lifetime() -> float | None:
    from .exceptions import InvalidError

    text = os.environ.get("RUNWRIGHT_URL_LIFETIME")
    try:
        return float(text) if text else None
    except ValueError:
        raise InvalidError(
            f"RUNWRIGHT_URL_LIFETIME={text!r} is not a number of seconds",
            field="RUNWRIGHT_URL_LIFETIME",
            value=text,
            cure="give a number of seconds, at most 604800 (7 days)",
        ) from None


def _concurrency() -> int:
    from .exceptions import InvalidError

    text = os.environ.get("RUNWRIGHT_CONCURRENCY")
    if text is None:
        return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if not text.isdigit() or int(text) < 1:
        raise InvalidError(
            f"RUNWRIGHT_CONCURRENCY={text!r} is not a number of runs", field="RUNWRIGHT_CONCURRENCY", value=text, cure="give 1 or more"
        )
    return int(text)


def _session() -> dict[str, Any]:
    """What provenance tells of this process."""
    session: dict[str, Any] = {"python": ".".join(map(str, sys.version_info[:3])), "command": _command()}
    from .execute.distributions import digest

    session["distributions"] = digest()
    parent = os.environ.get("RUNWRIGHT_RUN")
    if parent:
        session["parent"] = parent
    return session


def _command() -> str:
    if "ipykernel" in sys.modules:
        return "notebook"
    if not getattr(sys, "argv", None):
        return "interactive"
    # An argument may hold bytes that are no text; a record may not.
    return " ".join(sys.argv)[:1000].encode("utf-8", "replace").decode()


# How long a fork waits for what other threads are importing, in seconds: an import may itself wait for something.
_IMPORTS = 5.0


def _wait_for_imports() -> None:
    """A module that another thread is half through importing would stay so in the child, and who imports it there would wait for ever."""
    import time

    until = time.monotonic() + _IMPORTS
    while _others_import() and time.monotonic() < until:
        time.sleep(0.001)


def _others_import() -> bool:
    begun = {
        name
        for name, module in list(sys.modules.items())
        if getattr(getattr(module, "__spec__", None), "_initializing", False)  # what the import statement itself goes by
    }
    frame = sys._getframe() if begun else None
    while frame is not None:  # what this very thread imports, it cannot wait for
        if frame.f_code.co_name == "<module>":
            begun.discard(frame.f_globals.get("__name__", ""))
        frame = frame.f_back
    return bool(begun)


def _before_fork() -> None:
    _wait_for_imports()
    core = sys.modules.get(f"{__package__}._core")
    if core is not None:
        core.before_fork()


def _after_fork_in_parent() -> None:
    core = sys.modules.get(f"{__package__}._core")
    if core is not None:
        core.after_fork_in_parent()


def _forked() -> None:
    global _engine, _lock
    core = sys.modules.get(f"{__package__}._core")
    if core is not None:
        core.after_fork()
    _of_parents.append(_engine)
    _engine = None
    # Another thread of the parent may have held it.
    _lock = threading.Lock()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_forked)
