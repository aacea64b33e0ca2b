"""One run in its own process: what it returns, and each cause of its end."""

from __future__ import annotations

import os

import pytest
from execute_lab import PYTHON, Lab, pythons


@pytest.mark.parametrize("python", pythons(), ids=lambda path: path.split("/versions/")[-1].split("/")[0])
def test_every_python_from_3_9_runs_it(lab: Lab, python: str) -> None:
    code = """
        import sys, asyncio, logging
        async def f(a, b=2, *, c=3):
            print("out"); print("err", file=sys.stderr); logging.getLogger("x").info("told")
            await asyncio.sleep(0)
            return {"total": a + b + c, "version": list(sys.version_info[:2])}
    """
    ended = lab.run(code, python=python, parameters={"a": 1, "c": 5})
    assert ended.code == 0
    assert ended.end["state"] == "COMPLETED"
    assert ended.end["shape"] == "dict"
    assert ended.end["names"] == ["total", "version"]
    assert ended.values["total"] == 8
    assert ended.end["python"].split(".")[:2] == [str(part) for part in ended.values["version"]]
    assert ended.log() == ["out"]
    assert ended.log("stderr") == ["err"]
    assert [(line["m"], line["level"], line["logger"]) for line in ended.lines("log.jsonl") if line["s"] == "logging"] == [
        ("told", "INFO", "x")
    ]
    assert [event["type"] for event in ended.events()] == ["running", "mark", "mark", "mark"]
    assert [event["name"] for event in ended.events("mark")] == ["import", "call", "outputs"]
    assert ended.events("running")[0]["python"] == ended.end["python"]


@pytest.mark.parametrize(
    ("returned", "outputs", "shape", "names"),
    [
        ("None", None, "none", []),
        ("7", None, "single", ["result"]),
        ("(1, 2)", None, "single", ["result"]),
        ("{}", None, "single", ["result"]),
        ("{'a-b': 1}", None, "single", ["result"]),
        ("{'b': 1, 'a': 2}", None, "dict", ["b", "a"]),
        ("(1, 2)", ["x"], "single", ["x"]),
        ("(1, 2)", ["x", "y"], "tuple", ["x", "y"]),
        ("[1, 2]", ["x", "y"], "tuple", ["x", "y"]),
        ("{'y': 1, 'x': 2}", ["x", "y"], "dict", ["x", "y"]),
        ("{'x': 1}", ["x"], "single", ["x"]),
    ],
)
def test_shapes_of_results(lab: Lab, returned: str, outputs: list[str] | None, shape: str, names: list[str]) -> None:
    end = lab.run(f"def f(): return {returned}", outputs=outputs).end
    assert (end["state"], end["shape"], end["names"], list(end["outputs"])) == ("COMPLETED", shape, names, names)


@pytest.mark.parametrize("returned", ["1", "(1, 2, 3)", "{'x': 1}", "{'x': 1, 'z': 2}", "None", "'ab'"])
def test_outputs_that_were_not_declared(lab: Lab, returned: str) -> None:
    error = lab.run(f"def f(): return {returned}", outputs=["x", "y"]).error
    assert error["cause"] == "OutputError"
    assert "x, y" in error["message"]
    assert error["cure"]


def test_outputs_become_files(lab: Lab) -> None:
    ended = lab.run("def f(): return {'data': b'12345', 'n': 3}")
    data = ended.end["outputs"]["data"]
    assert data["path"].startswith("outputs/data/")
    with open(f"{ended.folder}/{data['path']}", "rb") as file:
        assert file.read() == b"12345"
    assert not os.path.exists(f"{ended.folder}/outputs/n")


def test_decorators_are_taken_off_and_their_outputs_hold(lab: Lab) -> None:
    code = """
        class Wrapped:
            __runwright_function__ = True
            __runwright_outputs__ = ["low", "high"]
            def __init__(self, fn): self.fn = fn
            def __call__(self): raise AssertionError("tracked twice")
        @Wrapped
        def f(): return 1, 2
    """
    end = lab.run(code).end
    assert (end["shape"], end["names"]) == ("tuple", ["low", "high"])


def test_users_decorators_stay(lab: Lab) -> None:
    code = """
        import functools
        def twice(fn):
            @functools.wraps(fn)
            def inner(*args, **kwargs): return 2 * fn(*args, **kwargs)
            return inner
        @twice
        def f(a, b=1): return a + b
    """
    assert lab.run(code, parameters={"a": 4}).result == 10


