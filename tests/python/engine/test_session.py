"""Settings of the session: what is wrong is told at once, and leaves what was in force."""

from __future__ import annotations

import pytest

import runwright as rw
from runwright import exceptions

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"home": 3}, "InvalidError", "home=3"),
        ({"store": "mysql://host/x"}, "InvalidError", "postgresql://"),
        ({"store": "/proc/nowhere/x.db"}, "StoreError", "nowhere"),
        ({"artifacts": "ftp://x"}, "InvalidError", "s3://"),
        ({"concurrency": 0}, "InvalidError", "1 or more"),
        ({"on": "kubernets"}, "InvalidError", "local"),
    ],
)
def test_a_wrong_setting_is_told_at_once_and_changes_nothing(add, settings, error, words):
    before = add.run(1, inline=True)
    with pytest.raises(getattr(exceptions, error), match=words):
        rw.use(**settings)
    assert list(rw.runs()) == [before]


def test_export_says_what_is_missing(add, tmp_path):
    with pytest.raises(exceptions.InvalidError, match="make the folder"):
        add.run(1, inline=True).export(str(tmp_path / "nowhere" / "run.yaml"))


def test_a_project_shows_what_is_in_it(add):
    add.run(1, inline=True)
    assert "add" in repr(rw.get_project("default"))
    gone = rw.get_or_create_project("gone")
    gone.delete()
    assert "gone" in repr(gone)
