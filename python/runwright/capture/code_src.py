"""`code_src=` and `code=`: each way to name code becomes the same small tree of files."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..exceptions import InvalidError, SourceError
from .handler import check_handler
from .tree import Tree

Secrets = Callable[[str], "str | None"]
ReadUrl = Callable[[str], bytes]

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
_CURE = "write a path, git+https://host/repo#ref, https://…/file.py, zip+https://… or zip+s3://…"


def text(code: str, handler: str | None = None) -> dict[str, Any]:
    """The source of `code=`: one module, `functions`.

    Raises:
        InvalidError: on a handler that the text does not define.
        SourceError: with the line, on a syntax error.
    """
    if not isinstance(code, str) or not code.strip():
        raise InvalidError("code: no text", field="code", value=code, cure="give the text of a Python module")
    tree = Tree("code")
    try:
        tree.add("functions.py", code.encode("utf-8"))
    except UnicodeEncodeError:
        raise InvalidError("code: has characters that UTF-8 cannot hold", field="code", cure="remove lone surrogates") from None
    return tree.source("text", None if handler is None else check_handler(handler, tree.files, main="functions"))


def fetch(code_src: str, handler: str | None = None, *, secrets: Secrets | None = None, read_url: ReadUrl | None = None) -> dict[str, Any]:
    """The source of `code_src=`.

    Args:
        code_src: a file, a folder, `git+https://…#ref[:folder]` (also `git+ssh`, `git+file`), `https://….py`, `zip+https://…`,
            `zip+s3://…`, a path of a `.zip`. `http://` is for localhost only.
        handler: `module:function`, or `function` where it is plain which module is meant; None for code that has no handler.
        secrets: gives the value of a secret by name, or None. `GIT_TOKEN`, `GIT_USERNAME`, `GIT_PASSWORD` and `HTTP_TOKEN` are asked for.
        read_url: gives the bytes of an object in an object store; the core's, which presigns.

    Raises:
        InvalidError: on a `code_src` or a handler that cannot be right.
        SourceError: if it cannot be fetched, is unsafe to unpack or beyond the limits.
    """
    if not isinstance(code_src, str):
        code_src = str(code_src)  # a Path
    code_src = code_src.strip()
    if not code_src or "\0" in code_src or "\n" in code_src:
        raise InvalidError("code_src: this is no place", field="code_src", value=code_src, cure=_CURE)
    found = _SCHEME.match(code_src)
    scheme = found[1].lower() if found else ""
    if scheme in ("", "file"):
        from .local import fetch_local

        return fetch_local(code_src, handler)
    if scheme.startswith("git+"):
        from .git import fetch_git

        return fetch_git(code_src, handler, secrets)
    from .http import redact

    if scheme in ("http", "https"):
        from .remote import fetch_file

        return fetch_file(code_src, handler, secrets, None)
    if scheme in ("s3", "gs", "az"):
        from .remote import fetch_file

        return fetch_file(code_src, handler, secrets, read_url)
    if scheme.startswith("zip+"):
        from .remote import fetch_zip

        return fetch_zip(code_src, handler, secrets, read_url)
    if scheme == "git":
        raise SourceError(
            "code_src: git:// is neither encrypted nor checked", field="code_src", value=redact(code_src), cure="write git+https://…"
        )
    raise InvalidError(f"code_src: {scheme}:// is not known", field="code_src", value=redact(code_src), cure=_CURE)
