"""`runwright run FILE:FUNCTION`."""

import json
import subprocess
import sys

import pytest


def test_a_function_of_a_file_is_run_and_its_print_goes_to_stdout(program):
    done = program("run", "functions.py:train", "-p", "depth=8")
    assert done.stdout == "training 8\nto stderr\n" or done.stdout == "to stderr\ntraining 8\n"
    assert "store://default/run/python/" in done.stderr
    assert "COMPLETED in" in done.stderr
    assert "depth = 8" in done.stderr


def test_the_code_is_not_imported_by_the_client(program):
    # The runner gets the environment of its client, too: it must be the run that fails, not the submission.
    program("run", "functions.py:train", "--detach", env={"RUNWRIGHT_TEST_NO_IMPORT": "1"})


def test_values_are_typed_by_the_signature(program):
    given = ["depth=8", "rate=2", "name=8", "flag=true", 'any={"a": [1, null]}', "tags=[1, 2]"]
    record = program.json("run", "functions.py:train", *(word for pair in given for word in ("-p", pair)))
    assert record["spec"]["parameters"] == {"depth": 8, "rate": 2, "name": "8", "flag": True, "any": {"a": [1, None]}, "tags": [1, 2]}
    record = program.json("run", "functions.py:train", "-p", "any=hello", "-p", "name=null", "-p", "flag=False", "-p", "tags=null")
    assert record["spec"]["parameters"] == {"any": "hello", "name": "null", "flag": False, "tags": None}


def test_a_failed_run_is_exit_code_1_with_traceback(program):
    done = program("run", "functions.py:fail", "-p", "message=the moon is wrong", code=1)
    assert done.stdout == "about to fail\n"
    assert done.stderr.count("error: ") == 1
    assert "ValueError: the moon is wrong" in done.stderr
    assert 'functions.py", line' in done.stderr


def test_detach_prints_the_key_alone_and_returns(program):
    key = program("run", "functions.py:sleep", "--detach").stdout
    assert key.startswith("store://default/run/python/")
    assert key.count("\n") == 1
    program("run", "stop", key.strip())
    record = program.json("run", "functions.py:score", "-p", "depth=1", "--detach")
    assert record["state"] in ("CREATED", "PENDING", "RUNNING")
    assert program.json("run", "wait", record["key"])["state"] == "COMPLETED"


def test_json_is_the_ended_record_alone(program):
    done = program("run", "functions.py:train", "--json")
    record = json.loads(done.stdout)
    assert record["state"] == "COMPLETED"
    assert "training 5" in done.stderr
    assert record == program.python(f"import json, runwright as rw; print(json.dumps(rw.attach({record['id']!r}).record))")


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_inline_runs_here_and_is_tracked(program, flags):
    done = program("run", "functions.py:train", "--inline", "-p", "depth=3", *flags)
    assert "training 3" in (done.stderr if flags else done.stdout)
    [run] = program.json("runs")
    assert (run["backend"], run["state"], run["results"]["depth"]) == ("inline", "COMPLETED", 3)
    if flags:
        assert json.loads(done.stdout) == run


def test_an_inline_run_that_fails_is_exit_code_1(program):
    done = program("run", "functions.py:fail", "--inline", code=1)
    assert "ValueError: no luck" in done.stderr


def test_environment_secrets_and_options_reach_the_run(program):
    record = json.loads(
        program(
            *("run", "functions.py:environment", "--env", "LEVEL=debug=1", "--secret", "TOKEN", "--timeout", "5m", "--retries", "2"),
            *("--label", "nightly", "--on", "local", "--name", "renamed", "--json"),
            env={"TOKEN": "hunter2"},
        ).stdout
    )
    assert record["spec"]["envs"] == {"LEVEL": "debug=1"}
    assert record["spec"]["secrets"] == {"TOKEN": "env:TOKEN"}
    assert (record["spec"]["timeout"], record["spec"]["retries"]["limit"], record["spec"]["labels"]) == (300.0, 2, ["nightly"])
    assert record["function"] == "renamed"
    assert "hunter2" not in json.dumps(record)


def test_an_input_is_read_by_key(populated):
    assert populated.read["results"] == {"result": 3}
    assert populated.read["reads"] == [populated.key]


def test_a_timeout_ends_the_run_as_failed(program):
    done = program("run", "functions.py:sleep", "--timeout", "500ms", code=1)
    assert "Timeout" in done.stderr


def test_a_folder_and_its_module(program):
    (program.folder / "src").mkdir()
    (program.folder / "src" / "doubling.py").write_text("from helpers import twice\ndef double(x: int):\n    return twice(x)\n")
    (program.folder / "src" / "helpers.py").write_text("def twice(x):\n    return 2 * x\n")
    assert program.json("run", "src:doubling:double", "-p", "x=4")["results"] == {"result": 8}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("functions.py:trian",), "did you mean 'train'"),
        (("function.py:train",), "no such file"),
        (("functions.py:score",), 'needs "depth"'),
        (("functions.py:train", "-p", "dpeth=8"), 'did you mean "depth"'),
        (("functions.py:train", "-p", "depth=eight"), "give depth as int"),
        (("functions.py:train", "-p", "depth=1", "-p", "depth=2"), "given twice"),
        (("functions.py:train", "-p", "depth"), "name=value"),
        (("functions.py:train", "--on", "mars"), "local"),
        (("functions.py:train", "--secret", "NO_SUCH_SECRET"), "NO_SUCH_SECRET"),
        (("functions.py:train", "--input", "any=raw.csv"), "is not a key"),
        (("functions.py:train", "--retries", "-1"), "--retries"),
        (("functions.py:train", "--timeout", "0"), "timeout"),
        (("functions.py:train", "--wait", "--detach"), "cannot be used with"),
        (("functions.py",), "FILE:FUNCTION"),
        (("functions.py:",), "functions.py:FUNCTION"),
    ],
)
def test_a_mistake_is_exit_code_2_and_creates_nothing(program, arguments, words):
    done = program("run", *arguments, code=2)
    assert words in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stdout == ""
    assert program.json("runs") == []


def test_a_project_that_does_not_exist_is_told(program):
    done = program("run", "functions.py:train", "--project", "demo", code=3)
    assert "there is no project" in done.stderr


def test_the_project_of_the_environment_is_the_default(program):
    program.python("import runwright as rw; rw.get_or_create_project('demo'); print('null')")
    program.env["RUNWRIGHT_PROJECT"] = "demo"
    record = program.json("run", "functions.py:score", "-p", "depth=1")
    assert record["project"] == "demo"
    assert [run["id"] for run in program.json("runs")] == [record["id"]]
    assert program.json("runs", "--project", "default") == []
    assert [run["project"] for run in program.json("runs", "--all-projects")] == ["demo"]


def test_head_ends_the_output_and_not_the_verdict(program):
    process = program.start("run", "functions.py:chatter", "-p", "lines=20000")
    assert process.stdout.readline().startswith("line 0")
    process.stdout.close()
    assert process.wait(60) == 0
    assert "COMPLETED" in process.stderr.read()


def test_python_m_runwright_is_the_same_program(program):
    done = subprocess.run(
        [sys.executable, "-m", "runwright", "run", "functions.py:fail"],
        env=program.env,
        cwd=program.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "about to fail\n")
