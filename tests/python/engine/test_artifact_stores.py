"""Outputs, inputs and logs in a real S3 server; the runner never has its credentials."""

from __future__ import annotations

import pytest

import runwright as rw


@pytest.fixture
def bucket(s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_key)
    monkeypatch.setenv("AWS_REGION", s3.region)
    return s3


def test_a_pipeline_through_s3(home, bucket, tmp_path, monkeypatch):
    rw.use(artifacts=f"s3://{bucket.bucket}/prefix", project="demo")

    @rw.function(outputs=["table"])
    def make(rows: int):
        import pandas as pd

        print("made")
        return pd.DataFrame({"x": range(rows)})

    @rw.function
    def total(table):
        return int(table["x"].sum())

    # Large enough for several parts.
    made = make.run(2_000_000).wait()
    table = made.output("table")
    assert table.path.startswith(f"s3://{bucket.bucket}/prefix/demo/dataitem/table/")
    assert len(table.as_df()) == 2_000_000
    assert total.run(made["table"]).result() == sum(range(2_000_000))
    assert total.run(table=make.run(10)["table"]).result() == 45
    rw.gc(0)
    assert str(made.logs()) == "made"
    copy = table.download(tmp_path / "copy.parquet")
    assert open(copy, "rb").read(4) == b"PAR1"
    assert bucket.secret_key not in "".join(path.read_text(errors="replace") for path in home.rglob("*") if path.is_file())
    table.delete()
    with pytest.raises(rw.RunwrightError):
        table.load()


def test_code_from_a_zip_in_s3(home, bucket, tmp_path):
    import zipfile

    archive = tmp_path / "code.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("functions.py", "def seven():\n    return 7\n")
    rw.use(artifacts=f"s3://{bucket.bucket}")
    project = rw.get_or_create_project("demo")
    taken = project.log_artifact("code", source=str(archive))
    fn = project.new_function(name="seven", kind="python", code_src=f"zip+{taken.path}", handler="functions:seven")
    assert fn.run(wait=True).result() == 7


def test_an_unreachable_store_is_named(home, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    rw.use(artifacts="s3://bucket")
    with pytest.raises(rw.RunwrightError, match="s3://bucket"):
        rw.get_or_create_project("demo").log_artifact("x", data="y")
    with pytest.raises(rw.RunwrightError, match="RUNWRIGHT_ARTIFACTS|ftp"):
        rw.use(artifacts="ftp://bucket", project="x")
