from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serve_lab import Service


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts services; what still runs at the end is killed."""
    started: list[Service] = []

    def start(code: str, **settings: object) -> Service:
        started.append(Service(str(tmp_path), code, **settings))
        return started[-1]

    yield start
    for service in started:
        service.kill()