@pytest.mark.parametrize(
    ("signature", "parameters", "expected"),
    [
        ("a, /, b, *, c", {"a": 1, "b": 2, "c": 3}, "a=1 b=2 c=3"),
        ("a, *b", {"a": 1, "b": [2, 3]}, "a=1 b=(2, 3)"),
        ("a=0, *b", {"a": 1}, "a=1 b=()"),
        ("a, **more", {"a": 1, "b": 2}, "a=1 more={'b': 2}"),
        ("**more", {"more": {"b": 2}}, "more={'b': 2}"),
        ("a=1, /, b=2", {"b": 3}, "a=1 b=3"),
        ("context=5", {}, "context=5"),
        ("run", {"run": 4}, "run=4"),
    ],
)
def test_binding(lab: Lab, signature: str, parameters: dict[str, object], expected: str) -> None:
    code = f"def f({signature}): return ' '.join(f'{{name}}={{value!r}}' for name, value in locals().items())"
    assert lab.run(code, parameters=parameters).result == expected


@pytest.mark.parametrize(
    ("signature", "parameters", "says"),
    [
        ("depth", {}, "needs a value for 'depth'"),
        ("depth=1", {"depht": 2}, "no parameter 'depht'"),
        ("", {"a": 2}, "no parameter 'a'"),
        ("a, *b", {"a": 1, "b": 2}, "takes a list"),
    ],
)
def test_what_cannot_be_bound(lab: Lab, signature: str, parameters: dict[str, object], says: str) -> None:
    error = lab.run(f"def f({signature}): pass", parameters=parameters).error
    assert error["cause"] == "InputError"
    assert says in error["message"]
    assert error["cure"]


def test_callables_of_other_kinds(lab: Lab) -> None:
    code = """
        import functools
        class Adder:
            def __init__(self, by): self.by = by
            def __call__(self, a): return a + self.by
            def method(self, a, b=1): return a * b
            class Inner:
                @staticmethod
                def deep(a): return -a
        f = Adder(2)
        g = f.method
        h = functools.partial(max, 7)
    """
    assert lab.run(code, parameters={"a": 1}).result == 3
    assert lab.run(code, handler="functions:g", parameters={"a": 3}).result == 3
    assert lab.run(code, handler="functions:Adder.Inner.deep", parameters={"a": 3}).result == -3


def test_an_exception_of_the_users(lab: Lab) -> None:
    code = """
        class Bad(Exception):
            def __init__(self, code, thing):
                super().__init__("so bad"); self.code = code; self.thing = thing
        def inner(): raise KeyError("first")
        def f():
            print("before")
            try: inner()
            except KeyError as error: raise Bad(42, object()) from error
    """
    ended = lab.run(code)
    error = ended.error
    assert ended.code == 1
    assert (error["cause"], error["message"], error["type"], error["module"]) == ("UserError", "so bad", "Bad", "functions")
    assert error["attributes"] == {"code": 42}
    assert error["log"] == ["before"]
    text = error["traceback"]
    assert 'raise KeyError("first")' in text
    assert "direct cause" in text
    assert "raise Bad(42, object())" in text
    assert "_runwright" not in text
    assert "importlib" not in text


def test_an_exception_that_breaks_its_own_rendering(lab: Lab) -> None:
    code = """
        class Bad(Exception):
            def __str__(self): raise RuntimeError("no text")
        def f(): raise Bad()
    """
    error = lab.run(code).error
    assert (error["cause"], error["message"]) == ("UserError", "Bad")


@pytest.mark.parametrize(
    ("statement", "cause", "code", "signal"),
    [
        ("sys.exit(3)", "UserError", 3, None),
        ("sys.exit('no')", "UserError", 1, None),
        ("os._exit(5)", "ExitCode", 5, None),
        ("os._exit(0)", "ExitCode", 0, None),
        ("os.kill(os.getpid(), 9)", "Signal", None, "SIGKILL"),
        ("os.kill(os.getpid(), 11)", "Signal", None, "SIGSEGV"),
        ("os.abort()", "Signal", None, "SIGABRT"),
        ("raise MemoryError('so much')", "OutOfMemory", 1, None),
        ("bytearray(1 << 60)", "OutOfMemory", 1, None),
        ("raise KeyboardInterrupt", "UserError", 1, None),
        ("raise OSError(28, 'No space left on device')", "DiskFull", 1, None),
        ("raise RuntimeError('wrapped: No space left on device (os error 28)')", "DiskFull", 1, None),
        ("exec('f(1, 2')", "UserError", 1, None),
        ("(lambda again: again(again))(lambda again: again(again))", "UserError", 1, None),
    ],
)
def test_causes(lab: Lab, statement: str, cause: str, code: int | None, signal: str | None) -> None:
    ended = lab.run(f"import os, sys\ndef f():\n    print('last words', flush=True)\n    {statement}")
    end = ended.end
    assert (end["state"], end["error"]["cause"], end["exit_code"], end["signal"]) == ("ERROR", cause, code, signal)
    assert end["error"]["message"]
    assert "last words" in end["error"]["log"]


