"""A change of anything that a function uses is a new version; no change is none."""

from __future__ import annotations

import math

import pytest

import runwright as rw
from runwright import exceptions
from runwright.define import Used

pytestmark = pytest.mark.usefixtures("home")

FACTOR = 2
SETTINGS = {"depth": [1]}


class Config:
    rate = 1


def helper(x):
    return FACTOR * x


def plain(x):
    return helper(x) + SETTINGS["depth"][0] + math.pi


def configured(x):
    return Config.rate * x


@pytest.fixture(autouse=True)
def _restored():
    yield
    globals().update(FACTOR=2)
    SETTINGS["depth"][0] = 1
    Config.rate = 1


def test_nothing_changed():
    used = Used(plain)
    assert used.is_unchanged()


def test_a_constant_of_a_helper_changed():
    used = Used(plain)
    globals()["FACTOR"] = 3
    assert not used.is_unchanged()


def test_a_container_changed_in_place():
    used = Used(plain)
    SETTINGS["depth"][0] = 9
    assert not used.is_unchanged()


def test_a_helper_was_redefined():
    used = Used(plain)
    before = globals()["helper"]
    globals()["helper"] = lambda x: x
    try:
        assert not used.is_unchanged()
    finally:
        globals()["helper"] = before


def test_what_may_change_unseen_is_always_captured_anew():
    assert not Used(configured).is_unchanged()


def test_the_version_follows():
    fn = rw.Function(None, "configured", "python", fn=configured)
    first = fn.version
    assert fn.version == first
    Config.rate = 5
    assert fn.version != first
    assert fn.run(x=2, wait=True).result() == 10


def test_what_has_no_name_of_its_own_needs_one():
    with pytest.raises(exceptions.InvalidError, match="a lambda has no name") as found:
        rw.function(lambda x: x)
    assert "name=" in found.value.cure
    assert rw.function(lambda x: x, name="same")(3) == 3


def test_methods_are_told_apart_from_functions():
    class Model:
        rate = 2

        def fit(self, x):
            return self.rate * x

        @staticmethod
        @rw.function
        def twice(x):
            return 2 * x

    with pytest.raises(exceptions.InvalidError, match=r"Model\.fit is a method"):
        rw.function(Model.fit)
    assert Model.twice(2) == 4
    assert rw.function(Model().fit)(3) == 6


def test_what_is_given_by_place_must_have_a_name():
    @rw.function
    def f(a, *rest):
        return [a, *rest]

    with pytest.raises(exceptions.InvalidError, match=r"f takes 1 argument by place, 2 were given\n.*\*rest a parameter that takes a list"):
        f.run(1, 2)
