"""What `init` and handlers get as `context`, and requests as `event`."""

from __future__ import annotations

import datetime
import json
import uuid

from .body import form, from_json, is_json, texts
from .exchange import JSON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .exchange import Request


class Response:
    """An answer with a status, headers and a media type of its own; handlers find the class as `context.Response`.

    Attributes:
        body: text, bytes, or what JSON can say. headers (dict), content_type (str | None), status_code (int).
    """

    def __init__(self, body: Any = None, headers: Any = None, content_type: str | None = None, status_code: int = 200) -> None:
        self.body = body
        self.headers = headers or {}
        self.content_type = content_type
        self.status_code = status_code

    def __repr__(self) -> str:
        return f"Response({self.status_code})"


class Context:
    """What a worker keeps between calls; set on it what `init` makes (`context.model = …`).

    Attributes:
        logger: of the `logging` module. project, run: those of the service's run, None where it has none.
        parameters (dict): the run's. worker (int): which of the worker processes this is, from 0.
        Response: the class of answers.
    """

    Response = Response

    def __init__(self, active: Any, name: str, worker: int) -> None:
        import logging

        self.logger = logging.getLogger(name)
        self.run = active
        self.project = active.project if active is not None else None
        self.parameters = active.parameters if active is not None else {}
        self.worker = worker
        self.worker_id = worker

    def __repr__(self) -> str:
        return f"<context of worker {self.worker}>"


class Event:
    """A request as the platform's handlers get it.

    Attributes:
        body: what its JSON says where the content type is JSON, else bytes.
        headers: by name in whatever case. content_type, method, path, url (str). size (int): of the body.
        fields (dict): of the query and of a form in the body; one that came several times is a list.
        id (str): the client's X-Request-Id, or a new one. timestamp (datetime): in UTC, when it came. trigger (dict).
    """

    def __init__(self, request: Request) -> None:
        """Raises Refused (400) where a body says it is JSON and is not."""
        kind = request.content_type
        self.raw = request.body
        self.body: Any = from_json(request.body) if is_json(kind) and request.body else request.body
        self.headers = request.headers
        self.content_type = kind or "text/plain"
        self.method = request.method
        self.path = request.path
        self.url = f"{request.path}?{request.query}" if request.query else request.path
        self.size = len(request.body)
        self.id = request.headers.get("x-request-id") or str(uuid.uuid4())
        self.timestamp = datetime.datetime.fromtimestamp(request.time, datetime.timezone.utc)
        self.trigger = {"kind": "http", "name": "http"}
        found = {**texts(request.query), **form(request)} if request.query or request.body else {}
        self.fields = {name: values[0] if len(values) == 1 else values for name, values in found.items()}

    def json(self) -> Any:
        """The body as JSON, whatever its content type. Raises ValueError."""
        return json.loads(self.raw)

    def __repr__(self) -> str:
        return f"<event {self.method} {self.path}, {self.size} bytes of {self.content_type or JSON}>"
