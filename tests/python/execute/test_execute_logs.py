"""What is printed, in whatever form, becomes lines of the log."""

from __future__ import annotations

import os
import threading
import time

from execute_lab import Lab, until


def test_lines_arrive_while_it_runs_and_in_order(lab: Lab) -> None:
    code = """
        import os, sys, time
        def f():
            for n in range(3): print("out", n); print("err", n, file=sys.stderr)
            os.system("echo from a program")
            while not os.path.exists("go"): time.sleep(0.01)
    """
    run_id = lab.prepare(code)
    process = lab.start(run_id)
    until(lambda: "from a program" in lab.at(run_id).log())
    assert not os.path.exists(f"{lab.home}/runs/{run_id}/end.json")
    with open(f"{lab.home}/runs/{run_id}/go", "w", encoding="utf-8"):
        pass
    ended = lab.ended(run_id, process)
    assert ended.log() == ["out 0", "out 1", "out 2", "from a program"]
    assert ended.log("stderr") == ["err 0", "err 1", "err 2"]
    moments = [line["t"] for line in ended.lines("log.jsonl")]
    assert moments == sorted(moments)


def test_lines_of_every_kind(lab: Lab) -> None:
    code = r"""
        import os, sys
        def f():
            write = lambda data: os.write(1, data)
            write(b"plain\n\nwindows\r\n")
            write(b"\xff\xfe\x00binary\x1b[0m\n")
            write("h\u00e4lfte".encode()[:2]); write("h\u00e4lfte".encode()[2:] + b"\n")
            write(b"a\rb\rc\n")
            print("\ud800 surrogate")
            print('quote " back \\ tab \t \u2028')
            write(b"no newline")
    """
    assert lab.run(code).log() == [
        "plain",
        "",
        "windows",
        "\ufffd\ufffd\x00binary\x1b[0m",
        "hälfte",
        "a\rb\rc",
        "\\ud800 surrogate",
        'quote " back \\ tab \t \u2028',
        "no newline",
    ]


def test_long_lines_are_split(lab: Lab) -> None:
    code = """
        import os, sys
        def f():
            print("ä" * 100_000)
            print("x" * 65_536)
            sys.stdout.write("€" * 50_001)
    """
    lines = lab.run(code).log()
    assert "".join(lines) == "ä" * 100_000 + "x" * 65_536 + "€" * 50_001
    assert max(len(line.encode()) for line in lines) <= 64 * 1024
    assert len(lines) == 4 + 1 + 3


def test_a_hundred_thousand_lines(lab: Lab) -> None:
    code = """
        import sys
        def f():
            for n in range(100_000): sys.stdout.write(f"line {n}\\n")
    """
    assert lab.run(code).log() == [f"line {n}" for n in range(100_000)]


def test_output_without_end_stops_at_the_timeout(lab: Lab) -> None:
    code = """
        import os
        def f():
            while True: os.write(1, b"y" * 1000)
    """
    assert lab.run(code, timeout=0.3, grace=0.1).error["cause"] == "Timeout"


def test_logging_where_nothing_is_configured(lab: Lab) -> None:
    code = """
        import logging
        def f(run):
            log = logging.getLogger("my.module")
            log.debug("hidden"); log.info("info %s", 1); log.warning("two\\nlines")
            logging.getLogger("quiet").setLevel(logging.ERROR); logging.getLogger("quiet").warning("hidden")
            try: 1 / 0
            except ZeroDivisionError: log.exception("failed")
            run.logger.info("mine")
            log.info("%d", "no number")
    """
    ended = lab.run(code)
    records = [(line["level"], line["logger"], line["m"]) for line in ended.lines("log.jsonl") if line["s"] == "logging"]
    assert records[:2] == [("INFO", "my.module", "info 1"), ("WARNING", "my.module", "two\nlines")]
    assert records[2][2].startswith("failed\nTraceback")
    assert records[3:] == [("INFO", "f", "mine")]
    assert "--- Logging error ---" in ended.log("stderr")


def test_logging_as_the_user_configures_it(lab: Lab) -> None:
    code = """
        import logging
        def f():
            logging.basicConfig(format="%(levelname)s|%(message)s", level=logging.WARNING)
            logging.info("hidden"); logging.warning("shown")
    """
    ended = lab.run(code)
    assert ended.log("stderr") == ["WARNING|shown"]
    assert ended.log("logging") == []


def test_logging_where_only_a_level_is_set(lab: Lab) -> None:
    code = """
        import logging
        def f():
            logging.info("by default")
            logging.basicConfig(level=logging.WARNING)
            logging.info("hidden"); logging.warning("shown")
    """
    assert lab.run(code).log("logging") == ["by default", "shown"]


def test_logging_of_many_threads_and_processes(lab: Lab) -> None:
    code = """
        import logging, os, threading
        def tell(who):
            for n in range(50): logging.info("%s %d %s", who, n, "x" * 6000)
        def f():
            threads = [threading.Thread(target=tell, args=(f"t{n}",)) for n in range(4)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            pids = []
            for n in range(2):
                pid = os.fork()
                if pid == 0:
                    for n in range(50): logging.info("p%d", n)
                    os._exit(0)
                pids.append(pid)
            for pid in pids: os.waitpid(pid, 0)
    """
    records = lab.run(code).log("logging")
    assert len(records) == 300
    assert sum(len(record) > 6000 for record in records) == 200


def test_an_echo_for_pods(lab: Lab) -> None:
    code = """
        import logging, sys
        def f(run):
            print("hello"); print("oh", file=sys.stderr, flush=True); logging.getLogger("x").warning("told\\ntwice")
            1 / 0
    """
    run_id = lab.prepare(code, retries={"limit": 1, "delay": 0, "factor": 1, "max_delay": 0})
    process = lab.start(run_id, env={"RUNWRIGHT_ECHO": "1"})
    stdout, _ = process.communicate(timeout=30)
    attempt = ["WARNING x: told", "hello", "oh", "twice"]
    again = "runwright: attempt 1 failed (UserError: division by zero); trying again in 0 s"
    assert sorted(stdout.splitlines()) == sorted([*attempt, again, *attempt])
    # The container's log is the log.
    assert lab.at(run_id).log("stdout", "stderr", "logging", "runner") == []
    assert "hello" in lab.at(run_id).error["log"]


def test_many_metrics(lab: Lab) -> None:
    code = """
        def f(run):
            for n in range(20_000): run.log_metric("loss", 1 / (n + 1), step=n)
    """
    ended = lab.run(code)
    assert [event["step"] for event in ended.events("metric")] == list(range(20_000))


def test_reading_while_it_is_written_gives_whole_lines(lab: Lab) -> None:
    run_id = lab.prepare("def f():\n    for n in range(20_000): print(n)")
    process = lab.start(run_id)
    bad: list[bytes] = []
    done = threading.Event()

    def watch() -> None:
        path = f"{lab.home}/runs/{run_id}/log.jsonl"
        while not done.is_set():
            if os.path.exists(path):
                with open(path, "rb") as file:
                    data = file.read()
                bad.extend(line for line in data.split(b"\n")[:-1] if not (line.startswith(b"{") and line.endswith(b"}")))
            time.sleep(0.01)

    thread = threading.Thread(target=watch)
    thread.start()
    ended = lab.ended(run_id, process)
    done.set()
    thread.join()
    assert not bad
    assert len(ended.log()) == 20_000