@pytest.mark.parametrize(
    ("statement", "cure"),
    [
        ("import no_such_module.part", "install what brings 'no_such_module', or name it in `requirements`"),
        ("input('name? ')", "inline=True"),
    ],
)
def test_errors_that_come_of_where_it_runs_have_a_cure(lab: Lab, statement: str, cure: str) -> None:
    assert cure in lab.run(f"def f():\n    {statement}").error["cure"]


def test_what_cannot_be_an_output_is_said_once(lab: Lab) -> None:
    error = lab.run("def f():\n    yield 1").error
    assert (error["type"], error["traceback"]) == (None, None)
    assert error["message"] == "The output 'result' of type generator: such a thing cannot be kept: it is used up as it is read"
    assert error["cure"] == "make it a list: `list(…)`"


def test_a_crash_says_where(lab: Lab) -> None:
    ended = lab.run("import os\ndef f(): os.kill(os.getpid(), 11)")
    assert any("Segmentation fault" in line for line in ended.log("stderr"))
    assert any("in f" in line for line in ended.error["log"])


@pytest.mark.parametrize("statement", ["sys.exit(0)", "sys.exit()"])
def test_leaving_with_success_is_success(lab: Lab, statement: str) -> None:
    assert lab.run(f"import sys\ndef f(): {statement}").end["shape"] == "none"


@pytest.mark.parametrize(
    ("code", "handler", "says"),
    [
        ("1 +", "functions:f", "SyntaxError"),
        ("1 / 0", "functions:f", "ZeroDivisionError"),
        ("import missing_thing", "functions:f", "missing_thing"),
        ("import sys; sys.exit(0)", "functions:f", "SystemExit"),
        ("def train(): pass", "functions:trian", "trian"),
        ("f = 3", "functions:f", "cannot be called"),
        ("def f(): pass", "nothing:f", "no module 'nothing'"),
        ("def f(): pass", "functions", "module:function"),
        ("", "pickle:function.pkl", "cannot be read"),
    ],
)
def test_what_does_not_import(lab: Lab, code: str, handler: str, says: str) -> None:
    error = lab.run(code, handler=handler).error
    assert error["cause"] == "ImportFailed"
    assert says in error["message"]
    assert error["cure"]


def test_a_file_that_hides_behind_the_standard_library(lab: Lab) -> None:
    error = lab.run(handler="os:f", files={"os.py": "def f(): pass"}).error
    assert error["cause"] == "ImportFailed"
    assert "hidden" in error["message"]


def test_a_pickled_function(lab: Lab) -> None:
    import pickle

    ended = lab.run(files={"function.pkl": pickle.dumps(len)}, handler="pickle:function.pkl", parameters={})
    # `len` has a signature that takes its argument by position only.
    assert ended.error["cause"] == "InputError"
    broken = lab.run(files={"function.pkl": b"\x80\x04nonsense", "function.pkl.python": "2.7"}, handler="pickle:function.pkl")
    assert "2.7" in broken.error["message"]


def test_what_user_code_sees(lab: Lab) -> None:
    code = """
        import os, sys
        def f():
            import pip
            names = ("A", "RUNWRIGHT_RUN", "RUNWRIGHT_PROJECT", "RUNWRIGHT_HOME", "RUNWRIGHT_SLOT_FD")
            return {
                "env": {name: os.environ.get(name) for name in names},
                "cwd": os.getcwd(),
                "main": sys.modules["__main__"].__dict__.get("__file__", "none"),
                "runner_on_path": any("runner" in entry for entry in sys.path),
                "executable": sys.executable,
                "stdin": sys.stdin.read(),
                "fds": sorted(os.listdir("/proc/self/fd")),
            }
    """
    ended = lab.run(code, envs={"A": "b"}, cwd="/", concurrency=1)
    value = ended.values
    assert value["env"] == {
        "A": "b",
        "RUNWRIGHT_RUN": "store://demo/run/python/" + os.path.basename(ended.folder),
        "RUNWRIGHT_PROJECT": "demo",
        "RUNWRIGHT_HOME": lab.home,
        "RUNWRIGHT_SLOT_FD": None,
    }
    assert value["cwd"] == "/"
    assert value["main"] == "none"
    assert value["runner_on_path"] is False
    assert value["executable"] == PYTHON
    assert value["stdin"] == ""
    # Standard streams, the pipe for reports, the leash, and the listing itself: nothing of the supervisor's.
    assert len(value["fds"]) == 6


