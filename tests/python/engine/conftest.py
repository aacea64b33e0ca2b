"""Functions that the tests of the engine run."""

from __future__ import annotations

import pytest

import runwright as rw


@pytest.fixture
def add():
    @rw.function
    def add(a: int, b: int = 1) -> int:
        print(f"adding {a} and {b}")
        return a + b

    return add
