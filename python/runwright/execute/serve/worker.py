"""A worker process: loads and initialises the handler, then answers until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal

from .. import quickjson
from ..failure import Failed, describe
from . import forms
from .app import Application
from .asgi_form import Passage
from .calls import Calls
from .context import Context
from .event_form import EventForm
from .listen import BACKLOG
from .plain_form import PlainForm
from .protocol import protocol
from .replies import Failures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

log = logging.getLogger("runwright.serve")
# Connections taken at a time: the rest is left to the other workers.
_AT_ONCE = 16
# Files that a worker needs besides its connections.
_RESERVE = 100
# Seconds in which requests that were cut off are told so.
_LAST_WORDS = 1.0
STUCK = 75


class Worker:
    """One worker, in its own process.

    Args:
        number: which it is. service: the `service.Service` that it was forked from, as it was then. report: the descriptor to tell it by.
    """

    def __init__(self, number: int, service: Any, report: int) -> None:
        self.number = number
        self.settings = service.settings
        self.service = service
        self.part = service.shared.of(number)
        self._report = report
        self._server: Any = None
        self._app: Application | None = None
        self._stopping = False
        self._code = 0

    def run(self) -> int:
        """All its life; returns the exit code. What goes wrong before it answers is told to the service."""
        self.part.begin(os.getpid())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._interrupt)
        try:
            # Before the handler is loaded: what it makes for an event loop belongs to this one.
            loop = _new_loop()
            self._serve(self._prepare(loop), loop)
        except BaseException as error:
            if self._stopping:
                return 0
            self.tell({"type": "failed", "error": describe(error)})
            return 1
        return self._code

    def tell(self, message: dict[str, Any]) -> None:
        """Say something to the service."""
        data = quickjson.encode(message) + b"\n"
        while data:
            data = data[os.write(self._report, data) :]

    def _interrupt(self, _number: int, _frame: object) -> None:
        """A stop while the handler is loaded or initialised."""
        self._stopping = True
        raise SystemExit(143)

    def _prepare(self, loop: Any) -> Application:
        """Load the handler, tell its form, initialise it."""
        target = self.service.load()
        form = forms.form_of(target, self.settings.form)
        name = self.settings.name or getattr(target, "__name__", type(target).__name__)
        start = forms.initialiser(target, self.settings.init) if form != "asgi" or self.settings.init else None
        context = Context(self.service.active, name, self.number)
        bound = self.service.bound()
        taken: frozenset[str] = frozenset()
        if start is not None:
            taken = _initialise(start, context, bound, self.settings.init_parameters, loop)
        elif self.settings.init_parameters:
            message = "init_parameters are given, but the handler's module has no init(context, …)"
            raise Failed("InputError", message, "define it, or name it by `init`")
        if form == "asgi":
            return Application(self.settings, self.part, None, (Passage(target, self.settings, self.part.slots), target))
        made = EventForm(target, context) if form == "event" else PlainForm(target, context, name, (bound, taken))
        failures = Failures(self.service.hide, self.settings.debug)
        return Application(self.settings, self.part, Calls(made, failures, self.settings, self.part.slots, self._stuck), None)

    def _serve(self, app: Application, loop: Any) -> None:
        import uvicorn

        self._app = app
        config = uvicorn.Config(
            app,
            http=protocol(self.settings.head_timeout),
            lifespan="auto" if app.is_asgi else "off",
            interface="asgi3",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=app.is_asgi,
            server_header=False,
            # Beyond that there would be no file left to say no by.
            limit_concurrency=max(16, self.service.files - _RESERVE),
            backlog=BACKLOG if self.settings.workers == 1 else _AT_ONCE,
            timeout_keep_alive=self.settings.keep_alive,
            timeout_graceful_shutdown=self.settings.grace,
        )
        self._server = _server(uvicorn, config, self._ready)
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._stop)
            if self._stopping:
                return  # the signal's exception was caught by the handler's own code
            with contextlib.suppress(SystemExit):  # how newer versions end where the application does not start
                loop.run_until_complete(self._server.serve(sockets=[self.service.listener]))
            if not self._server.started and not self._stopping:
                raise _not_started(app.startup_error)
        finally:
            _close(loop)

    def _ready(self) -> None:
        self.part.ready(True)
        self.tell({"type": "ready"})

    def _stop(self, drain: float | None = None) -> None:
        """Say no to `/readyz`, go on for a little, then finish what is in flight and end."""
        if self._stopping:
            return
        self._stopping = True
        self.part.ready(False)
        self.tell({"type": "draining"})
        self._app.draining = True  # type: ignore[union-attr]
        asyncio.get_running_loop().call_later(self.settings.drain if drain is None else drain, self._end)

    def _end(self) -> None:
        self._server.should_exit = True

    def _stuck(self) -> None:
        """No place is left, and none can be made free: another process takes over."""
        log.error("every place of this worker is held by a call that timed out; it is replaced")
        self._code = STUCK
        app: Any = self._app
        app.stuck = True
        app.slots.refuse_all()
        self._server.config.timeout_graceful_shutdown = 1.0
        self._stop(0.0)

    @property
    def hangs(self) -> bool:
        """Whether threads of it never end."""
        slots = self._app.slots if self._app is not None else None
        return slots is not None and slots.lost > 0


def _server(uvicorn: Any, config: Any, on_ready: Any) -> Any:
    """uvicorn's server, with signals and an announcement of ours."""

    class Server(uvicorn.Server):  # type: ignore[misc]
        """It."""

        def install_signal_handlers(self) -> None:
            """Older versions' way to take the signals."""

        @contextlib.contextmanager
        def capture_signals(self) -> Any:
            yield

        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if self.started:
                for one in sockets or ():
                    one.listen(BACKLOG)
                on_ready()

    return Server(config)


def _initialise(start: Any, context: Context, bound: dict[str, Any], parameters: dict[str, Any], loop: Any) -> frozenset[str]:
    """Call the user's `init` with its parameters and those bound values that it names.

    Returns the names of the latter. Raises Failed where the parameters are not its; else what it raises.
    """
    import inspect

    signature = inspect.signature(start)
    taken = {name: value for name, value in bound.items() if name in signature.parameters and name not in parameters}
    try:
        signature.bind(context, **taken, **parameters)
    except TypeError as error:
        raise Failed(
            "InputError", f"{start.__name__}() cannot be called with init_parameters: {error}", "correct `init_parameters`"
        ) from None
    value = start(context, **taken, **parameters)
    if inspect.iscoroutine(value):
        loop.run_until_complete(value)
    return frozenset(taken)


def _not_started(error: BaseException | None) -> BaseException:
    if isinstance(error, Exception):
        return error
    return Failed("UserError", "the application's startup failed", "look at the log")


def _new_loop() -> Any:
    loop: Any
    try:
        import uvloop

        loop = uvloop.new_event_loop()
    except ImportError:
        loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


def _close(loop: Any) -> None:
    """The loop's end; what does not end with it is left, for the process ends, too."""
    try:
        left = asyncio.all_tasks(loop)
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=_LAST_WORDS))
        loop.run_until_complete(loop.shutdown_asyncgens())
    except Exception:
        log.debug("something did not end with the event loop", exc_info=True)


def leave(code: int, hangs: bool) -> None:
    """End the process as Python programs end; at once where a thread is known to hang. Never returns."""
    from .. import child

    try:
        if hangs:
            child._flush()
        else:
            child._wind_up()
    finally:
        os._exit(code)
