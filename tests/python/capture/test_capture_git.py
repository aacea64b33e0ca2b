"""A commit of a repository, without bringing anything of it to life and without telling anyone its credentials."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from capture_lab import Lab

from runwright.capture import fetch
from runwright.capture import git as git_module
from runwright.exceptions import BackendError, InvalidError, SourceError


def git(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    for who in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{who}_NAME": "x", f"GIT_{who}_EMAIL": "x@example.org"}
    done = subprocess.run(
        ["git", "-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("repositories") / "repo"
    folder.mkdir()
    git(folder, "init", "--quiet", ".")
    (folder / "functions.py").write_text("from pkg.deep import go\ndef f():\n    return go()\n")
    (folder / "pkg").mkdir()
    (folder / "pkg/__init__.py").write_text("")
    (folder / "pkg/deep.py").write_text("def go():\n    return 1\n")
    (folder / "data.bin").write_bytes(b"\xff\xfe")
    (folder / ".env").write_text("SECRET=1")
    os.symlink("/etc/passwd", folder / "link")
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "one")
    git(folder, "tag", "-a", "v1", "-m", "v1")
    first = git(folder, "rev-parse", "HEAD")
    (folder / "pkg/deep.py").write_text("def go():\n    return 2\n")
    git(folder, "commit", "--quiet", "-am", "two")
    second = git(folder, "rev-parse", "HEAD")
    git(folder, "checkout", "--quiet", "-b", "feature/x")
    (folder / "pkg/deep.py").write_text("def go():\n    return 3\n")
    (folder / ".gitattributes").write_text("*.py filter=evil\n")
    (folder / ".gitmodules").write_text('[submodule "s"]\n\tpath = s\n\turl = ext::sh -c touch% /tmp/runwright-evil\n')
    git(folder, "add", "-A")
    git(folder, "update-index", "--add", "--cacheinfo", f"160000,{first},s")
    git(folder, "commit", "--quiet", "-m", "three")
    third = git(folder, "rev-parse", "HEAD")
    git(folder, "checkout", "--quiet", "--force", "main")
    return {"url": f"git+file://{folder}", "first": first, "second": second, "third": third}


@pytest.mark.parametrize(
    ("ref", "commit", "value"),
    [
        ("", "second", "2"),
        ("#main", "second", "2"),
        ("#v1", "first", "1"),
        ("#feature/x", "third", "3"),
        ("#FIRST", "first", "1"),
        ("#SHORT", "first", "1"),
        ("#refs/tags/v1", "first", "1"),
    ],
)
def test_refs(repository: dict[str, str], lab: Lab, ref: str, commit: str, value: str) -> None:
    ref = ref.replace("FIRST", repository["first"]).replace("SHORT", repository["first"][:8])
    source = fetch(repository["url"] + ref, "functions:f")
    assert source["origin"] == "git"
    assert source["uri"] == repository["url"] + ref
    assert source["commit"] == repository[commit]
    assert set(source["files"]) - {".gitattributes", ".gitmodules"} == {"functions.py", "pkg/__init__.py", "pkg/deep.py"}
    assert set(source["binary"]) == {"data.bin"}
    assert lab.run(source) == value


def test_a_folder_of_a_repository(repository: dict[str, str]) -> None:
    source = fetch(repository["url"] + "#main:pkg", "deep:go")
    assert set(source["files"]) == {"__init__.py", "deep.py"}
    assert fetch(repository["url"] + "#:pkg/", "deep:go")["commit"] == repository["second"]
    with pytest.raises(SourceError, match="no folder 'nope'"):
        fetch(repository["url"] + "#main:nope")
    with pytest.raises(SourceError, match="climbs out"):
        fetch(repository["url"] + "#main:../x")


def test_what_is_not_there(repository: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no 'featur/x'") as caught:
        fetch(repository["url"] + "#featur/x")
    assert "did you mean 'feature/x'" in str(caught.value.cure)
    with pytest.raises(SourceError, match="no 'deadbeef'"):
        fetch(repository["url"] + "#deadbeef")
    with pytest.raises(SourceError, match="no '" + "a" * 40):
        fetch(repository["url"] + "#" + "a" * 40)
    with pytest.raises(SourceError, match="cannot be fetched"):
        fetch(f"git+file://{tmp_path}/nothing")


@pytest.mark.parametrize(
    "ref",
    ["-x", "--upload-pack=touch /tmp/x", "a b", "a..b", "a@{1}", "a\\b", "$(x)", "a;b", "/x", "x.lock", "x/", "+main:main", "^main", "a~1"],
)
def test_bad_refs(repository: dict[str, str], ref: str) -> None:
    with pytest.raises((InvalidError, SourceError)) as caught:
        fetch(f"{repository['url']}#{ref}")
    assert caught.value.field == "code_src"


@pytest.mark.parametrize(
    "url",
    [
        "git+ext://sh -c touch% /tmp/runwright-evil",
        "git+ext::sh",
        "git+git://host/x",
        "git+ftp://host/x",
        "git+https://",
        "git+https:///x",
        "git+ssh://-oProxyCommand=touch/x",
        "git+ssh://-oProxyCommand=touch@host/x",
        "git+https://host:port/x",
        "git+file://relative",
        "git+",
    ],
)
def test_bad_urls(url: str) -> None:
    with pytest.raises((InvalidError, SourceError)) as caught:
        fetch(url)
    assert caught.value.field == "code_src"


def test_http_without_encryption() -> None:
    with pytest.raises(SourceError, match="not encrypted"):
        fetch("git+http://example.org/x")


class Recorder:
    """Stands for git: keeps how it was called and says no."""

    def __init__(self, folder: Path, says: str = "fatal: Authentication failed for 'https://u:s3cr3t@host.example/x'") -> None:
        self.log = folder / "calls"
        (folder / "bin").mkdir()
        tool = folder / "bin/git"
        tool.write_text(
            f"""#!/bin/sh
