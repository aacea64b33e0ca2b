"""One commit of a git repository. Nothing is checked out: no hook, filter, link or submodule of the repository comes to life."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ..exceptions import BackendError, InvalidError, SourceError
from .handler import check_handler
from .http import check_encrypted, redact, split
from .ignore import Ignore
from .tree import Tree, environments, is_skipped

SECONDS = 180.0
MAX_TRANSFER = 512 * 1024 * 1024
DELAYS = (0.5, 2.0)

_AGAIN = re.compile(
    r"(?i)could not resolve|connection (refused|reset)|timed out|early eof|rpc failed|hung up|error: (429|50[0234])|HTTP (429|50[0234])"
)
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+@=-]*")
# The names of the variables are in the command, their values are in the environment of git alone. git asks for them for this host only.
_HELPER = '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$RUNWRIGHT_GIT_USER" "$RUNWRIGHT_GIT_PASSWORD"; }; f'


def fetch_git(code_src: str, handler: str | None, secrets: Callable[[str], str | None] | None = None) -> dict[str, Any]:
    """The source of `git+https://host/repo#ref[:folder]`; without ref, the default branch.

    Raises:
        InvalidError: on a URL, ref, folder or handler that cannot be right.
        SourceError: if it cannot be fetched or is beyond the limits.
        BackendError: if git is not installed.
    """
    location, _, fragment = code_src[len("git+") :].partition("#")
    ref, _, folder = fragment.partition(":")
    folder = folder.strip("/")
    _check_ref(ref, code_src)
    if folder:
        Tree(redact(code_src)).check_path(folder)
    url, user, password = _remote(location, code_src)
    uri = redact(f"git+{url}") + (f"#{fragment}" if fragment else "")
    if password is None and secrets is not None and url.startswith("http"):
        password = secrets("GIT_TOKEN") or secrets("GIT_PASSWORD")
        user = user or secrets("GIT_USERNAME") or ("oauth2" if password else None)
    with tempfile.TemporaryDirectory(prefix="runwright-git-") as place:
        git = _Git(Path(place), url, uri, user, password)
        commit = git.fetch(ref)
        tree = git.tree(commit, folder)
    return tree.source("git", None if handler is None else check_handler(handler, tree.files), uri=uri, commit=commit)


def _check_ref(ref: str, code_src: str) -> None:
    if ref and (not _REF.fullmatch(ref) or ".." in ref or "@{" in ref or ref.endswith(("/", ".lock", "."))):
        cure = "write git+https://host/repo#branch, #tag or #commit"
        raise InvalidError(f"code_src: {ref!r} is no branch, tag or commit", field="code_src", value=redact(code_src), cure=cure)


def _remote(location: str, code_src: str) -> tuple[str, str | None, str | None]:
    """The URL for git, without the password; the user; the password."""
    scheme = location.partition(":")[0].lower()
    if scheme == "file":
        path = urlsplit(location).path
        if not path.startswith("/"):
            raise InvalidError(
                "code_src: git+file:// needs a full path", field="code_src", value=redact(code_src), cure="git+file:///path/repo"
            )
        return f"file://{path}", None, None
    if scheme not in ("http", "https", "ssh"):
        cure = "write git+https://, git+ssh:// or git+file://"
        raise InvalidError(f"code_src: git+{scheme}:// is not known", field="code_src", value=redact(code_src), cure=cure)
    parts, user, password = split(location)
    if user is not None and user.startswith("-"):
        raise InvalidError("code_src: a user cannot begin with '-'", field="code_src", value=redact(code_src))
    host = parts.netloc.rpartition("@")[2]
    if scheme == "ssh":
        host = f"{parts.username}@{host}" if parts.username else host
        return urlunsplit(("ssh", host, parts.path, "", "")), None, None
    check_encrypted(location)
    if user is not None and password is None:  # https://token@host
        user, password = "oauth2", user
    return urlunsplit((scheme, host, parts.path, "", "")), user, password


class _Git:
    def __init__(self, place: Path, url: str, uri: str, user: str | None, password: str | None) -> None:
        self._place = place
        self._url = url
        self._uri = uri
        self._secret = password
        self._deadline = time.monotonic() + SECONDS
        scheme = url.partition(":")[0]
        self._options = ["-c", "protocol.ext.allow=never", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"]
        self._options += [
            "-c",
            "submodule.recurse=false",
            "-c",
            "fetch.recurseSubmodules=false",
            "-c",
            "core.askPass=true",
            "-c",
            "gc.auto=0",
        ]
        self._environment = {
            **{
                key: value
                for key, value in os.environ.items()
                if not key.startswith(("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX", "GIT_OBJECT"))
            },
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            "SSH_ASKPASS": "true",
            "GIT_ALLOW_PROTOCOL": scheme,
            "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh") + " -oBatchMode=yes -oConnectTimeout=20",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "LC_ALL": "C",
        }
        if password is not None:
            self._options += ["-c", "credential.helper=", "-c", f"credential.helper={_HELPER}"]
            self._environment |= {"RUNWRIGHT_GIT_USER": user or "oauth2", "RUNWRIGHT_GIT_PASSWORD": password}
            self._options += ["-c", "http.followRedirects=false"]  # else git would answer another host's question, too

    def __repr__(self) -> str:
        return f"<git of {self._uri}>"

    def fetch(self, ref: str) -> str:
        """The commit that a ref means, which is then here."""
        self._run(["init", "--quiet", "--bare", "--template=", "."])
        # A full commit is fetched by its name; a short one needs all branches, since a server does not tell what it is short for.
        wanted = ref or "HEAD"
        found = self._transfer(["--depth=1", "--no-tags", "--", self._url, wanted])
        if found is None and re.fullmatch(r"[0-9a-f]{4,40}", ref):
            every = ["--tags", "--", self._url, "+refs/heads/*:refs/remotes/origin/*"]
            if self._transfer(every) is None:
                raise self._missing(ref)
            found = ref
        if found is None:
            raise self._missing(wanted)
        name = f"{ref}^{{commit}}" if found == ref else "FETCH_HEAD^{commit}"
        code, out, _ = self._run(["rev-parse", "--verify", "--quiet", "--end-of-options", name], check=False)
        commit = out.decode().strip().splitlines()[-1] if out.strip() else ""
        if code or not re.fullmatch(r"[0-9a-f]{40,64}", commit):
            raise self._missing(wanted)
        return commit

    def _missing(self, ref: str) -> SourceError:
        code, out, _ = self._run(["ls-remote", "--heads", "--tags", "--", self._url], check=False)
        from .handler import close

        names = [line.rpartition("\t")[2].split("/", 2)[-1] for line in out.decode("utf-8", "replace").splitlines()] if not code else []
        cure = close(ref, names) or (f"its branches and tags: {', '.join(names[:10])}" if names else None)
        return SourceError(f"code_src: {self._uri}: there is no {ref!r}", field="code_src", value=self._uri, cure=cure)

    def _transfer(self, arguments: list[str]) -> str | None:
        """Fetch, again after a failure of the network. None where the ref is not there."""
        for delay in (*DELAYS, None):
            code, _, error = self._run(["fetch", "--quiet", "--no-recurse-submodules", "--no-write-commit-graph", *arguments], check=False)
            if code == 0:
                return "FETCH_HEAD" if "--depth=1" in arguments else arguments[-1]
            if re.search(
                r"couldn't find remote ref|not our ref|no such remote ref|Server does not allow request|unadvertised object", error
            ):
                return None
            if delay is None or not _AGAIN.search(error):
                raise self._failed(error)
            time.sleep(delay)
        return None

    def _failed(self, error: str) -> SourceError:
        line = next((one for one in error.splitlines() if one.startswith(("fatal:", "error:", "remote:", "ERROR:"))), error.strip()[:300])
        cure = None
        if re.search(r"(?i)authentication|could not read (username|password)|denied|403|401|not found|terminal prompts", error):
            cure = "check the address; a private repository needs GIT_TOKEN (or GIT_USERNAME and GIT_PASSWORD) as a secret"
        return SourceError(f"code_src: {self._uri} cannot be fetched: {self._clean(line)}", field="code_src", value=self._uri, cure=cure)

    def _clean(self, text: str) -> str:
        text = text.replace(self._secret, "***") if self._secret else text
        return re.sub(r"//[^/@\s]*@", "//", text)

    def tree(self, commit: str, folder: str) -> Tree:
        """The files of a commit, or of one of its folders."""
        name = f"{commit}:{folder}" if folder else commit
        code, out, _ = self._run(["ls-tree", "-r", "-z", "--long", "--full-tree", "--end-of-options", name], check=False)
        if code:
            raise SourceError(f"code_src: {self._uri}: there is no folder {folder!r}", field="code_src", value=self._uri)
        entries = list(_entries(out, self._uri))
        left_out = environments(path for path, _, _ in entries)
        tree = Tree(self._uri)
        ignore = Ignore("")
        for path, blob, _ in entries:
            if path == ".runwrightignore":
                ignore = Ignore(self._run(["cat-file", "blob", blob])[1].decode("utf-8", "replace"))
        chosen = [
            one
            for one in entries
            if not is_skipped(one[0]) and not one[0].startswith(left_out or ("\0",)) and not ignore.leaves_out_any(one[0])
        ]
        tree.room(sum(size for _, _, size in chosen))
        contents = self._blobs([blob for _, blob, _ in chosen])
        for (path, _, _), content in zip(chosen, contents, strict=True):
            tree.add(path, content)
        return tree

    def _blobs(self, names: list[str]) -> Iterator[bytes]:
        _, out, _ = self._run(["cat-file", "--batch"], given="".join(f"{name}\n" for name in names).encode())
        at = 0
        for name in names:
            end = out.index(b"\n", at)
            head = out[at:end].split()
            if len(head) != 3:
                raise SourceError(f"code_src: {self._uri}: the object {name} is missing", field="code_src", value=self._uri)
            size = int(head[2])
            yield out[end + 1 : end + 1 + size]
            at = end + 2 + size

    def _run(self, arguments: list[str], *, check: bool = True, given: bytes = b"") -> tuple[int, bytes, str]:
        """Run git in a group of processes of its own, which ends when the time is up or too much was transferred."""
        try:
            process = subprocess.Popen(
                ["git", *self._options, *arguments],
                cwd=self._place,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise BackendError("git is not installed", field="code_src", cure="install git, or use zip+https://…") from None
        try:
            first: bytes | None = given
            while True:
                try:
                    out, error = process.communicate(first, timeout=0.5)
                    break
                except subprocess.TimeoutExpired:
                    first = None
                    self._check_cost()
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        text = error.decode("utf-8", "replace")
        if check and process.returncode:
            raise self._failed(text)
        return process.returncode, out, text

    def _check_cost(self) -> None:
        if time.monotonic() > self._deadline:
            raise SourceError(f"code_src: {self._uri} took longer than {SECONDS:.0f} s", field="code_src", value=self._uri)
        size = 0
        for file in self._place.rglob("*pack*"):
            with contextlib.suppress(OSError):
                size += file.stat().st_size if file.is_file() else 0
        if size > MAX_TRANSFER:
            cure = "use zip+https:// of a smaller part"
            raise SourceError(
                f"code_src: {self._uri} is larger than {MAX_TRANSFER >> 20} MiB", field="code_src", value=self._uri, cure=cure
            )


def _entries(out: bytes, uri: str) -> Iterator[tuple[str, str, int]]:
    """Path, object and size of the files of a tree; links and submodules are not followed."""
    for line in out.split(b"\0"):
        if not line:
            continue
        head, _, raw = line.partition(b"\t")
        mode, kind, name, size = head.split()
        if kind != b"blob" or mode == b"120000":
            continue
        try:
            yield raw.decode("utf-8"), name.decode(), int(size)
        except UnicodeDecodeError:
            raise SourceError(f"code_src: {uri}: a path is not UTF-8: {raw!r}", field="code_src", value=uri) from None
