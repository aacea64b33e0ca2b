"""Flyte 2: one task run locally, recorded in its SQLite database (`local_persistence`)."""

import flyte
from worker import serve

env = flyte.TaskEnvironment(name="bench")


@env.task
def f(x: int) -> int:
    """The task."""
    return x


def once():
    """One run, from call to outputs."""
    assert flyte.with_runcontext(mode="local").run(f, x=1).outputs()[0] == 1


if __name__ == "__main__":
    flyte.init(local_persistence=True)
    serve(run=once)
