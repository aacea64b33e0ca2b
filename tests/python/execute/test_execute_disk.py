"""A disk that is full: the end is written all the same."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from execute_lab import Lab

FILL = """
    import os, sys
    def fill():
        with open("filler", "wb", buffering=0) as file:
            try:
                while True: file.write(b"x" * 65536)
            except OSError: pass
            try:
                while True: file.write(b"x")
            except OSError: pass
"""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Lab]:
    """A home on a disk of 2 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield Lab(str(place))
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_results_and_errors_survive(small: Lab) -> None:
    good = small.run(FILL + "\n    def f(): fill(); return 7")
    assert good.result == 7
    os.unlink(f"{good.folder}/filler")
    bad = small.run(FILL + "\n    def f(): fill(); raise ValueError('y' * 10_000)")
    assert bad.error["cause"] == "UserError"
    assert bad.error["message"] == "y" * 10_000


def test_writing_beyond_it(small: Lab) -> None:
    ended = small.run("def f():\n    with open('filler', 'wb') as file: file.write(b'x' * (8 << 20))")
    assert ended.error["cause"] == "DiskFull"
    assert ended.error["cure"]


def test_an_output_that_finds_no_room(small: Lab) -> None:
    ended = small.run("def f(): return {'big': b'x' * (8 << 20)}")
    assert ended.error["cause"] == "DiskFull"
    assert not os.path.isdir(f"{ended.folder}/outputs/big") or not os.listdir(f"{ended.folder}/outputs/big")


def test_log_lines_are_dropped_and_counted(small: Lab) -> None:
    function = """
    def f():
        print("before", flush=True)
        while not os.path.getsize("log.jsonl"): pass
        fill()
        for n in range(10_000): print("line", n)
        return 7
    """
    code = FILL + function
    ended = small.run(code)
    assert ended.result == 7
    lines = ended.log()
    assert lines[0] == "before"
    assert ended.end["dropped"]["log"] >= 10_001 - len(lines) > 0
    # What was written is whole: the file could be read, line by line.
    assert ended.lines("log.jsonl")


def test_a_result_larger_than_the_reservation(small: Lab) -> None:
    ended = small.run(FILL + "\n    def f(): fill(); return {name: 'z' * 7000 for name in 'abcdefghijklmnopqrst'}")
    assert (ended.end["state"], ended.error["cause"]) == ("ERROR", "DiskFull")
    assert ended.end["outputs"] == {}


def test_a_disk_that_was_full_before(small: Lab) -> None:
    run_id = small.prepare("def f(): return 7")
    with open(f"{small.home}/filler", "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    process = small.start(run_id)
    process.wait(30)
    if os.path.exists(f"{small.home}/runs/{run_id}/end.json"):
        assert small.at(run_id).end["state"] in ("COMPLETED", "ERROR")
    else:
        # Not even a claim found room: nothing ran, and the process says so.
        assert process.returncode in (1, 3)
        assert "No space left" in process.stderr.read()  # type: ignore[union-attr]
