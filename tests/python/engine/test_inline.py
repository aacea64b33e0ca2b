"""Inline runs print where the caller looks, and into their log."""

from __future__ import annotations

import logging
import sys

import pytest

import runwright as rw

pytestmark = pytest.mark.usefixtures("home")


def test_what_an_inline_run_prints_is_shown_and_kept(capsys):
    @rw.function
    def talk():
        import sys

        print("one\ntwo")
        print("wrong", file=sys.stderr)
        sys.stdout.write("50%\r100%\r")
        print("no end", end="")
        return 1

    before = sys.stdout, sys.stderr
    run = talk.run(inline=True)
    assert (sys.stdout, sys.stderr) == before
    shown = capsys.readouterr()
    assert shown.out == "one\ntwo\n50%\r100%\rno end"
    assert shown.err == "wrong\n"
    lines = list(rw.attach(run.id).logs().records())
    assert [(line["s"], line["m"]) for line in lines] == [("stdout", "one"), ("stdout", "two"), ("stderr", "wrong"), ("stdout", "no end")]
    print("afterwards")
    assert "afterwards" not in run.logs()


def test_logging_is_kept_too():
    @rw.function
    def told():
        import logging

        logging.getLogger("mine").warning("careful")

    handlers = list(logging.getLogger().handlers)
    run = told.run(inline=True)
    assert logging.getLogger().handlers == handlers
    [line] = run.logs().records()
    assert (line["m"], line["level"], line["logger"]) == ("careful", "WARNING", "mine")


def test_what_a_failing_run_printed_is_kept():
    @rw.function
    def fail():
        print("so far")
        raise ValueError

    run = fail.run(inline=True)
    assert run.state == "ERROR"
    assert str(run.logs()) == "so far"


def test_a_deleted_function_is_not_run_from_memory(add):
    assert add.run(1, inline=True).result() == 2
    project = rw.get_project("default")
    saved = project.get_function("add")
    saved.delete()
    with pytest.raises(rw.RunwrightError, match="add"):
        saved.run(a=1, inline=True)
