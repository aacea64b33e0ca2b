"""The kernel kills a process because memory ran out: told apart from any other SIGKILL."""

from __future__ import annotations

from execute_lab import Lab


def test_out_of_memory(lab: Lab, small_group: str) -> None:
    # The fork of the supervisor that takes the memory is the one that is killed.
    run_id = lab.prepare("def f():\n    print('begun', flush=True)\n    return len(bytearray(b'x') * (512 << 20))")
    lab.enter_group(small_group)
    ended = lab.ended(run_id, lab.start(run_id))
    assert (ended.error["cause"], ended.end["signal"]) == ("OutOfMemory", "SIGKILL")
    assert ended.error["log"] == ["begun"]
    assert "mem" in ended.error["cure"]
