"""Flyte 2: import, one persisted local run, its output, exit."""

import flyte

env = flyte.TaskEnvironment(name="bench")


@env.task
def f(x: int) -> int:
    """The task."""
    return x


if __name__ == "__main__":
    flyte.init(local_persistence=True)
    assert flyte.with_runcontext(mode="local").run(f, x=1).outputs()[0] == 1