printf '%s\\n' "$*" >> {self.log}
env >> {self.log}.env
case "$*" in *' init '*) exit 0;; esac
echo "{says}" >&2
exit 128
"""
        )
        tool.chmod(0o755)
        self.path = f"{folder}/bin:{os.environ['PATH']}"


def test_credentials_are_neither_kept_nor_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(tmp_path)
    monkeypatch.setenv("PATH", recorder.path)
    for url, secrets in (
        ("git+https://user:s3cr3t@host.example/x", None),
        ("git+https://s3cr3t@host.example/x", None),
        ("git+https://host.example/x", {"GIT_TOKEN": "s3cr3t"}.get),
        ("git+https://host.example/x", {"GIT_USERNAME": "user", "GIT_PASSWORD": "s3cr3t"}.get),
    ):
        recorder.log.write_text("")
        Path(f"{recorder.log}.env").write_text("")
        with pytest.raises(SourceError) as caught:
            fetch(url, secrets=secrets)
        assert "s3cr3t" not in f"{caught.value}{caught.value!r}{vars(caught.value)}"
        assert "GIT_TOKEN" in str(caught.value.cure)
        assert "s3cr3t" not in recorder.log.read_text()
        environment = Path(f"{recorder.log}.env").read_text()
        assert "RUNWRIGHT_GIT_PASSWORD=s3cr3t" in environment
        assert "GIT_TERMINAL_PROMPT=0" in environment
        assert "GIT_ALLOW_PROTOCOL=https" in environment


def test_the_helper_gives_the_credential_to_git(tmp_path: Path) -> None:
    given = "protocol=https\nhost=host.example\n\n"
    done = subprocess.run(
        ["git", "-c", "credential.helper=", "-c", f"credential.helper={git_module._HELPER}", "credential", "fill"],
        input=given,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "RUNWRIGHT_GIT_USER": "u", "RUNWRIGHT_GIT_PASSWORD": "p"},
    )
    assert "username=u\npassword=p" in done.stdout


def test_the_network_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(tmp_path, "fatal: unable to access: Could not resolve host: host.example")
    monkeypatch.setenv("PATH", recorder.path)
    monkeypatch.setattr(git_module, "DELAYS", (0.01, 0.01))
    with pytest.raises(SourceError, match="Could not resolve host"):
        fetch("git+https://host.example/x#main")
    assert recorder.log.read_text().count(" fetch ") == 3


def test_it_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\ncase \"$*\" in *' init '*) exit 0;; esac\nsleep 60 & sleep 60\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(git_module, "SECONDS", 0.6)
    start = time.monotonic()
    with pytest.raises(SourceError, match="took longer"):
        fetch("git+https://host.example/x")
    assert time.monotonic() - start < 10


def test_too_much_is_not_transferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "git").write_text(
        """#!/bin/sh
case "$*" in *' init '*) exit 0;; esac
mkdir -p objects/pack; head -c 300000 /dev/zero > objects/pack/tmp_pack_x; sleep 60
"""
    )
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(git_module, "MAX_TRANSFER", 200_000)
    with pytest.raises(SourceError, match="larger than"):
        fetch("git+https://host.example/x")


def test_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendError, match="not installed"):
        fetch("git+https://host.example/x")


def test_large_repositories_are_refused_by_their_list(tmp_path: Path) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    git(folder, "init", "--quiet", ".")
    (folder / "big.bin").write_bytes(b"\0" * (9 << 20))
    (folder / "src").mkdir()
    (folder / "src/a.py").write_text("def f(): ...\n")
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "x")
    with pytest.raises(SourceError, match="8 MiB"):
        fetch(f"git+file://{folder}", "src.a:f")
    assert list(fetch(f"git+file://{folder}#main:src", "a:f")["files"]) == ["a.py"]
    (folder / ".runwrightignore").write_text("*.bin\n")
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "y")
    assert set(fetch(f"git+file://{folder}", "src.a:f")["files"]) == {".runwrightignore", "src/a.py"}


def test_nothing_of_the_surroundings_is_used(repository: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Called inside of a hook or another repository, git would use that one."""
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "i"))
    assert fetch(repository["url"], "functions:f")["commit"] == repository["second"]
    assert not list(tmp_path.iterdir())
    assert not Path("/tmp/runwright-evil").exists()


def test_repr_of_the_tool_has_no_secret() -> None:
    made: Any = git_module._Git(Path("/x"), "https://host/x", "git+https://host/x", "u", "s3cr3t")
    assert "s3cr3t" not in repr(made)