def test_interpreters_that_libraries_start_are_as_usual(lab: Lab) -> None:
    """As joblib and multiprocessing start them: with the flags of this one."""
    code = """
        import subprocess, sys
        def f():
            flags = subprocess._args_from_interpreter_flags()
            command = [sys.executable, *flags, "-c", "import os, sys, pip; print(os.environ['PYTHONHASHSEED'], hash('a'))"]
            return {"flags": flags, "printed": {subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in "12"}}
    """
    value = lab.run(code, envs={"PYTHONHASHSEED": "7"}).values
    assert value["flags"] == []
    assert len(value["printed"]) == 1


def test_a_command(lab: Lab) -> None:
    def command(*words: str) -> dict[str, object]:
        return {"task": {"command": list(words)}}

    good = lab.run(envs={"A": "b"}, **command("sh", "-c", 'echo "$A"; echo oops >&2'))
    assert (good.end["state"], good.log(), good.log("stderr")) == ("COMPLETED", ["b"], ["oops"])
    bad = lab.run(**command("sh", "-c", "echo last; exit 7"))
    assert (bad.error["cause"], bad.end["exit_code"], bad.error["log"]) == ("ExitCode", 7, ["last"])
    killed = lab.run(**command("sh", "-c", "kill -SEGV $$"))
    assert (killed.error["cause"], killed.end["signal"]) == ("Signal", "SIGSEGV")
    missing = lab.run(**command("no-such-program"))
    assert (missing.error["cause"], missing.end["exit_code"]) == ("ExitCode", 127)
    assert "no-such-program" in missing.error["message"]


def test_processes_of_the_users(lab: Lab) -> None:
    code = """
        import multiprocessing
        def square(n): return n * n
        def f(how):
            with multiprocessing.get_context(how).Pool(2) as pool:
                return pool.map(square, [1, 2, 3])
    """
    assert lab.run(code, parameters={"how": "fork"}).result == [1, 4, 9]
    assert lab.run(code, parameters={"how": "spawn"}).result == [1, 4, 9]


def test_a_fork_that_comes_back_does_not_end_the_run(lab: Lab) -> None:
    code = """
        import os
        def f():
            pid = os.fork()
            if pid == 0: return "the other"
            os.waitpid(pid, 0)
            return "this one"
    """
    assert lab.run(code).result == "this one"


def test_threads_and_atexit_belong_to_the_run(lab: Lab) -> None:
    code = """
        import atexit, threading, time
        def f():
            atexit.register(lambda: print("at exit"))
            threading.Thread(target=lambda: (time.sleep(0.1), print("thread"))).start()
            print("returned")
    """
    assert lab.run(code).log() == ["returned", "thread", "at exit"]


def test_what_cannot_be_executed_at_all(lab: Lab) -> None:
    assert "protocol 1" in lab.run("def f(): pass", protocol=2).error["message"]
    assert "exactly one" in lab.run("def f(): pass", task={}).error["message"]
    run_id = lab.prepare("def f(): pass", python="/no/such/python")
    assert "/no/such/python" in lab.ended(run_id, lab.start(run_id)).error["message"]


def test_a_run_that_was_not_handed_over(lab: Lab) -> None:
    process = lab.start("nothing")
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 3
    assert "nothing" in stderr


def test_distributions_are_those_installed(lab: Lab) -> None:
    code = "def f(): pass"
    first, again = lab.run(code).end["distributions"], lab.run(code).end["distributions"]
    assert first == again
    assert len(first) == 64


def test_starting_imports_little(lab: Lab) -> None:
    """What would cost milliseconds before the user's function is called."""
    code = "import sys\ndef f(): return sorted(sys.modules)"
    loaded = set(lab.run(code).result)
    slow = {"typing", "dataclasses", "inspect", "subprocess", "logging", "datetime", "uuid", "pathlib", "tempfile", "hashlib", "threading"}
    slow |= {"json", "traceback", "importlib.metadata", "asyncio", "socket", "signal", "shutil"}
    expected = set()
    import subprocess

    # What the environment's own .pth files import is not ours.
    bare = subprocess.run([PYTHON, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True)
    expected |= set(bare.stdout.split())
    assert not (loaded & slow) - expected
