"""A private PostgreSQL from Debian's package: own folder, own unprivileged user, free loopback port and unix socket."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.servers.processes import ProcessRef, ServerError, free_port, private_folder, start, wait_ready

USER = "runwright"


class Postgres:
    """`with Postgres() as server:` starts it; `server.url` reaches the database `postgres`, `fresh_database()` makes others."""

    def __init__(self, *, detached: bool = False, tls: bool = False) -> None:
        """`detached` servers outlive the starting process (for the command line). With `tls` it has a certificate for `localhost` by an authority of its own."""
        self._die_with_parent = None if detached else signal.SIGINT
        self._tls = tls
        self.folder = Path()
        self.port = 0
        self.process: ProcessRef | None = None
        self._bin = Path()

    def __enter__(self) -> Postgres:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The URL of the database that is always there."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """The URL of a database, over TCP. No password: whoever reaches this port may enter."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def socket_url_of(self, database: str) -> str:
        """The URL of a database, over the unix socket."""
        return f"postgresql://{USER}@/{database}?host={self.folder}&port={self.port}"

    @property
    def authority(self) -> Path:
        """The certificate of the authority, where it has one."""
        return self.folder / "ca.crt"

    def start(self) -> None:
        """Make a cluster and start its server; it answers when this returns."""
        self._bin = _binaries()
        user = _unprivileged_user()
        self.folder = private_folder("runwright-postgres-")
        try:
            if user is not None:
                account = pwd.getpwnam(user)
                os.chown(self.folder, account.pw_uid, account.pw_gid)
            self._initdb(user)
            if self._tls:
                self._certify(user)
            self.port = free_port()
            self._launch(user)
        except BaseException:
            self.stop()
            raise

    def pause(self) -> None:
        """End the server, open connections are cut; `resume` starts it again, with the same data on the same port."""
        assert self.process is not None
        self.process.stop(signal.SIGINT)
        self.process = None

    def resume(self) -> None:
        """See `pause`."""
        self._launch(_unprivileged_user())

    def _initdb(self, user: str | None) -> None:
        # Nothing here has to survive a power cut, so nothing waits for the disk.
        command: list[str | Path] = [
            self._bin / "initdb", "--pgdata", self.folder / "data", "--username", USER, "--auth", "trust", "--encoding", "UTF8",
            "--no-locale", "--no-sync", "--wal-segsize", "1",
        ]  # fmt: skip
        log = self.folder / "initdb.log"
        process = start(command, log, user=user, die_with_parent=signal.SIGTERM)
        _, status = os.waitpid(process.pid, 0)
        if status:
            raise ServerError(f"initdb failed:\n{log.read_text()}")

    def _certify(self, user: str | None) -> None:
        (self.folder / "names").write_text("subjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\n")
        new_key = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        for arguments in (
            [*new_key, "-x509", "-subj", "/CN=runwright tests", "-keyout", "ca.key", "-out", "ca.crt"],
            [*new_key, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"],
            ["x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-extfile", "names", "-out", "server.crt"],
        ):
            result = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, text=True, check=False)
            if result.returncode:
                raise ServerError(f"openssl {' '.join(arguments)} failed:\n{result.stderr}")
        key = self.folder / "server.key"
        key.chmod(0o600)
        if user is not None:
            os.chown(key, pwd.getpwnam(user).pw_uid, -1)

    def _launch(self, user: str | None) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": 200,
        }
        if self._tls:
            settings |= {"ssl": "on", "ssl_cert_file": self.folder / "server.crt", "ssl_key_file": self.folder / "server.key"}
        command: list[str | Path] = [
            self._bin / "postgres",
            "-D",
            self.folder / "data",
            *(f"--{name}={value}" for name, value in settings.items()),
        ]
        log = self.folder / "postgres.log"
        (self.folder / "data/postmaster.pid").unlink(missing_ok=True)
        self.process = start(command, log, user=user, die_with_parent=self._die_with_parent)
        wait_ready("PostgreSQL", self.process, self._answers, log)

    def _answers(self) -> bool:
        # The server writes "ready" on the last line of its pid file when it takes connections: cheaper to ask than pg_isready.
        with contextlib.suppress(FileNotFoundError, IndexError):
            return (self.folder / "data/postmaster.pid").read_text().splitlines()[7].strip() == "ready"
        return False

    def stop(self) -> None:
        """End the server (INT: open connections are cut, no wait for their owners) and remove its folder."""
        if self.process is not None:
            self.process.stop(signal.SIGINT)
            self.process = None
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = Path()

    def execute(self, sql: str, database: str = "postgres") -> str:
        """Run SQL with psql; rows come back as lines of text."""
        command: list[str | Path] = [self._bin / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql, self.url_of(database)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise ServerError(f"{sql!r} failed: {result.stderr.strip()}")
        return result.stdout.strip()

    @contextlib.contextmanager
    def fresh_database(self) -> Iterator[str]:
        """A new empty database, by its URL; dropped afterwards even where somebody is still connected."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield self.url_of(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root; None: we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            pwd.getpwnam(name)
            return name
    raise ServerError("PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody")


def _binaries() -> Path:
    """The folder of the newest installed server; installs Debian's package where we may."""
    if not (found := _installed()) and os.geteuid() == 0 and shutil.which("apt-get"):
        _install()
        found = _installed()
    if not found:
        raise ServerError("no PostgreSQL server under /usr/lib/postgresql: install the package `postgresql`")
    return max(found, key=lambda folder: float(folder.parent.name))


def _installed() -> list[Path]:
    return [initdb.parent for initdb in Path("/usr/lib/postgresql").glob("*/bin/initdb") if (initdb.parent / "psql").exists()]


def _install() -> None:
    # The package would make a cluster of its own, and start it where there is an init system.
    drop_in = Path("/etc/postgresql-common/createcluster.d/runwright-tests.conf")
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text("create_main_cluster = false\n")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", "postgresql"]):
        result = subprocess.run(["apt-get", *arguments], env=environment, capture_output=True, text=True, check=False)
        if result.returncode:
            raise ServerError(f"apt-get {' '.join(arguments)} failed:\n{result.stdout[-2000:]}{result.stderr}")
