"""Records of the `logging` module, sent whole so that level and logger survive; only where the user configured nothing."""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: SIM105

from __future__ import annotations

import sys

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any


def capture(send: Any) -> None:
    """Once `logging` is imported, give it a handler of last resort that sends records, and the root logger the level INFO.

    `logging` itself is not imported for this: that would cost every run several milliseconds.

    Args:
        send: called with (level name, logger name, text).
    """
    if "logging" in sys.modules:
        _install(sys.modules["logging"], send)
    else:
        sys.meta_path.insert(0, _Finder(send))


class _Finder:
    """Steps aside after it has seen `logging` being imported."""

    def __init__(self, send: Any) -> None:
        self._send = send

    def find_spec(self, name: Any, path: Any = None, _target: Any = None) -> Any:
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        from importlib.util import find_spec

        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            execute, send = spec.loader.exec_module, self._send

            def exec_module(module: Any) -> None:
                execute(module)
                _install(module, send)

            try:
                spec.loader.exec_module = exec_module  # type: ignore[method-assign]
            except AttributeError:
                pass  # a frozen module's loader: records then go to stderr, as they do elsewhere
        return spec


def _install(logging: Any, send: Any) -> None:
    class Sender(logging.Handler):  # type: ignore[misc]
        """Sends records to the supervisor."""

        def emit(self, record: Any) -> None:
            try:
                send(record.levelname, record.name, self.format(record))
            except Exception:
                self.handleError(record)

    configure = logging.basicConfig

    def basic_config(**settings: Any) -> None:
        """As in the standard library; where only a level is set (`logging.info` itself calls it with nothing), records stay records."""
        if logging.root.handlers or set(settings) - {"level"}:
            configure(**settings)
        elif settings.get("level") is not None:
            logging.root.setLevel(settings["level"])

    logging.basicConfig = basic_config
    logging.lastResort = Sender(logging.NOTSET)
    if not logging.root.handlers and logging.root.level == logging.WARNING:
        logging.root.setLevel(logging.INFO)
