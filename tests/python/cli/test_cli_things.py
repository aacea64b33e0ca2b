"""`runwright functions|artifacts|diff|sync|gc|doctor`."""

import contextlib
import sqlite3

import pytest


def test_functions_are_listed(populated):
    records = populated.json("functions")
    assert [function["name"] for function in records] == ["fail", "make", "size", "train"]
    lines = populated("functions").stdout.splitlines()
    assert lines[0].split() == ["NAME", "KIND", "VERSION", "CREATED", "DESCRIPTION"]
    assert [line.split()[0] for line in lines[1:]] == ["fail", "make", "size", "train"]


def test_a_function_shows_its_source_alone(populated):
    done = populated("functions", "show", "train")
    assert done.stdout == (populated.folder / "functions.py").read_text()
    assert "store://default/function/python/train:" in done.stderr
    record = populated.json("functions", "show", "train")
    assert record["spec"]["source"]["handler"] == "functions:train"
    assert populated("functions", "show", "train", "--version", record["version"][:8]).stdout == done.stdout
    assert populated.json("functions", "show", f"store://default/function/python/train:{record['version']}") == record


def test_versions(program):
    first = program.json("run", "functions.py:score", "-p", "depth=1")["version"]
    (program.folder / "functions.py").write_text("def score(depth: int):\n    return depth * 3\n")
    second = program.json("run", "functions.py:score", "-p", "depth=1")["version"]
    assert [one["version"] for one in program.json("functions", "show", "score", "--versions")] == [second, first]
    assert "* 3" in program("functions", "show", "score").stdout
    assert "* 2" in program("functions", "show", "score", "--version", first).stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("show", "trian"), 3, 'did you mean "train"'),
        (("show", "train", "--version", "abcdef"), 3, "version abcdef"),
        (("show", "train", "--version", "v1"), 2, "is not a version"),
        (("show", "store://default/model/sklearn/m"), 2, "not a function"),
        (("--project", "nope"), 3, "there is no project"),
    ],
)
def test_a_function_that_does_not_exist_is_told(populated, arguments, code, words):
    assert words in populated("functions", *arguments, code=code).stderr


def test_artifacts_and_their_lineage(populated):
    [record] = populated.json("artifacts")
    assert record["key"] == populated.key
    lines = populated("artifacts").stdout.splitlines()
    assert lines[0].split() == ["TYPE", "SIZE", "CREATED", "KEY"]
    assert lines[1].endswith(populated.key)
    assert populated.json("artifacts", "--type", record["type"], "--name", record["name"]) == [record]
    other = next(of for of in ("artifact", "dataitem", "model") if of != record["type"])
    assert populated.json("artifacts", "--type", other) == []
    page = populated("artifacts", "show", populated.key).stdout
    for word in [populated.key, populated.made["key"], populated.read["key"], record["path"]]:
        assert word in page
    shown = populated.json("artifacts", "show", populated.key)
    assert shown.pop("lineage") == {"made_by": populated.made["key"], "read_by": [populated.read["key"]]}
    assert shown == record


def test_an_artifact_that_does_not_exist_is_told(populated):
    assert "is not a key" in populated("artifacts", "show", "raw", code=2).stderr
    assert "there is no model" in populated("artifacts", "show", "store://default/model/sklearn/m", code=3).stderr


def test_diff(populated):
    found = populated.json("diff", populated.completed, populated.other)
    assert {"path": "parameters.depth", "left": 8, "right": 9} in found
    lines = populated("diff", populated.completed, populated.other).stdout.splitlines()
    assert lines[0].split() == ["WHAT", "LEFT", "RIGHT"]
    assert ["parameters.depth", "8", "9"] in [line.split() for line in lines]
    same = populated("diff", populated.completed, populated.completed)
    assert (same.stdout, same.stderr) == ("", "no differences\n")


def test_sync_finds_the_runs_of_a_lost_store(program):
    record = program.json("run", "functions.py:train")
    for file in program.home.glob("runwright.db*"):
        file.unlink()
    assert program.json("sync") == {"found": 1, "updated": 1}
    assert program("sync").stdout.startswith("0 runs found")
    again = program.json("run", "show", record["id"])
    assert (again["state"], again["results"]) == (record["state"], record["results"])


def test_gc_removes_old_folders_and_keeps_records(program):
    record = program.json("run", "functions.py:train")
    folder = program.home / "runs" / record["id"]
    assert program.json("gc")["runs"] == []
    assert program.json("gc", "--older-than", "0", "--dry-run")["runs"] == [record["key"]]
    assert folder.exists()
    done = program("gc", "--older-than", "0s")
    assert record["key"] in done.stdout
    assert "removed" in done.stderr
    assert not folder.exists()
    assert program.json("run", "show", record["id"]) == record
    assert "training 5" in program("run", "logs", record["id"]).stdout


def test_doctor_finds_nothing_wrong_and_leaves_nothing(program):
    report = program.json("doctor")
    assert report["ok"] is True
    by_name = {check["name"]: check for check in report["checks"]}
    assert list(by_name) == ["python", "home", "clock", "git", "installer", "store", "artifacts", "runner", "runs", "left-over"]
    assert all(check["status"] in ("ok", "warn") for check in report["checks"]), report
    assert all(check["cure"] for check in report["checks"] if check["status"] != "ok")
    assert by_name["runner"]["status"] == "ok"
    assert program.json("runs", "--all-projects") == []
    assert list((program.home / "runs").iterdir()) == []
    assert list((program.home / "artifacts").iterdir()) == []


def test_doctor_says_what_to_do(program):
    done = program("doctor", env={"RUNWRIGHT_STORE": "postgresql://nobody@127.0.0.1:1/nowhere", "PATH": "/nowhere"}, code=1)
    lines = done.stdout.splitlines()
    assert any(line.startswith("fail  store") for line in lines)
    assert any(line.startswith("warn  git") for line in lines)
    assert sum("→" in line for line in lines) >= 2
    assert done.stderr.startswith("error: ")


def test_doctor_sees_a_damaged_store(program):
    program.json("run", "functions.py:train")
    database = program.home / "runwright.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    content = database.read_bytes()
    database.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    done = program("doctor", code=1)
    assert "fail  store" in done.stdout
    assert "runwright sync" in done.stdout
    assert "Traceback" not in done.stderr


def test_doctor_sees_a_home_that_cannot_be_written(program):
    program.home.write_text("a file")
    done = program("doctor", code=1)
    assert "fail  home" in done.stdout
    assert "RUNWRIGHT_HOME" in done.stdout


def test_doctor_sees_an_artifact_store_that_cannot_be_written(program):
    (program.folder / "full").write_text("a file")
    done = program("doctor", code=1, env={"RUNWRIGHT_ARTIFACTS": str(program.folder / "full")})
    assert "fail  artifacts" in done.stdout
