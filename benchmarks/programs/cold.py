"""From nothing to a tracked result: import, define, run, result. `inline` or `process`."""

import sys

import runwright as rw


@rw.function
def f(x: int) -> int:
    """The function."""
    return x


if __name__ == "__main__":
    assert f.run(x=1, inline=sys.argv[1] == "inline").result() == 1
