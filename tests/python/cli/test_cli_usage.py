"""Help, versions, mistakes and completion: none of them opens the store."""

import subprocess
from importlib.metadata import version

import pytest

COMMANDS = ["runs", "run", "functions", "artifacts", "diff", "sync", "gc", "doctor", "completion"]


@pytest.fixture
def closed(program):
    """The program with a store that cannot be opened."""
    program.env["RUNWRIGHT_STORE"] = "postgresql://nobody@127.0.0.1:1/nowhere"
    yield program
    assert not program.home.exists()


def test_the_version_is_that_of_the_package(closed):
    assert closed("--version").stdout == f"runwright {version('runwright')}\n"


def test_help_lists_every_command_and_exit_code(closed):
    text = closed("--help").stdout
    for word in [*COMMANDS, "130", "RUNWRIGHT_HOME"]:
        assert word in text


@pytest.mark.parametrize(
    "command", [*([name] for name in COMMANDS), *(["run", verb] for verb in ("show", "logs", "stop", "wait", "delete"))]
)
def test_every_command_has_help(closed, command):
    assert "Usage: runwright" in closed(*command, "--help").stdout


@pytest.mark.parametrize("command", [(), ("run",)])
def test_no_command_is_a_usage_error_that_shows_help(closed, command):
    assert "Usage:" in closed(*command, code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rnus",), "runs"),
        (("runs", "--limt", "3"), "--limit"),
        (("runs", "--limit", "many"), "--limit"),
        (("runs", "--state", "eror"), 'did you mean "ERROR"'),
        (("run", "sohw", "0190f3a2"), 'did you mean "show"'),
        (("run", "show"), "<RUN>"),
        (("run", "wait", "0190f3a2", "--timeout", "soon"), "30s, 15m"),
        (("diff", "0190f3a2"), "<RIGHT>"),
        (("gc", "--older-than", "never"), "30s, 15m"),
        (("artifacts", "--type", "modle"), "model"),
        (("completion", "tcsh"), "bash"),
    ],
)
def test_a_misspelling_is_exit_code_2_and_says_what_is_right(closed, arguments, words):
    done = closed(*arguments, code=2)
    assert words in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stdout == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(closed, shell):
    script = closed("completion", shell).stdout
    assert "runwright" in script
    assert "older-than" in script


def test_bash_takes_its_completion_script(closed):
    script = closed("completion", "bash").stdout
    ask = 'COMP_WORDS=(runwright do); COMP_CWORD=1; _runwright runwright do runwright; echo "${COMPREPLY[*]}"'
    done = subprocess.run(["bash", "-c", f"{script}\n{ask}"], capture_output=True, text=True, check=True)
    assert done.stdout == "doctor\n"


def test_a_store_that_is_away_is_exit_code_3_with_a_cure(program):
    done = program("runs", code=3, env={"RUNWRIGHT_STORE": "postgresql://nobody@127.0.0.1:1/nowhere"})
    assert done.stderr.startswith("error: ")
    assert "\n  → " in done.stderr
    assert "Traceback" not in done.stderr


def test_an_argument_that_is_no_text_is_told(program):
    done = subprocess.run(
        [*program.command("run", "show"), b"\xff\xfe"], env=program.env, cwd=program.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "names no run" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_below_standard_output_is_told(program):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            program.command("completion", "bash"), env=program.env, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 3
    assert "standard output cannot be written" in done.stderr


def test_a_wrong_setting_is_exit_code_2(program):
    done = program("runs", code=2, env={"RUNWRIGHT_CONCURRENCY": "many"})
    assert "RUNWRIGHT_CONCURRENCY" in done.stderr
