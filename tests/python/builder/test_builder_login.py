"""Registries that want to know who asks."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from builder_lab import Base, Lines, RealRegistry, python_base
from front import Front

from runwright.execute.builder.failures import ConfigError, RegistryError

Make = Callable[..., dict[str, Any]]
PASSWORD = "s3cr3t-pass:word"


@pytest.fixture
def front(registry: RealRegistry) -> Iterator[Front]:
    """A registry that only ada may use."""
    front = Front(registry.host, users={"ada": PASSWORD})
    yield front
    front.stop()


@pytest.fixture
def login(tmp_path: Path) -> Callable[..., str]:
    """Writes a docker config.json; its path."""

    def write(host: str, user: str = "ada", password: str = PASSWORD, **more: Any) -> str:
        entry = {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()} if user else {}
        path = tmp_path / "config.json"
        path.write_text(json.dumps({"auths": {host: {**entry, **more.pop("entry", {})}}, **more}))
        return str(path)

    return write


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_a_login_is_used(
    registry: RealRegistry, repository: str, front: Front, code: Path, make: Make, login: Callable[..., str], auth: str, said: Lines
) -> None:
    front.auth = auth
    registry.push(f"{repository}-base:1", python_base())
    built = make(
        base=f"{front.host}/{repository}-base:1", target=f"{front.host}/{repository}", code=str(code), credentials=login(front.host),
        insecure=[front.host],
    )  # fmt: skip
    assert built["tag"].rpartition(":")[2] in registry.tags(repository)
    # Not copied: both are in one registry, and the token was for both repositories.
    assert "taken over from" in said.text
    assert PASSWORD not in said.text
    if auth == "bearer":
        kinds = {kind for method, path, kind in front.requests if not path.startswith("/token")}
        assert kinds == {"", "Bearer"}
        assert front.count("GET", "/token") <= 4


def test_nobody_gets_a_token_for_what_is_public(
    registry: RealRegistry, repository: str, front: Front, code: Path, make: Make, tmp_path: Path
) -> None:
    front.auth, front.users = "bearer", None
    registry.push(f"{repository}:1", python_base())
    built = make(base=f"{front.host}/{repository}:1", target=f"oci:{tmp_path}/out", code=str(code), insecure=[front.host])
    assert built["cached"] is False


def test_an_identity_token(
    registry: RealRegistry, repository: str, front: Front, code: Path, make: Make, login: Callable[..., str]
) -> None:
    front.auth, front.refresh_tokens = "bearer", {"long-lived": "ada"}
    base = registry.push(f"{repository}-base:1", python_base())
    path = login(front.host, user="", entry={"identitytoken": "long-lived"})
    make(base=base, target=f"{front.host}/{repository}", code=str(code), credentials=path, insecure=[front.host, registry.host])
    assert front.count("POST", "/token") >= 1
    assert registry.tags(repository)


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_a_wrong_password(
    registry: RealRegistry, repository: str, front: Front, make: Make, login: Callable[..., str], auth: str, said: Lines
) -> None:
    front.auth = auth
    registry.push(f"{repository}:1", python_base())
    path = login(front.host, password="n0t-it-at-all")
    with pytest.raises(RegistryError) as failure:
        make(base=f"{front.host}/{repository}:1", target=f"{front.host}/{repository}", credentials=path, insecure=[front.host])
    error = failure.value
    assert (error.registry, error.status) == (front.host, 401)
    assert front.host in error.message
    assert "as 'ada'" in error.message
    assert path in error.message
    assert path in (error.cure or "")
    assert "n0t-it-at-all" not in error.message + str(error.cure) + repr(error) + said.text


def test_nobody_is_told_to_log_in(registry: RealRegistry, repository: str, front: Front, make: Make) -> None:
    front.auth = "basic"
    registry.push(f"{repository}:1", python_base())
    with pytest.raises(RegistryError, match="without a login") as failure:
        make(base=f"{front.host}/{repository}:1", target=f"{front.host}/{repository}", insecure=[front.host])
    assert "credentials" in (failure.value.cure or "")


def test_who_may_only_pull_hears_it_before_anything_is_installed(
    registry: RealRegistry, repository: str, front: Front, make: Make, login: Callable[..., str], links: Path, said: Lines
) -> None:
    front.auth, front.allowed = "bearer", {repository: {"pull"}}
    registry.push(f"{repository}:1", python_base())
    with pytest.raises(RegistryError, match=f"pushing to {front.host}/{repository}") as failure:
        make(
            base=f"{front.host}/{repository}:1", target=f"{front.host}/{repository}", requirements=["alpha"], credentials=login(front.host),
            insecure=[front.host],
        )  # fmt: skip
    assert failure.value.status == 401
    assert "installing" not in said.text


def test_a_base_that_may_not_be_mounted_is_copied(
    registry: RealRegistry, repository: str, front: Front, make: Make, login: Callable[..., str], code: Path, said: Lines
) -> None:
    front.auth = "bearer"
    registry.push(f"{repository}-base:1", python_base())

    def no_mount(request: Any) -> bool:
        return "mount=" in request.path and front.error(request, 403, "DENIED", "not across repositories")

    front.fault = no_mount
    make(
        base=f"{front.host}/{repository}-base:1", target=f"{front.host}/{repository}", code=str(code), credentials=login(front.host),
        insecure=[front.host],
    )  # fmt: skip
    assert "copied in" in said.text
    assert registry.tags(repository)


def test_a_token_that_expires_is_fetched_again(
    registry: RealRegistry, repository: str, front: Front, make: Make, login: Callable[..., str], code: Path
) -> None:
    front.auth = "bearer"
    registry.push(f"{repository}-base:1", python_base())

    def expire(request: Any) -> bool:
        front.tokens.clear()
        return False

    front.fault = expire
    make(
        base=f"{front.host}/{repository}-base:1", target=f"{front.host}/{repository}", code=str(code), credentials=login(front.host),
        insecure=[front.host],
    )  # fmt: skip
    assert front.count("GET", "/token") > 5
    assert registry.tags(repository)


def test_the_login_does_not_follow_a_redirect_to_another_host(
    registry: RealRegistry, repository: str, front: Front, make: Make, login: Callable[..., str], code: Path, tmp_path: Path
) -> None:
    front.auth = "basic"
    storage = Front(registry.host)
    registry.push(f"{repository}:1", python_base())

    def elsewhere(request: Any) -> bool:
        if request.command != "GET" or "/blobs/sha256" not in request.path:
            return False
        return front.answer(request, 307, b"", [("Location", f"http://{storage.host}{request.path}"), ("Content-Length", "0")])

    front.fault = elsewhere
    try:
        make(
            base=f"{front.host}/{repository}:1",
            target=f"oci:{tmp_path}/out",
            code=str(code),
            credentials=login(front.host),
            insecure=[front.host],
        )
        assert len(storage.requests) >= 3
        assert {kind for _, _, kind in storage.requests} == {""}
    finally:
        storage.stop()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"auths": {}, "credHelpers": {"reg.test": "ecr-login"}}, "credential helper 'ecr-login'"),
        ({"auths": {"reg.test": {}}, "credsStore": "desktop"}, "credential helper 'desktop'"),
        ({"auths": {"reg.test": {"auth": "not base64!"}}}, "`auth` of reg.test"),
        ({"auths": ["reg.test"]}, "is not a docker config.json"),
    ],
)
def test_credentials_that_cannot_be_used(tmp_path: Path, make: Make, content: Any, expected: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=expected):
        make(base="reg.test/base", target="reg.test/mine", credentials=str(path))


def test_credentials_that_are_not_there(tmp_path: Path, make: Make) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        make(base="reg.test/base", target="reg.test/mine", credentials=str(tmp_path / "none.json"))


@pytest.mark.parametrize(
    ("key", "image", "found"),
    [
        ("reg.test", "reg.test/a/b", True),
        ("https://reg.test/v1/", "reg.test/a", True),
        ("https://reg.test/v2/", "reg.test/a", True),
        ("reg.test:5000", "reg.test/a", False),
        ("reg.test/a", "reg.test/a/b", True),
        ("reg.test/a", "reg.test/ab", False),
        ("*.reg.test", "eu.reg.test/a", True),
        ("*.reg.test", "reg.test/a", False),
        ("https://index.docker.io/v1/", "python:3.11", True),
        ("docker.io", "library/python", True),
    ],
)
def test_which_entry_is_used(login: Callable[..., str], key: str, image: str, found: bool) -> None:
    from runwright.execute.builder.credentials import Credentials
    from runwright.execute.builder.reference import Reference, parse

    reference = parse(image, "base")
    assert isinstance(reference, Reference)
    known = Credentials(login(key)).login(reference)
    assert (known is not None) is found
    if known is not None:
        assert (known.user, known.password) == ("ada", PASSWORD)
        assert PASSWORD not in f"{known} {known!r}"


def test_the_longest_path_wins(tmp_path: Path) -> None:
    from runwright.execute.builder.credentials import Credentials
    from runwright.execute.builder.reference import Reference

    path = tmp_path / "config.json"
    entries = {
        key: {"username": user, "password": "x"} for key, user in (("reg.test", "all"), ("reg.test/team", "team"), ("*.test", "any"))
    }
    path.write_text(json.dumps({"auths": entries}))
    users = [Credentials(str(path)).login(Reference("reg.test", name)) for name in ("team/a", "other")]
    assert [user.user for user in users if user] == ["team", "all"]


def test_a_base_with_nothing_in_it(registry: RealRegistry, repository: str, make: Make) -> None:
    from runwright.execute.builder.failures import BaseImageError

    base = registry.push(f"{repository}:1", Base({"etc/hosts": b""}))
    with pytest.raises(BaseImageError, match="no python3 on its PATH"):
        make(base=base, target=f"{registry.host}/{repository}")
