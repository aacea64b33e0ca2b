"""What tests of builds share: a real registry, an index of wheels, and a build whose lines are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from builder_lab import Lines, RealRegistry, wheel

from runwright.execute.builder import build


@pytest.fixture(scope="session")
def registry() -> Iterator[RealRegistry]:
    """The session's registry; each test has repositories of its own in it."""
    server = RealRegistry()
    yield server
    server.stop()


@pytest.fixture
def repository(registry: RealRegistry, request: pytest.FixtureRequest) -> str:
    """A repository of the registry that only this test uses, without the host."""
    return "test/" + "".join(letter if letter.isalnum() else "-" for letter in request.node.name.lower()).strip("-").replace("--", "-")


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only place where pip and uv look for packages."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    wheel(folder, "alpha", script="alpha:main", requires=("beta>=2",))
    wheel(folder, "beta", "2.0")
    return folder


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A code folder."""
    folder = tmp_path / "code"
    (folder / "package").mkdir(parents=True)
    (folder / "functions.py").write_text("import alpha\n\n\ndef run():\n    return alpha.VERSION\n")
    (folder / "package/__init__.py").write_text("")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o700)
    return folder


@pytest.fixture
def said() -> Lines:
    """What the builds of this test said."""
    return Lines()


@pytest.fixture
def make(registry: RealRegistry, said: Lines) -> Callable[..., dict[str, Any]]:
    """Build with settings; impatient, and the registry is asked with plain http."""

    def make(**settings: Any) -> dict[str, Any]:
        return build({"insecure": [registry.host], "pause": 0.01, "timeout": 20, **settings}, said.append)

    return make
