"""Real servers for the tests: PostgreSQL and S3, private, on loopback, in a folder that goes away with them.

In pytest (``from tests.servers.fixtures import *`` in a conftest): the fixtures ``postgres_url`` and ``s3``.
Anywhere else: ``with Postgres() as server`` and ``with S3() as server``, or ``python -m tests.servers``.
Only the standard library is used.
"""

from tests.servers.postgres import Postgres
from tests.servers.s3 import S3

__all__ = ["S3", "Postgres"]
