"""What Kubernetes and Linux take at most: up to there runs work on a real cluster, and more is refused by name before anything is created."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import runwright as rw
from runwright import _engine
from runwright.exceptions import InvalidError
from tests.cluster.kube import Kube
from tests.python.kubernetes.conftest import job_of, pod_of
from tests.servers.processes import wait_until
from tests.servers.s3 import Bucket

# What compresses least: six bits in a character.
NOISE = secrets.token_urlsafe(1_500_000)


@rw.function
def size(x: str) -> int:
    """How long it is."""
    return len(x)


@rw.function
def text(size: int) -> str:
    """A value of that size."""
    return "x" * size


@rw.function
def noise(size: int) -> bytes:
    """A file of that size, which cannot be compressed."""
    import os

    return os.urandom(size)


@rw.function
def variables() -> int:
    """The length of a secret."""
    import os

    return len(os.environ["BIG"])


@pytest.fixture
def bucket(here: Kube, pod_s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An artifact store that pods reach."""
    for name, value in pod_s3.environment.items():
        monkeypatch.setenv(name, value)
    rw.use(artifacts=pod_s3.url)
    return pod_s3


def refused(kube: Kube, submit: Callable[[], Any], field: str) -> InvalidError:
    """The error of what is too large: it names the field, and neither an object nor a record is left."""
    before, recorded = kube.objects(), len(rw.runs(project="*"))
    with pytest.raises(InvalidError) as caught:
        submit()
    assert caught.value.field == field, caught.value
    assert caught.value.cure
    assert (kube.objects(), len(rw.runs(project="*"))) == (before, recorded)
    return caught.value


