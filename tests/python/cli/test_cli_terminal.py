"""What a person sees: tables that fit a terminal, colours, progress."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios

import pytest

_PAINT = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """A program on a terminal of `columns`; `stream` says which of its streams are."""

    def __init__(self, program, arguments, columns=80, streams=("stdout", "stderr")):
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.seen = ""
        self.process = program.start(*arguments, stdin=theirs, **dict.fromkeys(streams, theirs))
        os.close(theirs)

    def read(self, until=None, seconds=30.0):
        """All that is printed, or all up to where `until` is seen."""
        while until is None or until not in self.seen:
            ready, _, _ = select.select([self.ours], [], [], seconds)
            assert ready, f"not seen: {until!r} in {self.seen!r}"
            try:
                piece = os.read(self.ours, 65536)
            except OSError:  # its other end is closed
                break
            if not piece:
                break
            self.seen += piece.decode()
        return self.seen

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.wait()
        os.close(self.ours)


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("command", [("runs",), ("functions",)])
def test_a_table_fits_the_terminal(populated, command, columns):
    with Terminal(populated, command, columns) as terminal:
        lines = _PAINT.sub("", terminal.read()).splitlines()
    assert len(lines) > 3
    assert max(map(len, lines)) <= columns


def test_ids_are_whole_on_a_narrow_terminal(populated):
    with Terminal(populated, ("runs",), 40) as terminal:
        assert populated.completed in terminal.read()


def test_states_are_coloured_unless_no_color_is_set(populated):
    with Terminal(populated, ("runs",)) as terminal:
        assert "\x1b[32mCOMPLETED\x1b[0m" in terminal.read()
    populated.env["NO_COLOR"] = "1"
    try:
        with Terminal(populated, ("runs",)) as terminal:
            assert "\x1b" not in terminal.read()
    finally:
        del populated.env["NO_COLOR"]


def test_json_on_a_terminal_has_no_colour(populated):
    with Terminal(populated, ("runs", "--json")) as terminal:
        assert "\x1b" not in terminal.read()


def test_wait_shows_progress_on_a_terminal_and_the_end_instead_of_it(program):
    key = program("run", "functions.py:sleep", "-p", "seconds=3", "--detach").stdout.strip()
    with Terminal(program, ("run", "wait", key), streams=("stderr",)) as terminal:
        assert "sleep RUNNING" in terminal.read("sleep RUNNING")
        text = terminal.read()
        assert "COMPLETED in" in text
        assert terminal.process.wait(10) == 0
        assert terminal.process.stdout.read() == ""


def test_ctrl_c_typed_at_a_terminal_leaves_the_run(program):
    with Terminal(program, ("run", "functions.py:sleep")) as terminal:
        terminal.read("sleeping")
        terminal.process.send_signal(signal.SIGINT)
        assert "goes on" in terminal.read("stops it")
        assert terminal.process.wait(10) == 130
    [run] = program.json("runs")
    assert run["state"] == "RUNNING"
    program("run", "stop", run["id"])
