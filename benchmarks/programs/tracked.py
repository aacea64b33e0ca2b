"""Tracked runs in a warm client: inline, and in a process of their own."""

from worker import serve

import runwright as rw


@rw.function
def f(x: int) -> int:
    """One parameter, one metric, one result."""
    rw.log_metric("m", 1.0)
    return x


@rw.function
def g(x: int) -> int:
    """As little as a function can do."""
    return x


@rw.function
def broken(x: int) -> int:
    """Fails."""
    raise ValueError(f"no {x}")


def inline():
    """From call to result, in this process."""
    assert f.run(x=1, inline=True).result() == 1


def process():
    """From call to end, in a process of its own; gives the record."""
    run = g.run(x=1).wait()
    assert run.record["state"] == "COMPLETED", run.record["error"]
    return run.record


def measured():
    """As `process`, with a metric."""
    run = f.run(x=1).wait()
    assert run.record["state"] == "COMPLETED", run.record["error"]


def fail():
    """A run that fails, in a process of its own."""
    assert broken.run(x=1).wait().record["state"] == "ERROR"


if __name__ == "__main__":
    serve(inline=inline, process=process, measured=measured, fail=fail)
