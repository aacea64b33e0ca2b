"""A private S3 server: versitygw, built from the Go module beside this file, storing objects as files."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers.gobuild import GoModule
from tests.servers.processes import ProcessRef, answers, free_port, private_folder, start, wait_ready
from tests.servers.sigv4 import Signer

VERSITYGW = GoModule(Path(__file__).parent / "versitygw", ("github.com/versity/versitygw/cmd/versitygw",))
REGION = "us-east-1"


@dataclass(frozen=True)
class Bucket:
    """All that a client has to know to use one bucket."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str
    region: str = REGION

    @property
    def url(self) -> str:
        """The bucket as an artifact store's URL."""
        return f"s3://{self.bucket}"

    @property
    def environment(self) -> dict[str, str]:
        """The same as the variables that every S3 client reads."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ALLOW_HTTP": "true",
        }

    @property
    def signer(self) -> Signer:
        """Signs requests by hand (paths start with the bucket: `/bucket/key`)."""
        return Signer(self.endpoint, self.access_key, self.secret_key, self.region)


class S3:
    """`with S3() as server:` starts it; `server.bucket` is one bucket, `fresh_bucket()` makes others."""

    def __init__(self, *, address: str = "127.0.0.1", detached: bool = False) -> None:
        """`address` is where it listens (the cluster's bridge, for pods); `detached` servers outlive the starting process."""
        self.address = address
        self._die_with_parent = None if detached else signal.SIGTERM
        self.folder = Path()
        self.port = 0
        self.process: ProcessRef | None = None
        self.access_key = "RUNWRIGHT" + secrets.token_hex(5).upper()
        self.secret_key = secrets.token_hex(20)

    def __enter__(self) -> S3:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        """The server's URL."""
        return f"http://{self.address}:{self.port}"

    @property
    def bucket(self) -> Bucket:
        """The bucket that is always there."""
        return self.bucket_named("runwright")

    def bucket_named(self, name: str) -> Bucket:
        """How to reach a bucket (which has to exist)."""
        return Bucket(self.endpoint, self.access_key, self.secret_key, name)

    def start(self) -> None:
        """Start the server with one bucket in it; it answers when this returns."""
        binary = VERSITYGW.build() / "versitygw"
        self.folder = private_folder("runwright-s3-")
        for name in ("objects", "metadata"):
            (self.folder / name).mkdir()
        try:
            self.port = free_port(self.address)
            # A folder for the metadata: not every file system of a test machine has extended attributes.
            command: list[str | Path] = [
                binary, "--access", self.access_key, "--secret", self.secret_key, "--region", REGION, "--keep-alive", "--quiet",
                "--port", f"{self.address}:{self.port}", "posix", "--sidecar", self.folder / "metadata", self.folder / "objects",
            ]  # fmt: skip
            log = self.folder / "versitygw.log"
            self.process = start(command, log, die_with_parent=self._die_with_parent)
            wait_ready("versitygw", self.process, lambda: answers(self.port, self.address), log)
            self.bucket.signer.send("PUT", f"/{self.bucket.bucket}")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server and remove its folder."""
        if self.process is not None:
            self.process.stop()
            self.process = None
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = Path()

    @contextlib.contextmanager
    def fresh_bucket(self) -> Iterator[Bucket]:
        """A new empty bucket; removed afterwards with all that is in it."""
        bucket = self.bucket_named(f"test-{secrets.token_hex(6)}")
        bucket.signer.send("PUT", f"/{bucket.bucket}")
        try:
            yield bucket
        finally:
            for part in ("objects", "metadata"):
                shutil.rmtree(self.folder / part / bucket.bucket, ignore_errors=True)
