"""One of several clients that write inline runs into one store at the same time. Opens it only when told: that is a race too."""

import sys

from worker import serve

import runwright as rw


@rw.function
def f(x: int) -> int:
    """The function."""
    return x


def write():
    """As many runs as were asked for; gives how many were completed and what went wrong."""
    number, count = int(sys.argv[2]), int(sys.argv[3])
    done, errors = 0, []
    for at in range(number * count, (number + 1) * count):
        try:
            done += f.run(x=at, inline=True).result() == at
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")
    return {"done": done, "errors": errors[:5], "failed": len(errors), "locked": sum("locked" in error for error in errors)}


serve(write=write)
