"""Pytest fixtures: `from tests.servers.fixtures import *` in a conftest.py. A server starts once a session, when a test first asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.postgres import Postgres
from tests.servers.s3 import S3, Bucket

__all__ = ["postgres_server", "postgres_url", "s3", "s3_server"]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """The session's PostgreSQL server."""
    with Postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    """The URL of a database that only this test uses."""
    with postgres_server.fresh_database() as url:
        yield url


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    """The session's S3 server."""
    with S3() as server:
        yield server


@pytest.fixture
def s3(s3_server: S3) -> Iterator[Bucket]:
    """A bucket that only this test uses."""
    with s3_server.fresh_bucket() as bucket:
        yield bucket