def largest(low: int, high: int, fits: Callable[[int], bool]) -> int:
    """The largest number that fits."""
    assert fits(low)
    assert not fits(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def test_parameters(here: Kube) -> None:
    def fits(length: int) -> bool:
        try:
            size.run(x=NOISE[:length], dry_run=True)
        except InvalidError as error:
            assert error.field == "parameters"
            return False
        return True

    most = largest(200_000, 300_000, fits)
    few = 100  # Bytes, by which two runs' ids and times differ when they are packed.
    assert size.run(x=NOISE[: most - few]).result() == most - few, "the API server takes what we take"
    error = refused(here, lambda: size.run(x=NOISE[: most + few]), "parameters")
    assert "RUNWRIGHT_ARTIFACTS" in str(error.cure)


def large(length: int) -> rw.Function:
    """A function of so many bytes that do not get smaller by packing."""
    code = f"def handler(by: int = 1):\n    return by * len({NOISE[:length]!r})\n"
    return rw.get_or_create_project("limits").new_function(name="large", kind="python", code=code, handler="handler")


def test_code(here: Kube) -> None:
    assert large(1_330_000).run(action="job").result() == 1_330_000
    cure = str(refused(here, lambda: large(1_400_000).run(action="job"), "code_src").cure)
    assert "requirements=" in cure
    assert "RUNWRIGHT_ARTIFACTS" in cure


def test_code_that_no_object_takes_is_fetched_from_the_artifact_store(here: Kube, bucket: Bucket) -> None:
    function = large(1_500_000)
    assert function.run(action="job").result() == 1_500_000
    # The second run finds it there; those of a fan-out share it; code that another run waits with is there when it begins.
    assert function.map([{"by": 2}, {"by": 3}]).results() == [3_000_000, 4_500_000]
    assert function.run(by=function.run(action="job")).result() == 1_500_000**2
    assert [name for name in here.objects() if "runwright-code-" in name] == []
    assert "requirements=" in str(refused(here, lambda: function.run(action="serve"), "code_src").cure)


def test_results_around_the_termination_message(here: Kube) -> None:
    def told(run: rw.Run) -> str:
        assert run.wait().state == "COMPLETED"
        (main,) = (status for status in pod_of(here, run)["status"]["containerStatuses"] if status["name"] == "main")
        return str(main["state"]["terminated"]["message"])

    least = len(told(text.run(0)))
    # Times have more digits or fewer.
    below, above = 4096 - least - 30, 4096 - least + 30
    runs = text.run(below), text.run(above)
    assert 4000 < len(told(runs[0])) <= 4096
    assert '"stream"' in told(runs[1])[:20]
    assert [run.result() for run in runs] == ["x" * below, "x" * above]


def test_results_around_what_the_sidecars_log_holds(here: Kube) -> None:
    assert len(noise.run(7_998_000).result()) == 7_998_000
    run = noise.run(8_000_001).wait()
    assert run.error.cause == "ResultTooLarge"
    assert "RUNWRIGHT_ARTIFACTS" in run.error.cure


def test_results_by_the_artifact_store(here: Kube, bucket: Bucket) -> None:
    """More files than there are slots for, and more bytes than a log holds."""

    @rw.function
    def many() -> dict[str, bytes]:
        import os

        return {f"file{number}": os.urandom(9_000_000 if number == 0 else number) for number in range(12)}

    found = many.run().result()
    assert [len(content) for content in found.values()] == [9_000_000, *range(1, 12)]


def test_results_of_a_fan_out_by_the_artifact_store(here: Kube, bucket: Bucket, tmp_path: Path) -> None:
    """Each item has slots of its own: for a file, for several, and none that it does not need."""

    @rw.function
    def item(files: int, size: int) -> Any:
        import os

        return {f"file{number}": os.urandom(size) for number in range(files)} if files else size

    runs = item.map([{"files": 1, "size": 9_000_000}, {"files": 5, "size": 2_000_000}, {"files": 0, "size": 7}])
    found = runs.results()
    assert [len(content) for content in found[0].values()] == [9_000_000]
    assert [len(content) for content in found[1].values()] == [2_000_000] * 5
    assert found[2] == 7
    # The records, too, come back from the cluster alone.
    _engine._engine = None
    rw.use("kubernetes", home=tmp_path / "other")
    assert rw.sync()["found"] == 3
    assert [rw.attach(run.id).parameters for run in runs] == [run.parameters for run in runs]
    assert rw.attach(runs[0].id).wait().outputs


def test_items_of_a_fan_out(here: Kube, tmp_path: Path) -> None:
    """Many large items are in one ConfigMap, not in each of their pods."""
    items = [{"x": NOISE[:40_000]}, {"x": NOISE[40_000:120_000]}, {"x": "last"}]
    runs = size.map(items)
    assert runs.results() == [40_000, 80_000, 4]
    annotations = job_of(here, runs[0])["spec"]["template"]["metadata"]["annotations"]
    assert sum(map(len, annotations.values())) < 20_000
    assert f"ConfigMap/{runs[0].record['reference']['job']}-0" in here.objects()
    _engine._engine = None
    rw.use("kubernetes", home=tmp_path / "other")
    rw.sync()
    assert [rw.attach(run.id).parameters for run in runs] == items
    error = refused(here, lambda: size.map([{"x": NOISE[:150_000]}, {"x": NOISE[150_000:300_000]}]), "items")
    assert "fewer items" in str(error.cure)


def test_secrets(here: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER", "x")
    project = rw.get_or_create_project("default")
    project.new_secret("BIG", secret_value=NOISE[: 1024 * 1024 - 1])
    assert variables.run(secrets=["BIG", "OTHER"]).result() == 1024 * 1024 - 1
    project.new_secret("BIG", secret_value=NOISE[: 1024 * 1024])
    error = refused(here, lambda: variables.run(secrets=["BIG", "OTHER"]), "secrets")
    assert NOISE[:50] not in str(error)
    assert "1024 KiB" in str(error)


def test_what_a_program_of_an_image_is_told(here: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux starts none with more than 128 KiB in one word; a whole object has 1 MiB."""
    most = 128 * 1024 - len("BIG=") - 1
    check = ["sh", "-c", f'test "${{#BIG}}" = {most} && test "${{#TOKEN}}" = 10']
    project = rw.get_or_create_project("default")
    project.new_secret("TOKEN", secret_value="0123456789")
    program = rw.container(name="program", image=here.image("busybox:1"), command=check)
    run = program.run(envs={"BIG": "x" * most}, secrets=["TOKEN"])
    assert run.wait(60).state == "COMPLETED", run.error
    refused(here, lambda: program.run(envs={"BIG": "x" * (most + 1)}), "envs")
    refused(here, lambda: program.run(args=["x" * 128 * 1024]), "args")
    refused(here, lambda: program.run(envs={f"V{number}": "x" * 100_000 for number in range(12)}), "envs")
    project.new_secret("TOKEN", secret_value="0" * 128 * 1024)
    refused(here, lambda: program.run(secrets=["TOKEN"]), "secrets")


def test_a_run_that_waits_longer_than_its_urls_live(here: Kube, bucket: Bucket) -> None:
    """It says so before anything of the user's begins, and another run of it works."""
    rw.use(url_lifetime=3)
    run = noise.run(10, queue="full")
    assert wait_until(lambda: run.refresh().state == "PENDING", 60)
    wait_until(lambda: False, 4)
    here.kubectl("patch", "job", f"rw-{run.id}", "-p", '{"spec": {"suspend": false}}')
    assert run.wait(60).error.cause == "NotStarted"
    assert "expired" in run.error.message
    assert "url_lifetime" in run.error.cure
    rw.use(url_lifetime=3600)
    assert len(noise.run(10).result()) == 10
    with pytest.raises(InvalidError, match="7 days"):
        rw.use(url_lifetime=8 * 24 * 3600)
