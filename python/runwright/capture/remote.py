"""One file or one archive from a server or an object store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from ..exceptions import InvalidError, RunwrightError, SourceError
from .archive import MAX_ARCHIVE, unpack
from .http import download, redact, split
from .local import one_file
from .tree import MAX_BYTES

Secrets = Callable[[str], "str | None"]
ReadUrl = Callable[[str], bytes]


def fetch_file(url: str, handler: str | None, secrets: Secrets | None, read_url: ReadUrl | None) -> dict[str, Any]:
    """The source of `https://….py` (or `s3://….py`).

    Raises:
        SourceError, InvalidError: as `fetch`.
    """
    parts, _, _ = split(url)
    name = unquote(parts.path.rpartition("/")[2])
    if name.endswith(".zip"):
        raise InvalidError("code_src: this is an archive", field="code_src", value=redact(url), cure=f"write zip+{redact(url)}")
    if not name or name in (".", "..") or "/" in name or "\\" in name:
        raise InvalidError("code_src: the URL names no file", field="code_src", value=redact(url), cure="write https://…/file.py")
    data = read(url, MAX_BYTES, secrets, read_url)
    head = data[:200].lstrip().lower()
    if name.endswith(".py") and head.startswith((b"<!doctype", b"<html")):
        cure = "use the address of the raw file"
        raise SourceError(f"code_src: {redact(url)} is a web page, not Python", field="code_src", value=redact(url), cure=cure)
    return one_file(name, data, handler, origin="https", uri=redact(url))


def fetch_zip(url: str, handler: str | None, secrets: Secrets | None, read_url: ReadUrl | None) -> dict[str, Any]:
    """The source of `zip+https://…` or `zip+s3://…`.

    Raises:
        SourceError, InvalidError: as `fetch`.
    """
    inner = url[len("zip+") :]
    scheme = inner.partition(":")[0].lower()
    if scheme not in ("http", "https", "s3", "gs", "az"):
        raise InvalidError(
            f"code_src: zip+{scheme}:// is not known", field="code_src", value=redact(url), cure="write zip+https:// or zip+s3://"
        )
    data = read(inner, MAX_ARCHIVE, secrets, None if scheme in ("http", "https") else read_url)
    return unpack(data, redact(url), handler, origin="zip")


def read(url: str, limit: int, secrets: Secrets | None, read_url: ReadUrl | None) -> bytes:
    """The bytes at a URL.

    Raises:
        SourceError: if they cannot be read.
    """
    if url.partition(":")[0].lower() in ("http", "https"):
        return download(url, limit, secrets("HTTP_TOKEN") if secrets else None)
    if read_url is None:
        cure = "configure the artifact store with its endpoint and credentials"
        raise SourceError(
            f"code_src: there is no artifact store to read {redact(url)} from", field="code_src", value=redact(url), cure=cure
        )
    try:
        data = read_url(url)
    except RunwrightError:
        raise
    except Exception as error:
        raise SourceError(f"code_src: {redact(url)} cannot be read: {type(error).__name__}", field="code_src", value=redact(url)) from error
    if len(data) > limit:
        raise SourceError(f"code_src: {redact(url)} is larger than {limit >> 20} MiB", field="code_src", cure="pass data as inputs")
    return bytes(data)
