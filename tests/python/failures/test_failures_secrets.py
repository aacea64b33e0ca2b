"""Secrets: whatever a run does with one, its value is in no record, file, log, export or exception."""

from __future__ import annotations

import base64
import subprocess
import urllib.parse
from pathlib import Path

import pytest
from failures_lab import Home, files_with

FROM_ENV = "env-s3cr3t/wïth+chars&12345"
FROM_FILE = "file-s3cr3t=and?more\nsecond-line-of-it"

PROGRAM = f"""
import base64, json, logging, os, sys, urllib.parse
import runwright as rw
INLINE = {{inline}}

@rw.function(secrets=["FROM_ENV", "FROM_FILE"])
def leaks(how):
    import base64, logging, os, subprocess, sys, urllib.parse
    for name in ("FROM_ENV", "FROM_FILE"):
        value = os.environ[name]
        encoded = base64.b64encode(value.encode()).decode()
        quoted = urllib.parse.quote(value, safe="")
        if how == "print" and not {{inline}}:
            print(value, encoded, quoted, repr(value), file=sys.stderr)
            print(value)
            logging.getLogger("x").warning("it is %s", value)
            logging.getLogger(value[:20] + value[20:]).error(encoded)
            subprocess.run(["echo", value], check=True)
        rw.log_metric(value[:200], 1.0)
        rw.log_metric("in " + quoted, 1.0)
    value = os.environ["FROM_ENV"]
    if how == "raise":
        error = ValueError("cannot log in with " + value + " or " + os.environ["FROM_FILE"])
        error.token = value
        error.more = {{{{"deep": [os.environ["FROM_FILE"]]}}}}
        raise error
    if how == "chain":
        try:
            raise KeyError(value)
        except KeyError as inner:
            raise RuntimeError("outer") from inner
    if how == "exit":
        sys.exit("left with " + value)
    inner = {{{{"b": os.environ["FROM_FILE"], value: (value, base64.b64encode(value.encode()).decode())}}}}
    return {{{{"token": value, "nested": {{{{"a": [1, inner]}}}}, "quoted": urllib.parse.quote(value)}}}}

project = rw.get_or_create_project("default")
project.new_secret("FROM_FILE", secret_value={FROM_FILE!r})
before = os.environ.get("FROM_FILE")
shown = []
for how in ("print", "raise", "chain", "exit", "return"):
    run = leaks.run(how, inline=INLINE)
    run.wait()
    assert os.environ.get("FROM_FILE") == before, "the environment is as it was"
    assert os.environ["FROM_ENV"] == {FROM_ENV!r}
    assert run.state == ("COMPLETED" if how in ("print", "return") else "ERROR"), run.error
    again = rw.attach(run.id)
    try:
        shown.append(repr(again.result()))
    except rw.RunError as error:
        import traceback, pickle
        shown += [str(error), repr(error), "".join(traceback.format_exception(error)), repr(vars(error))]
        shown.append(pickle.dumps(error).decode("utf-8", "replace"))
    shown += [repr(run), run._repr_html_(), str(run.logs()), json.dumps(run.to_dict()), repr(run.metrics), repr(run.timeline())]
    shown.append(open(run.export(os.path.join(os.environ["OUT"], how + str(INLINE) + ".yaml"))).read())
assert again.result()["token"] == "***"
shown += [repr(rw.runs()), rw.runs()._repr_html_(), json.dumps(project.to_dict()), repr(project.list_secrets()), leaks.source]
project.export(os.path.join(os.environ["OUT"], "project.yaml"))
open(os.path.join(os.environ["OUT"], "shown"), "w").write("\\n".join(shown))
# Runs that are not started, too.
try:
    leaks.run()
except rw.RunwrightError as error:
    open(os.path.join(os.environ["OUT"], "refused"), "w").write(repr(error) + str(error) + repr(vars(error)))
"""


def _needles() -> list[bytes]:
    needles = []
    for secret in (FROM_ENV, FROM_FILE, FROM_FILE.splitlines()[1]):
        raw = secret.encode()
        needles += [
            raw,
            base64.b64encode(raw).rstrip(b"="),
            urllib.parse.quote(secret).encode(),
            urllib.parse.quote(secret, safe="").encode(),
        ]
        needles += [repr(secret)[1:-1].encode(), ascii(secret)[1:-1].encode(), urllib.parse.quote_plus(secret).encode()]
    return needles


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_nowhere(home: Home, tmp_path: Path, inline: bool, database: str, request: pytest.FixtureRequest) -> None:
    out = tmp_path / "out"
    out.mkdir()
    environment = {"FROM_ENV": FROM_ENV, "OUT": str(out)}
    if database == "postgres":
        environment["RUNWRIGHT_STORE"] = request.getfixturevalue("postgres_url")
    printed = home.start(PROGRAM.format(inline=inline), **environment)
    told = printed.communicate(timeout=60)
    assert printed.returncode == 0, told
    needles = _needles()
    for text in told:
        assert not [needle for needle in needles if needle in text.encode()], text
    found = list(files_with(home.path, needles, without=("secrets/",))) + list(files_with(out, needles))
    assert not found, found
    assert (out / "shown").stat().st_size > 1000
    assert b"***" in (out / "shown").read_bytes()
    if database == "postgres":
        tables = ("projects", "functions", "runs", "entities", "reads")
        for table in tables:
            dump = subprocess.run(
                ["psql", environment["RUNWRIGHT_STORE"], "-c", f"COPY {table} TO STDOUT"],
                capture_output=True,
                check=True,
                env=home.environment,
            ).stdout
            assert table != "runs" or dump
            assert not [needle for needle in needles if needle in dump], table
    for path in (home.path / "secrets").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, "only its owner may read it"
    assert not list(home.path.glob("runs/*/secrets.json"))


def test_deleted_with_its_project(home: Home) -> None:
    home.run(
        """
        import runwright as rw
        one = rw.get_or_create_project("one")
        one.new_secret("A", secret_value="a-value-of-one")
        one.new_secret("A", secret_value="another-value")
        one.new_secret("B", secret_value="b-value")
        one.delete_secret("B")
        assert list(one.list_secrets()) == ["A"]
        two = rw.get_or_create_project("two")
        two.new_secret("A", secret_value="a-value-of-two")
        one.delete()
        rw.delete_project("two")
        """
    )
    assert not list(files_with(home.path, [b"a-value-of", b"another-value", b"b-value"]))


def test_a_password_in_the_address_of_a_store_is_not_told(home: Home) -> None:
    told = home.json("""
import json
import runwright as rw
try:
    rw.use(store="mysql://me:geheim@host/x")
    rw.runs()
except rw.RunwrightError as error:
    print(json.dumps([str(error), error.value]))
""")
    assert told[0].startswith('"mysql://me@host/x" is no store')
    assert told[1] == "mysql://me@host/x"
