"""Profiles: where they come from, what wins, what is kept, and what is said of a wrong one. Nothing of this needs a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import runwright as rw
from runwright.exceptions import InvalidError

LARGE = {
    "resources": {"cpu": "2", "mem": "8Gi"},
    "envs": {"LEVEL": "profile", "THREADS": "4"},
    "node_selector": {"pool": "large"},
    "timeout": 60,
}


@rw.function
def level() -> list[str | None]:
    """What it finds in its environment."""
    import os

    return [os.environ.get("LEVEL"), os.environ.get("THREADS")]


def test_a_run_has_what_its_profile_says_but_for_what_it_says_itself(home: Path) -> None:
    """On this machine, too: the values are in the record, the variables in the process."""
    rw.use(profiles={"large": LARGE})
    run = level.run(profile="large", resources={"mem": "1Gi"}, envs={"LEVEL": "run"}).wait()
    assert run.result() == ["run", "4"]
    assert run.spec["resources"] == {"cpu": "2", "mem": "1Gi"}
    assert (run.spec["extra"]["node_selector"], run.spec["timeout"]) == ({"pool": "large"}, 60.0)
    assert run.spec["profile"] == {"name": "large", "says": LARGE}
    assert "profile" not in level.run().wait().spec


def test_a_run_that_is_done_again_has_the_profile_that_it_had(home: Path) -> None:
    """Whatever is called so by then; another may be named."""
    rw.use(profiles={"large": LARGE})
    run = level.run(profile="large").wait()
    rw.use(profiles={"large": {"envs": {"LEVEL": "changed"}}, "small": {"envs": {"LEVEL": "small"}}})
    again = run.reproduce().wait()
    assert again.result() == ["profile", "4"]
    assert again.spec == run.spec
    assert run.reproduce(profile="small", envs={"THREADS": "1"}).wait().result() == ["small", "1"]
    assert level.run(profile="large").wait().result() == ["changed", None]


def test_they_come_from_a_file_and_use_goes_before_it(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`profiles.yaml` in the home, or the file that RUNWRIGHT_PROFILES names."""
    home.mkdir(exist_ok=True)
    Path(home, "profiles.yaml").write_text("large:\n  envs: {LEVEL: home}\nonly-here: {}\n")
    rw.use(profiles={"large": {"envs": {"LEVEL": "use"}}})
    assert (sorted(rw.profiles()), rw.profiles()["large"]) == (["large", "only-here"], {"envs": {"LEVEL": "use"}})
    other = tmp_path / "team.yaml"
    other.write_text("team:\n  envs:\n    LEVEL: team\n")
    monkeypatch.setenv("RUNWRIGHT_PROFILES", str(other))
    rw.use(home=home)
    assert sorted(rw.profiles()) == ["large", "team"]
    assert repr(rw.profiles()) == "large:\n  envs:\n    LEVEL: use\nteam:\n  envs:\n    LEVEL: team"
    rw.use(profiles=other)
    assert level.run(profile="team").wait().result() == ["team", None]


@pytest.mark.parametrize(
    ("profiles", "words"),
    [
        ({"large": {"resorces": {}}}, r"profiles.large: a profile has no field \"resorces\" \(did you mean \"resources\"\?\)"),
        ({"large": {"resources": {"mem": "8GB"}}}, r"profiles.large: resources.mem \"8GB\" is not a quantity"),
        ({"a b": {}}, "a b"),
        ({"large": 3}, "profiles.large=3 is not what a run may say"),
        (["large"], "are no profiles"),
        ("nowhere.yaml", "nowhere.yaml cannot be read"),
    ],
)
def test_a_wrong_one_is_told_where_it_is_set(home: Path, profiles: Any, words: str) -> None:
    """And those before stay in force."""
    rw.use(profiles={"small": {}})
    with pytest.raises(InvalidError, match=words):
        rw.use(profiles=profiles)
    assert list(rw.profiles()) == ["small"]


def test_a_file_that_is_no_yaml_is_named(home: Path, tmp_path: Path) -> None:
    """With what would be right."""
    for text in ("{", "- large\n"):
        tmp_path.joinpath("p.yaml").write_text(text)
        with pytest.raises(InvalidError, match=r"p\.yaml") as refused:
            rw.use(profiles=tmp_path / "p.yaml")
        assert "large: {resources" in str(refused.value.cure)


def test_an_unknown_one_is_refused_before_anything_is_recorded(home: Path) -> None:
    """With the names that there are."""
    rw.use(profiles={"large": LARGE, "small": {}})
    with pytest.raises(InvalidError, match=r'there is no profile "larg" \(did you mean "large"\?\)') as refused:
        level.run(profile="larg")
    assert refused.value.cure == "use one of: large, small"
    assert list(rw.runs()) == []
