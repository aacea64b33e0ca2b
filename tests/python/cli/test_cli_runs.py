"""`runwright runs` and `runwright run show|logs|stop|wait|delete`."""

import json
import signal
import time

import pytest


def test_runs_are_listed_newest_first_as_a_table_and_as_records(populated):
    records = populated.json("runs")
    assert [run["id"] for run in records[-3:]] == [populated.failed, populated.other, populated.completed]
    lines = populated("runs").stdout.splitlines()
    assert lines[0].split() == ["ID", "FUNCTION", "STATE", "CREATED", "TOOK"]
    assert [line.split()[0] for line in lines[1:]] == [run["id"] for run in records]
    assert "\x1b" not in "".join(lines)
    assert records == populated.python("import json, runwright as rw; print(json.dumps([run.record for run in rw.runs()]))")


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["--function", "train"], ["other", "completed"]),
        (["--state", "error"], ["failed"]),
        (["--state", "ERROR", "--function", "train"], []),
        (["--open"], []),
        (["--function", "train", "--limit", "1"], ["other"]),
    ],
)
def test_filters(populated, filters, expected):
    assert [run["id"] for run in populated.json("runs", *filters)] == [getattr(populated, name) for name in expected]


def test_pages(populated):
    assert [run["id"] for run in populated.json("runs", "--before", populated.other)] == [populated.completed]


def test_an_empty_list_is_no_error(program):
    done = program("runs")
    assert (done.stdout, done.stderr) == ("", "no runs\n")
    assert program.json("runs") == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--function", "trian"), 3, 'did you mean "train"'),
        (("--project", "defualt"), 3, 'did you mean "default"'),
        (("--project", "a/b"), 2, "is not a name"),
        (("--before", "zzz"), 2, "names no run"),
    ],
)
def test_names_that_do_not_exist_are_told(populated, arguments, code, words):
    assert words in populated("runs", *arguments, code=code).stderr


def test_show_tells_everything(populated):
    page = populated("run", "show", populated.failed).stdout
    for word in [
        populated.failed,
        "fail",
        "ERROR",
        "history",
        "RUNNING",
        "timeline",
        "user code",
        "provenance",
        "cwd",
        "UserError",
        "ValueError: no luck",
    ]:
        assert word in page
    page = populated("run", "show", populated.completed).stdout
    for word in ["parameters", "depth  8", "results", "COMPLETED"]:
        assert word in page
    assert populated.key in populated("run", "show", populated.made["id"]).stdout
    assert populated.key in populated("run", "show", populated.read["id"]).stdout


def test_show_json_is_the_record(populated):
    record = populated.json("run", "show", populated.completed)
    assert record == populated.python(f"import json, runwright as rw; print(json.dumps(rw.attach({populated.completed!r}).record))")
    assert populated.json("run", "show", record["key"]) == record
    assert populated.json("run", "show", record["id"][:-4]) == record


@pytest.mark.parametrize(
    "command", [["run", verb] for verb in ("show", "logs", "stop", "wait", "delete")] + [["diff", "0190f3a2-0000-7000-8000-000000000000"]]
)
def test_a_run_that_does_not_exist_is_told(populated, command):
    for text, code, words in [
        ("zzz", 2, "first 6 or more"),
        ("0190f", 2, "first 6 or more"),
        ("0190f3a2", 3, "there is no run 0190f3a2"),
        ("store://default/run/python/0190f3a2-0000-7000-8000-000000000000", 3, "there is no run"),
        ("store://default/model/sklearn/m", 2, "names a model, not a run"),
    ]:
        arguments = [*command, text] if command[0] == "run" else ["diff", text, populated.completed]
        done = populated(*arguments, code=code)
        assert words in done.stderr
        assert done.stdout == ""


def test_a_prefix_of_several_runs_is_told(populated):
    shared = populated.completed[:6]
    assert "several runs begin with" in populated("run", "show", shared, code=2).stderr


def test_logs(populated):
    done = populated("run", "logs", populated.failed)
    assert done.stdout == "about to fail\n"
    assert populated("run", "logs", populated.failed, "--follow").stdout == done.stdout
    assert populated("run", "logs", populated.completed, "--tail", "1").stdout.count("\n") == 1
    assert populated("run", "logs", populated.failed, "--timestamps").stdout.startswith("20")
    lines = [json.loads(line) for line in populated("run", "logs", populated.completed, "--json").stdout.splitlines()]
    assert {(line["s"], line["m"], line["a"]) for line in lines} == {("stdout", "training 8", 1), ("stderr", "to stderr", 1)}
    assert all(isinstance(line["t"], float) for line in lines)


def test_logs_follow_prints_live_until_the_end(program):
    key = program("run", "functions.py:sleep", "-p", "seconds=2", "--detach").stdout.strip()
    process = program.start("run", "logs", key, "-f")
    assert process.stdout.readline() == "sleeping\n"
    assert program.json("run", "show", key)["state"] == "RUNNING"
    assert process.stdout.read() == "awake\n"
    assert process.wait(30) == 0


def test_logs_into_head_end_quietly(program):
    record = program.json("run", "functions.py:chatter", "-p", "lines=20000")
    process = program.start("run", "logs", record["id"])
    process.stdout.readline()
    process.stdout.close()
    assert (process.wait(30), process.stderr.read()) == (0, "")


def test_wait_tells_by_its_exit_code(populated):
    assert "COMPLETED" in populated("run", "wait", populated.completed).stderr
    done = populated("run", "wait", populated.failed, code=1)
    assert "ValueError: no luck" in done.stderr
    assert done.stdout == ""
    assert populated.json("run", "wait", populated.failed, code=1)["state"] == "ERROR"


def test_wait_returns_when_the_run_ends_or_the_time_is_up(program):
    key = program("run", "functions.py:sleep", "-p", "seconds=3", "--detach").stdout.strip()
    done = program("run", "wait", key, "--timeout", "200ms", code=3)
    assert "goes on" in done.stderr
    assert "COMPLETED" in program("run", "wait", key, "--timeout", "1m").stderr


def test_stop_and_delete(program):
    key = program("run", "functions.py:sleep", "--detach").stdout.strip()
    assert "stop it first" in program("run", "delete", key, code=3).stderr
    assert program.json("run", "stop", key)["state"] == "STOPPED"
    assert "had ended already: STOPPED" in program("run", "stop", key).stdout
    program("run", "wait", key, code=1)
    assert program.json("run", "delete", key) == {"deleted": key}
    assert "there is no run" in program("run", "show", key, code=3).stderr
    assert program.json("runs") == []


@pytest.mark.parametrize("command", [("run", "wait"), ("run", "logs", "-f")])
def test_ctrl_c_ends_the_command_and_not_the_run(program, until, opened, command):
    key = program("run", "functions.py:sleep", "--detach").stdout.strip()
    until(lambda: program("run", "logs", key).stdout)
    process = program.start(*command, key)
    if "logs" in command:
        assert process.stdout.readline() == "sleeping\n"
    until(lambda: opened(process))
    # From the opened engine to the wait it is a read of one record.
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    error = process.stderr.read()
    assert "goes on" in error
    assert "Traceback" not in error
    assert program.json("run", "show", key)["state"] == "RUNNING"
    program("run", "stop", key)


def test_ctrl_c_while_a_started_run_is_followed_leaves_it_running(program):
    process = program.start("run", "functions.py:sleep")
    assert process.stdout.readline() == "sleeping\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    [run] = program.json("runs")
    assert run["state"] == "RUNNING"
    assert f"runwright run stop {run['id']}" in process.stderr.read()
    program("run", "stop", run["id"])
