"""The connection to PostgreSQL is encrypted where it is asked for, and then to the right server only."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import runwright as rw
from tests.servers import Postgres


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres(tls=True) as started:
        yield started


@pytest.fixture
def use(home, server, monkeypatch):
    """Opens the store with these options; gives the protocol of its connections, "" for a plain one."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)

    def use(options: str, host: str = "localhost", of: Postgres = server) -> set[str]:
        rw.use(store=of.url.replace("127.0.0.1", host) + options)
        assert rw.runs(project="*") == []
        rw.get_or_create_project("demo")
        sql = (
            "SELECT DISTINCT coalesce(version, '') FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'runwright'"
        )
        found = of.execute(sql).splitlines() or [""]
        of.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'runwright'")
        return set(found)

    return use


def test_a_server_on_this_machine_is_spoken_to_plainly(use):
    assert use("") == {""}
    assert use("?sslmode=disable") == {""}


def test_prefer_encrypts_where_the_server_can(use, postgres_server):
    assert use("?sslmode=prefer") == {"TLSv1.3"}
    assert use("?sslmode=prefer", of=postgres_server) == {""}


@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_require_believes_the_authority_that_is_named(use, server, monkeypatch, mode):
    assert use(f"?sslmode={mode}&sslrootcert={server.authority}") == {"TLSv1.3"}
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
    assert use(f"?sslmode={mode}") == {"TLSv1.3"}


@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_require_refuses_a_stranger_and_a_wrong_name(use, server, mode):
    with pytest.raises(rw.exceptions.StoreError, match=r"(?s)UnknownIssuer.*SSL_CERT_FILE"):
        use(f"?sslmode={mode}")
    with pytest.raises(rw.exceptions.StoreError, match=r"(?s)certificate.*the host in RUNWRIGHT_STORE"):
        use(f"?sslmode={mode}&sslrootcert={server.authority}", host="127.0.0.1")


def test_require_refuses_a_server_that_cannot(use, server, postgres_server):
    with pytest.raises(rw.exceptions.StoreError, match=r"(?s)TLS.*ssl = on"):
        use(f"?sslmode=require&sslrootcert={server.authority}", of=postgres_server)


def test_an_option_that_is_wrong_is_told(use):
    with pytest.raises(rw.exceptions.InvalidError, match="did you mean"):
        use("?sslmode=requires")
    with pytest.raises(rw.exceptions.InvalidError, match="sslrootcert=/path"):
        use("?sslmode=require&sslrootcert=/nowhere")
