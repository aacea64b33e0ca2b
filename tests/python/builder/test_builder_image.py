"""An image of base, requirements and code: what is in it, where it goes, and that it is made once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from builder_lab import MINOR, Lines, RealRegistry, files_of, python_base

Make = Callable[..., dict[str, Any]]


def test_an_image_has_packages_and_code(registry: RealRegistry, repository: str, links: Path, code: Path, make: Make, said: Lines) -> None:
    base = registry.push(f"{repository}-base:1", python_base())
    built = make(base=base, target=f"{registry.host}/{repository}", requirements=["alpha"], code=str(code), env={"COLOUR": "blue"})
    assert built["cached"] is False
    assert built["builder"] == "layer"
    image = built["image"].partition("/")[2]
    assert built["tag"] == f"{registry.host}/{repository}:{built['tag'].rpartition(':')[2]}"
    manifest, config = registry.manifest(image), registry.config(image)
    assert [layer["what"] for layer in built["layers"]] == ["packages", "code"]
    assert [layer["digest"] for layer in built["layers"]] == [layer["digest"] for layer in manifest["layers"][2:]]
    assert built["size"] == sum(layer["size"] for layer in manifest["layers"])
    packages, own = files_of(registry.layer(image, 2)), files_of(registry.layer(image, 3))
    assert packages["opt/runwright/packages/alpha.py"].startswith(b"VERSION = '1.0'")
    assert "opt/runwright/packages/beta.py" in packages
    assert packages["opt/runwright/packages/bin/alpha"].startswith(b"#!/usr/local/bin/python3\n")
    assert sorted(own) == [f"opt/runwright/code{rest}" for rest in ("", "/functions.py", "/package", "/package/__init__.py", "/run.sh")]
    environment = dict(entry.split("=", 1) for entry in config["config"]["Env"])
    assert environment == {
        "PATH": "/opt/runwright/packages/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": "/opt/runwright/code:/opt/runwright/packages",
        "LANG": "C.UTF-8",
        "COLOUR": "blue",
    }
    # What the base says of itself stays.
    assert (config["config"]["User"], config["config"]["Cmd"]) == ("1234", ["python3"])
    assert len(config["rootfs"]["diff_ids"]) == len(config["history"]) == 4
    assert built["python"] == MINOR
    assert any("Python" in line for line in said)


def test_the_same_inputs_are_built_once(registry: RealRegistry, repository: str, links: Path, code: Path, make: Make, said: Lines) -> None:
    settings = {"base": registry.push(f"{repository}:base", python_base()), "target": f"{registry.host}/{repository}", "code": str(code)}
    first = make(requirements=["alpha", "beta>=2"], **settings)
    said.clear()
    again = make(requirements=["beta>=2", "alpha # the same", ""], **settings)
    assert again["cached"] is True
    assert {**again, "seconds": 0, "cached": False} == {**first, "seconds": 0}
    assert not any("installing" in line or "packed" in line or "pushed" in line for line in said)
    # Other code: another image on top of the same packages, which nobody installs again.
    (code / "functions.py").write_text("def run():\n    return 2\n")
    other = make(requirements=["alpha", "beta>=2"], **settings)
    assert other["cached"] is False
    assert other["layers"][0] == first["layers"][0]
    assert other["tag"] != first["tag"]
    assert not any("installing" in line for line in said)
    forced = make(requirements=["alpha", "beta>=2"], force=True, **settings)
    assert forced["cached"] is False
    assert forced["image"] == other["image"]
    assert any("installing" in line for line in said)


def test_into_and_out_of_a_layout(tmp_path: Path, links: Path, code: Path, make: Make) -> None:
    base = python_base().write(tmp_path / "bases")
    target = tmp_path / "made"
    built = make(base=base, target=f"oci:{target}:mine", requirements=["beta"], code=str(code))
    index = json.loads((target / "index.json").read_text())
    names = {entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"] for entry in index["manifests"]}
    assert names["mine"] == built["digest"] == names[built["tag"].rpartition(":")[2]]
    manifest = json.loads((target / "blobs/sha256" / built["digest"][7:]).read_bytes())
    for blob in (manifest["config"], *manifest["layers"]):
        assert (target / "blobs/sha256" / blob["digest"][7:]).stat().st_size == blob["size"]
    assert make(base=base, target=f"oci:{target}", requirements=["beta"], code=str(code))["cached"] is True
    # And what was built is a base: with a place of its own for what is added.
    on_top = make(base=f"oci:{target}:mine", target=f"oci:{target}", requirements=["alpha"], code=str(code))
    assert on_top["code"] == "/opt/runwright-2/code"
    config = json.loads(
        (
            target / "blobs/sha256" / json.loads((target / "blobs/sha256" / on_top["digest"][7:]).read_bytes())["config"]["digest"][7:]
        ).read_bytes()
    )
    environment = dict(entry.split("=", 1) for entry in config["config"]["Env"])
    assert environment["PYTHONPATH"].split(":") == [
        "/opt/runwright-2/code", "/opt/runwright-2/packages", "/opt/runwright/code", "/opt/runwright/packages",
    ]  # fmt: skip
    assert len(config["rootfs"]["diff_ids"]) == 6
