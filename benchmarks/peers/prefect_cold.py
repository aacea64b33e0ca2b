"""Prefect 3: one flow with no server configured; Prefect then starts a temporary server process of its own for it."""

from prefect import flow


@flow
def f(x: int) -> int:
    """The flow."""
    return x


if __name__ == "__main__":
    assert f(1) == 1
