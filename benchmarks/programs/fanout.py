"""A map of many items."""

import sys

from worker import serve

import runwright as rw

runs = []


@rw.function
def f(x: int) -> int:
    """The function."""
    return x


def warm():
    """One run, so that everything is there."""
    assert f.run(x=1).wait().result() == 1


def submit():
    """All are recorded; gives the id of the fan-out."""
    runs[:] = [f.map(range(int(sys.argv[2])))]
    return runs[0][0].record["spec"]["map"]["id"]


def wait():
    """All have ended; gives whether every result is right."""
    return runs[0].wait().results() == list(range(int(sys.argv[2])))


serve(warm=warm, submit=submit, wait=wait)
