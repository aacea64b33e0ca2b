"""Bases of all kinds: which image, which Python, what stays as it is. And settings that are refused before anything is done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builder_lab import ARCHITECTURE, DOCKER, MINOR, OCI, Base, Lines, RealRegistry, python_base, sha256

from runwright.execute.builder import environment
from runwright.execute.builder.failures import BaseImageError, ConfigError, RegistryError
from runwright.execute.builder.reference import LayoutReference, Reference, parse
from runwright.execute.builder.settings import read

Make = Callable[..., dict[str, Any]]
OTHER = "arm64" if ARCHITECTURE == "amd64" else "amd64"


def entry(base: Base, architecture: str, docker: bool = False, variant: str = "") -> dict[str, Any]:
    """What an index says of one of its images."""
    manifest = base.manifest(docker)
    raw = json.dumps(manifest).encode()
    about = {"os": "linux", "architecture": architecture, **({"variant": variant} if variant else {})}
    return {"mediaType": manifest["mediaType"], "digest": sha256(raw), "size": len(raw), "platform": about}


@pytest.mark.parametrize("docker", [False, True])
def test_the_kind_of_the_base_stays(registry: RealRegistry, repository: str, code: Path, make: Make, docker: bool) -> None:
    base = registry.push(f"{repository}-base:1", python_base(), docker=docker)
    built = make(base=base, target=f"{registry.host}/{repository}:named", code=str(code))
    manifest = registry.manifest(f"{repository}:named")
    assert manifest["mediaType"] == (f"{DOCKER}.manifest.v2+json" if docker else f"{OCI}.manifest.v1+json")
    kind = "application/vnd.docker.image.rootfs.diff.tar.gzip" if docker else f"{OCI}.layer.v1.tar+gzip"
    assert manifest["layers"][-1]["mediaType"] == kind
    assert sorted(registry.tags(repository)) == sorted(["named", built["tag"].rpartition(":")[2]])
    config = registry.config(f"{repository}:named")
    assert config["config"]["Labels"]["org.opencontainers.image.base.digest"] == built["base"].partition("@")[2]


@pytest.mark.parametrize("docker", [False, True])
def test_an_index_gives_the_image_of_this_platform(registry: RealRegistry, repository: str, code: Path, make: Make, docker: bool) -> None:
    ours, other = python_base(), python_base(architecture=OTHER)
    registry.push(f"{repository}:other", other, docker)
    registry.push(f"{repository}:ours", ours, docker)
    unknown = {**entry(ours, "unknown", docker), "platform": {"os": "unknown", "architecture": "unknown"}}
    base = registry.push_index(f"{repository}:all", [entry(other, OTHER, docker, "v8"), unknown, entry(ours, ARCHITECTURE, docker)], docker)
    built = make(base=base, target=f"{registry.host}/{repository}-out", code=str(code))
    assert built["platform"] == f"linux/{ARCHITECTURE}"
    assert built["base"].endswith(entry(ours, ARCHITECTURE, docker)["digest"])
    # The same image by its own name is the same base.
    assert make(base=f"{registry.host}/{repository}:ours", target=f"{registry.host}/{repository}-out", code=str(code))["cached"] is True
    # Code alone can be put on an image of another kind of machine.
    assert (
        make(base=base, target=f"{registry.host}/{repository}-out", code=str(code), platform=f"linux/{OTHER}")["platform"]
        == f"linux/{OTHER}"
    )
    with pytest.raises(BaseImageError, match=rf"no image for linux/s390x, only for linux/{OTHER}/v8, linux/{ARCHITECTURE}"):
        make(base=base, target=f"{registry.host}/{repository}-out", platform="linux/s390x")


def test_an_image_of_another_machine(registry: RealRegistry, repository: str, make: Make) -> None:
    base = registry.push(f"{repository}:1", python_base(architecture=OTHER))
    with pytest.raises(BaseImageError, match=f"is for linux/{OTHER}, not for linux/{ARCHITECTURE}"):
        make(base=base, target=f"{registry.host}/{repository}")
    with pytest.raises(BaseImageError, match=f"this container is linux/{ARCHITECTURE}"):
        make(base=base, target=f"{registry.host}/{repository}", inside=True)


def test_what_is_no_image(registry: RealRegistry, repository: str, make: Make, tmp_path: Path) -> None:
    registry.push(f"{repository}:1", python_base())
    artifact = {**python_base().manifest(), "config": {"mediaType": "x/y", "digest": sha256(b"{}"), "size": 2}, "layers": None}
    folder = tmp_path / "odd"
    python_base().write(folder, "good")
    raw = json.dumps(artifact).encode()
    (folder / "blobs/sha256" / hashlib.sha256(raw).hexdigest()).write_bytes(raw)
    with pytest.raises(BaseImageError, match="is no image that can be built on"):
        make(base=f"oci:{folder}@{sha256(raw)}", target=f"oci:{tmp_path}/out")
    python_base("3.9").write(folder, "second")
    with pytest.raises(BaseImageError, match="has 2 images"):
        make(base=f"oci:{folder}", target=f"oci:{tmp_path}/out")
    with pytest.raises(BaseImageError, match="there is no image"):
        make(base=f"oci:{folder}:third", target=f"oci:{tmp_path}/out")
    with pytest.raises(BaseImageError, match="is no OCI layout"):
        make(base=f"oci:{tmp_path}", target=f"oci:{tmp_path}/out")
    (folder / "index.json").write_text("{")
    with pytest.raises(BaseImageError, match="cannot be read"):
        make(base=f"oci:{folder}:good", target=f"oci:{tmp_path}/out")
    blob = next((tmp_path / "out/blobs/sha256").iterdir(), None)
    assert blob is None


def test_a_folder_with_other_things_is_no_target(tmp_path: Path, make: Make) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="other things in it"):
        make(base=python_base().write(tmp_path / "base"), target=f"oci:{tmp_path}/mine")


@pytest.mark.parametrize(
    ("layers", "path", "expected"),
    [
        ([{"usr/bin/python3.12": b"", "usr/bin/python3": ("link", "python3.12")}], None, ("3.12", "/usr/bin/python3")),
        ([{"./usr/bin/python3.12": b"", "./usr/bin/python3": ("link", "/usr/bin/python3.12")}], None, ("3.12", "/usr/bin/python3")),
        # The first on PATH counts.
        (
            [{"usr/bin/python3.11": b"", "usr/bin/python3": ("link", "python3.11"), "usr/local/bin/python3.13": b"", "usr/local/bin/python3": ("link", "python3.13")}],
            None, ("3.13", "/usr/local/bin/python3"),
        ),
        # A virtual environment: links over links, to another folder.
        (
            [
                {"usr/local/bin/python3.10": b"", "usr/local/bin/python3": ("link", "python3.10")},
                {"opt/venv/bin/python": ("link", "/usr/local/bin/python3"), "opt/venv/bin/python3": ("link", "python")},
            ],
            "/opt/venv/bin:/usr/local/bin", ("3.10", "/opt/venv/bin/python3"),
        ),
        # A folder that is a link.
        ([{"bin": ("link", "usr/bin"), "usr/bin/python3.9": b"", "usr/bin/python3": ("link", "python3.9")}], "/bin", ("3.9", "/bin/python3")),
        # A file of its own, with the version beside it.
        ([{"opt/conda/bin/python3": b"", "opt/conda/bin/python3.11": b""}], "/opt/conda/bin:/bin", ("3.11", "/opt/conda/bin/python3")),
        # Taken away in a later layer, and replaced.
        (
            [
                {"usr/bin/python3.11": b"", "usr/bin/python3": ("link", "python3.11")},
                {"usr/bin/.wh.python3.11": b"", "usr/bin/python3.12": b"", "usr/bin/python3": ("link", "python3.12")},
            ],
            None, ("3.12", "/usr/bin/python3"),
        ),
    ],
)  # fmt: skip
def test_which_python_is_found(tmp_path: Path, make: Make, layers: Any, path: str | None, expected: tuple[str, str], said: Lines) -> None:
    base = Base(*layers, env={"PATH": path} if path else {})
    built = make(base=base.write(tmp_path / "base"), target=f"oci:{tmp_path}/out")
    assert built["python"] == expected[0]
    assert f"Python {expected[0]} at {expected[1]}" in said


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([{"usr/bin/python2.7": b""}], "no python3"),
        ([{"usr/bin/python3": ("link", "python3.11")}], "no python3"),
        ([{"usr/bin/python3": ("link", "python3")}], "no python3"),
        ([{"usr/bin/python3.8": b"", "usr/bin/python3": ("link", "python3.8")}], "3.9 or later"),
        ([{"usr/bin/python3": b""}], "not which version"),
        ([{"usr/bin/python3.11": b"", "usr/bin/python3": ("link", "python3.11")}, {"usr/.wh.bin": b""}], "no python3"),
        ([{"usr/bin/python3.11": b"", "usr/bin/python3": ("link", "python3.11")}, {"usr/bin/.wh..wh..opq": b""}], "no python3"),
    ],
)
def test_bases_without_a_python_that_will_do(tmp_path: Path, make: Make, layers: Any, words: str) -> None:
    with pytest.raises(BaseImageError, match=words):
        make(base=Base(*layers).write(tmp_path / "base"), target=f"oci:{tmp_path}/out")


def test_musl_is_seen(tmp_path: Path) -> None:
    from runwright.execute.builder.image import find
    from runwright.execute.builder.layout import LayoutFolder
    from runwright.execute.builder.look import find_python

    files = {"lib/ld-musl-x86_64.so.1": b"", "usr/bin/python3.12": b"", "usr/bin/python3": ("link", "python3.12")}
    Base(files, compressed=False).write(tmp_path / "base")
    place = LayoutFolder(LayoutReference(str(tmp_path / "base")))
    assert find_python(place, find(place, "", f"linux/{ARCHITECTURE}"), lambda line: None).musl is True


def test_what_was_found_is_remembered(tmp_path: Path, make: Make, said: Lines) -> None:
    base = python_base().write(tmp_path / "base")
    settings = {"base": base, "target": f"oci:{tmp_path}/out", "cache": str(tmp_path / "cache")}
    make(**settings)
    make(**settings)
    assert said.text.count("looking for Python") == 1
    next((tmp_path / "cache").iterdir()).write_text("{")
    make(**settings)
    assert said.text.count("looking for Python") == 2


def test_a_python_that_is_told(tmp_path: Path, make: Make) -> None:
    base = Base({"etc/hosts": b""}).write(tmp_path / "base")
    assert make(base=base, target=f"oci:{tmp_path}/out", python={"version": MINOR, "path": "/x/python3"})["python"] == MINOR


def test_names_of_images() -> None:
    assert parse("python:3.11", "base") == Reference("docker.io", "library/python", "3.11")
    assert parse("team/app", "base") == Reference("docker.io", "team/app")
    assert parse("localhost/app:1", "base") == Reference("localhost", "app", "1")
    assert parse("reg.test:5000/a/b_c:v1.2-x", "base") == Reference("reg.test:5000", "a/b_c", "v1.2-x")
    digest = f"sha256:{'a' * 64}"
    assert parse(f"reg.test/a:1@{digest}", "base") == Reference("reg.test", "a", "1", digest)
    assert parse("oci:/folder", "base") == LayoutReference("/folder")
    assert parse("oci:/fol:der/x:tag", "base") == LayoutReference("/fol:der/x", "tag")
    assert str(parse(f"oci:/folder@{digest}", "base")) == f"oci:/folder@{digest}"


@pytest.mark.parametrize(
    "name", ["", " x", "https://reg.test/a", "reg.test/A", "reg.test/a:", "reg.test/a:b c", "reg.test/a@sha256:12", "oci:relative", "reg.test/", "a//b", 7, None]
)  # fmt: skip
def test_what_is_no_name_of_an_image(name: Any) -> None:
    with pytest.raises(ConfigError, match="target"):
        read({"base": "reg.test/a", "target": name})


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("requirements", "numpy"), ("requirements", ["a\nb"]), ("requirements", [1]), ("code", "/no/such"), ("env", {"A B": "x"}), ("env", ["A"]),
        ("env", {"A": None}), ("prefix", "relative"), ("prefix", "/a/../b"), ("prefix", "/"), ("prefix", "/a b"), ("insecure", "reg.test"), ("platform", "linux"),
        ("python", {"version": "3"}), ("python", "3.11"), ("epoch", -1), ("epoch", "x"), ("timeout", True), ("inside", "yes"), ("colour", "blue"),
    ],
)  # fmt: skip
def test_settings_that_are_refused(setting: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=setting):
        read({"base": "reg.test/a", "target": "reg.test/b", setting: value})


def test_a_target_has_no_digest() -> None:
    with pytest.raises(ConfigError, match="target"):
        read({"base": "reg.test/a", "target": f"reg.test/b@sha256:{'a' * 64}"})


def test_what_is_not_given_has_its_default() -> None:
    assert read({"base": "reg.test/a", "target": "reg.test/b", "code": None, "env": None}).prefix == "/opt/runwright"


def test_the_environment() -> None:
    base = {"PATH": "/bin", "PYTHONPATH": "/lib/x"}
    assert environment.free_prefix(base, "/opt/r") == "/opt/r"
    used = {"PYTHONPATH": "/opt/r/code:/opt/r-2/packages"}
    assert environment.free_prefix(used, "/opt/r") == "/opt/r-3"
    with_packages = environment.with_packages(base, "/opt/r/packages", ["/opt/r/packages/more"])
    assert with_packages == {"PATH": "/opt/r/packages/bin:/bin", "PYTHONPATH": "/opt/r/packages:/opt/r/packages/more:/lib/x"}
    whole = environment.complete(base, with_packages, {"PATH": "/mine", "A": "1", "PYTHONPATH": "/own"}, "/opt/r/code")
    assert whole["PATH"] == "/opt/r/packages/bin:/mine"
    assert whole["PYTHONPATH"] == "/opt/r/code:/opt/r/packages:/opt/r/packages/more:/own"
    assert whole["A"] == "1"


def test_a_failure_keeps_its_words(registry: RealRegistry, repository: str, make: Make) -> None:
    """A failure as the runner describes it."""
    from runwright.execute.failure import describe

    base = registry.push(f"{repository}:1", python_base())
    with pytest.raises(RegistryError) as failure:
        make(base=base, target="127.0.0.1:1/b", insecure=[registry.host, "127.0.0.1:1"], attempts=1)
    described = describe(failure.value)
    assert described["cause"] == "RegistryError"
    assert "127.0.0.1:1" in described["message"]
    assert described["cure"]


def test_nowhere_to_work(tmp_path: Path, make: Make) -> None:
    with pytest.raises(ConfigError, match="work: .*cannot be written") as failure:
        make(base=python_base().write(tmp_path / "base"), target=f"oci:{tmp_path}/out", work=str(tmp_path / "none"))
    assert "emptyDir" in (failure.value.cure or "")
