"""The kernel kills a process because memory ran out: told apart from any other SIGKILL."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from execute_lab import Lab


@pytest.fixture
def small_group() -> Iterator[str]:
    """A control group below our own that has 64 MiB: its `cgroup.procs`."""
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        groups = {line.rstrip("\n").split(":", 2)[1]: line.rstrip("\n").split(":", 2)[2] for line in file}
    if "memory" in groups:
        parent, limit = f"/sys/fs/cgroup/memory{groups['memory']}", "memory.limit_in_bytes"
    else:
        parent, limit = f"/sys/fs/cgroup{groups.get('', '/')}", "memory.max"
    folder = f"{parent.rstrip('/')}/runwright-test-{os.getpid()}"
    try:
        os.mkdir(folder)
        with open(f"{folder}/{limit}", "w", encoding="utf-8") as file:
            file.write(str(64 << 20))
    except OSError as error:
        if os.path.isdir(folder):
            os.rmdir(folder)
        pytest.skip(f"no control group can be made here: {error}")
    yield f"{folder}/cgroup.procs"
    os.rmdir(folder)


def test_out_of_memory(lab: Lab, small_group: str) -> None:
    # The fork of the supervisor that takes the memory is the one that is killed.
    run_id = lab.prepare("def f():\n    print('begun', flush=True)\n    return len(bytearray(b'x') * (512 << 20))")
    lab.entry, runner = f"{lab.home}/in_group.py", lab.entry
    with open(lab.entry, "w", encoding="utf-8") as file:
        file.write(
            f"import os, sys\nopen({small_group!r}, 'w').write(str(os.getpid()))\n"
            f"os.execv(sys.executable, [sys.executable, '-I', '-S', {runner!r}, *sys.argv[1:]])"
        )
    ended = lab.ended(run_id, lab.start(run_id))
    assert (ended.error["cause"], ended.end["signal"]) == ("OutOfMemory", "SIGKILL")
    assert ended.error["log"] == ["begun"]
    assert "mem" in ended.error["cure"]
