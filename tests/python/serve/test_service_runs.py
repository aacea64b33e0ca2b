"""Services as runs, on this machine: started, awaited, asked, stopped; what cannot be is said before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

import runwright as rw
from runwright.exceptions import ConflictError, InvalidError


@rw.function
def scaled(rows: list[list[float]], factor: float = 1.0) -> list[float]:
    """Sum each row."""
    print("asked", flush=True)
    return [factor * sum(row) for row in rows]


@rw.function
def nothing() -> None:
    """Nothing."""


def test_a_service_is_ready_asked_and_stopped(home: Path) -> None:
    run = scaled.run(action="serve", serving={"port": 0})
    assert run.url is None
    run.wait(60)
    assert run.is_ready
    assert run.state == "RUNNING"
    assert str(run.url).startswith("http://127.0.0.1:")
    assert run.invoke(json={"rows": [[1, 2], [3]]}).json() == [3.0, 3.0]
    refused = run.invoke(json={"rows": 1})
    assert (refused.status_code, refused.json()["fields"][0]["field"]) == (422, "rows")
    assert run.invoke("/readyz").ok
    assert rw.attach(run.key).is_ready, "another client sees it"
    assert run.stop().state == "STOPPED"
    assert not run.is_ready
    assert "asked" in list(run.logs())
    with pytest.raises(rw.RunError, match="stopped"):
        run.invoke(json={})


def test_what_the_run_was_given_is_not_asked_of_clients(home: Path) -> None:
    """A parameter of the run is the function's from then on, without any `init`; one that it does not have ends the service with a reason."""
    run = scaled.run(action="serve", serving={"port": 0}, factor=2.0).wait(60)
    assert run.invoke(json={"rows": [[1, 2]]}).json() == [6.0]
    assert run.invoke(json={"rows": [], "factor": 3}).status_code == 422
    run.stop()
    wrong = scaled.run(action="serve", serving={"port": 0}, parameters={"facto": 2.0}).wait(60)
    assert (wrong.state, wrong.error.cause) == ("ERROR", "InputError")
    assert "'facto'" in wrong.error.message


def test_services_do_not_take_the_places_of_jobs(home: Path) -> None:
    rw.use(concurrency=1)
    service = scaled.run(action="serve", serving={"port": 0}).wait(60)
    assert nothing.run().wait(60).state == "COMPLETED"
    service.stop()


def test_a_port_in_use_ends_it_with_a_reason(home: Path) -> None:
    first = scaled.run(action="serve", serving={"port": 0}).wait(60)
    port = int(str(first.url).rsplit(":", 1)[1])
    second = scaled.run(action="serve", serving={"port": port}).wait(60)
    assert (second.state, second.error.cause) == ("ERROR", "PortInUse")
    first.stop()


def test_a_wrong_setting_is_refused_before_anything_starts(home: Path) -> None:
    with pytest.raises(InvalidError, match="wokers.*did you mean"):
        scaled.run(action="serve", serving={"wokers": 2})
    with pytest.raises(InvalidError, match="is no service"):
        nothing.run().wait().invoke()
    with pytest.raises(ConflictError, match="one of it"):
        service = scaled.run(action="serve", serving={"port": 0}).wait(60)
        try:
            service.scale(2)
        finally:
            service.stop()
    assert {run.action for run in rw.runs()} == {"job", "serve"}
