"""Bad input: a typed error with field, value and cure, before anything is created."""

from __future__ import annotations

import json
from typing import Any

import pytest
from failures_lab import Home

PROGRAM = """
import io, json, os, sys, threading, zipfile
import runwright as rw
from runwright import _engine

@rw.function
def good(a: int, b: str = "x", *, items: list[int] | None = None):
    return a

@rw.function
def frame(di: rw.Dataitem):
    return 1

project = rw.get_or_create_project("default")
described = project.new_function(name="described", kind="python", code="def f(a: int, b=1):\\n    return a\\n", handler="f")
good.record, frame.record
packed = project.new_function(name="packed", kind="container", image="busybox")
home = os.environ["RUNWRIGHT_HOME"]
HERE = os.environ["HERE"]

def snapshot():
    files = set()
    for folder, folders, names in os.walk(home):
        for name in folders + names:
            path = os.path.relpath(os.path.join(folder, name), home)
            if not path.startswith(("runwright.db", "clients", "staging")) or path.startswith("staging" + os.sep):
                files.add(path)
    store = {
        "runs": sorted(run.id for run in rw.runs(project="*", limit=None)),
        "functions": sorted((function.name, version.version) for function in project.list_functions() for version in function.versions()),
        "projects": sorted(one.name for one in rw.list_projects()),
        "entities": len(project.list_artifacts()) + len(project.list_dataitems()) + len(project.list_models()),
    }
    return files, store

def write(name, content):
    path = os.path.join(HERE, name)
    with open(path, "wb") as file:
        file.write(content)
    return path

def evil_zip(name):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, "x")
    return content.getvalue()

BOMB = b"a: &a [x,x,x,x,x,x,x,x,x,x]\\n" + b"".join(
    b"%c: &%c [%s]\\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 10)) for i in range(9)
)
class Methods:
    def fit(self, x): return x

local = threading.local()
lock = threading.Lock()
CASES = {
    "action": lambda: good.run(1, action="jbo"),
    "kind": lambda: project.new_function(name="n", kind="pyhton", code="def f(): pass", handler="f"),
    "no handler": lambda: project.new_function(name="n", kind="python", code="def f(): pass\\ndef g(): pass"),
    "handler that is not there": lambda: project.new_function(name="n", kind="python", code="def f(): pass", handler="g"),
    "handler with a path": lambda: project.new_function(name="n", kind="python", code="def f(): pass", handler="../x:f"),
    "no code": lambda: project.new_function(name="n", kind="python", handler="f"),
    "both codes": lambda: project.new_function(name="n", kind="python", handler="f", code="x", code_src="x.py"),
    "source that is no Python": lambda: project.new_function(name="n", kind="python", code="def f(:\\n", handler="f"),
    "source that is not there": lambda: project.new_function(name="n", kind="python", code_src="nowhere/x.py", handler="f"),
    "field": lambda: project.new_function(name="n", kind="python", code="def f(): pass", handler="f", requirments=["x"]),
    "name": lambda: project.new_function(name="../n", kind="python", code="def f(): pass", handler="f"),
    "requirements that are no text": lambda: rw.function(requirements=[3])(local_function),
    "requirements that are no list": lambda: project.new_function(name="n", kind="python", code="def f(): pass", handler="f", requirements={"a": 1}),
    "outputs text": lambda: rw.function(outputs="ab")(local_function),
    "outputs twice": lambda: rw.function(outputs=["a", "a"])(local_function),
    "outputs of a handler": lambda: rw.handler(outputs=["a", "a"])(local_function),
    "a method": lambda: rw.function(Methods.fit),
    "requirements text": lambda: rw.function(requirements="numpy")(len),
    "malformed requirement": lambda: project.new_function(name="n", kind="python", code="def f(): pass", handler="f", requirements=["nump y=="]),
    "option requirement": lambda: project.new_function(name="n", kind="python", code="def f(): pass", handler="f", requirements=["--index-url=x"]),
    "malformed requirement of a decorated": lambda: rw.function(requirements=["numpy=>1"])(local_function).run(),
    "option of the decorator": lambda: rw.function(timout=3)(local_function),
    "wrong type": lambda: good.run("one"),
    "wrong type inside": lambda: good.run(1, items=[1, "two"]),
    "missing": lambda: good.run(),
    "unknown": lambda: good.run(1, c=2),
    "twice": lambda: good.run(1, a=2),
    "too many": lambda: good.run(1, "x", 3),
    "described: wrong type": lambda: described.run(a="x"),
    "described: unknown": lambda: described.run(parameters={"a": 1, "c": 1}),
    "inline: wrong type": lambda: good.run("one", inline=True),
    "mode that is no bool": lambda: good.run(1, inline="yes"),
    "wait that is no bool": lambda: good.run(1, wait="no"),
    "map: a dict": lambda: good.map({"a": 1}),
    "map: text": lambda: good.map("12"),
    "map: a number": lambda: good.map(3),
    "map: one wrong": lambda: good.map([{"a": 1}, {"a": "x"}]),
    "map: one misnamed": lambda: good.map([{"a": 1}, {"aa": 1}]),
    "project": lambda: rw.get_project("defautl"),
    "project of runs": lambda: rw.runs(project="defautl"),
    "project of a function": lambda: rw.function(project="nowhere")(local_function).run(),
    "function of runs": lambda: rw.runs("goood"),
    "state": lambda: rw.runs(state="EROR"),
    "on": lambda: good.run(1, on="kubernets"),
    "use": lambda: rw.use("kubernets"),
    "key": lambda: frame.run("store://nonsense"),
    "key of nothing": lambda: frame.run("store://default/dataitem/table/x:0190"),
    "key of another type": lambda: rw.get_entity("store://default/run/python/01a20fa4-1bcb-74c3-b5f7-344132c93208"),
    "no key": lambda: frame.run(inputs={"di": "table.csv"}),
    "attach to nothing at all": lambda: rw.attach(3),
    "diff": lambda: rw.diff(3, 4),
    "runs of a number": lambda: rw.runs(3),
    "limit": lambda: rw.runs(limit=-1),
    "limit text": lambda: rw.runs(limit="10"),
    "timeout of a wait": lambda: rw.runs().wait(timeout="10"),
    "attach": lambda: rw.attach("store://default/run/python/nope"),
    "attach to nothing": lambda: rw.attach("01a20fa4-1bcb-74c3-b5f7-344132c93208"),
    "quantity": lambda: good.run(1, resources={"cpu": "two"}),
    "quantity 2": lambda: good.run(1, resources={"mem": "4Gib"}),
    "resource": lambda: good.run(1, resources={"ram": "4Gi"}),
    "timeout": lambda: good.run(1, timeout=-1),
    "timeout text": lambda: good.run(1, timeout="1h"),
    "retries": lambda: good.run(1, retries=-1),
    "retries field": lambda: good.run(1, retries={"limt": 1}),
    "envs": lambda: good.run(1, envs={"A": 1}),
    "envs name": lambda: good.run(1, envs={"A B": "1"}),
    "secret": lambda: good.run(1, secrets=["NO_SUCH_SECRET"]),
    "secret inline": lambda: good.run(1, secrets=["NO_SUCH_SECRET"], inline=True),
    "secret with a value": lambda: good.run(lock, secrets=["NO_SUCH_SECRET"]),
    "value": lambda: good.run(lock),
    "value inside": lambda: good.run([1, {"a": local}]),
    "value inline with another": lambda: good.run(1, b={1, 2}, c=b"x", inline=True),
    "bytes for a number": lambda: good.run(b"bytes"),
    "lambda": lambda: rw.function(eval("lambda: lock")).run(),
    "inline with timeout": lambda: good.run(1, inline=True, timeout=3),
    "label": lambda: good.run(1, labels=["two words"]),
    "volumes no list": lambda: good.run(1, volumes={"name": "data"}),
    "volume type": lambda: good.run(1, volumes=[{"volume_type": "pvc", "name": "data", "mount_path": "/data"}]),
    "volume name": lambda: good.run(1, volumes=[{"volume_type": "empty_dir", "name": "My Data", "mount_path": "/data"}]),
    "volume twice": lambda: good.run(1, volumes=[{"volume_type": "empty_dir", "name": "data", "mount_path": path} for path in ("/a", "/b")]),
    "mount path": lambda: good.run(1, volumes=[{"volume_type": "empty_dir", "name": "data", "mount_path": "data"}]),
    "volume spec": lambda: good.run(1, volumes=[{"volume_type": "ephemeral", "name": "d", "mount_path": "/d", "spec": {"size": "1 GB"}}]),
    "profile": lambda: good.run(1, profile=3),
    "node selector": lambda: good.run(1, node_selector=[{"key": "a b", "value": "c"}]),
    "affinity": lambda: good.run(1, affinity={"node_afinity": {}}),
    "toleration": lambda: good.run(1, tolerations=[{"key": "a", "operator": "Is"}]),
    "run as user": lambda: good.run(1, run_as_user="root"),
    "run as group": lambda: good.run(1, run_as_group=-1),
    "fs group": lambda: good.run(1, fs_group=1.5),
    "security context": lambda: good.run(1, security_context={"runAsRoot": True}),
    "runtime class": lambda: good.run(1, runtime_class="g Visor"),
    "priority class": lambda: good.run(1, priority_class=["high"]),
    "queue": lambda: good.run(1, queue="Team A"),
    "replicas": lambda: good.run(1, replicas="two"),
    "service ports": lambda: good.run(1, service_ports=[{"port": 0}]),
    "service type": lambda: good.run(1, service_type="ExternalName"),
    "service name": lambda: good.run(1, service_name="a.b"),
    "backoff limit": lambda: good.run(1, backoff_limit=-1),
    "ttl": lambda: good.run(1, ttl=-1),
    "pod template": lambda: good.run(1, pod_template={"spec": {"containers": [{"nmae": "x"}]}}),
    "image of a run": lambda: good.run(1, image="Python:3"),
    "pull policy": lambda: good.run(1, image_pull_policy="always"),
    "pull secrets": lambda: good.run(1, image_pull_secrets=[3]),
    "annotations": lambda: good.run(1, annotations={"a": 1}),
    "inline with a wrong task parameter": lambda: good.run(1, inline=True, replicas=-1),
    "container without image": lambda: project.new_function(name="n", kind="container", command="true"),
    "container image": lambda: project.new_function(name="n", kind="container", image="a b"),
    "container field": lambda: project.new_function(name="n", kind="container", image="busybox", entrypoint=["sh"]),
    "container command": lambda: project.new_function(name="n", kind="container", image="busybox", command="sh -c 'open"),
    "container args": lambda: project.new_function(name="n", kind="container", image="busybox", args="a b"),
    "container pull policy": lambda: project.new_function(name="n", kind="container", image="busybox", image_pull_policy="Sometimes"),
    "container parameter": lambda: packed.run(epochs=3),
    "container args of a run": lambda: packed.run(args="a b"),
    "container action": lambda: packed.run(action="dploy"),
    "inline with a place": lambda: good.run(1, inline=True, on="local"),
    "concurrency": lambda: rw.use(concurrency=0),
    "evil zip": lambda: project.new_function(name="n", kind="python", code_src=write("evil.zip", evil_zip("../../out.py")), handler="out:f"),
    "absolute zip": lambda: project.new_function(name="n", kind="python", code_src=write("absolute.zip", evil_zip("/tmp/out.py")), handler="out:f"),
    "no zip": lambda: project.new_function(name="n", kind="python", code_src=write("no.zip", b"PK nonsense"), handler="out:f"),
    "yaml bomb": lambda: rw.import_yaml(write("bomb.yaml", BOMB)),
    "deep yaml": lambda: rw.import_yaml(write("deep.yaml", b"[" * 100000)),
    "yaml of nothing": lambda: rw.import_yaml(write("other.yaml", b"a: 1")),
    "no yaml": lambda: rw.import_yaml(write("no.yaml", b"a: [")),
    "half yaml": lambda: rw.import_yaml(write("half.yaml", b"entity: function\\nname: x\\n")),
    "half project": lambda: rw.import_yaml(write("halfp.yaml", b"entity: project\\nname: halfp\\n")),
    "half run": lambda: rw.import_yaml(write("halfr.yaml", b"entity: run\\nproject: default\\nid: 1\\n")),
    "yaml that is not there": lambda: rw.import_yaml(os.path.join(HERE, "nowhere.yaml")),
    "secret both": lambda: project.new_secret("A"),
    "secret reference": lambda: project.new_secret("A", reference="vault:x"),
    "artifact from nothing": lambda: project.log_artifact("a", source=os.path.join(HERE, "nowhere.bin")),
}

def local_function():
    return 1

told = {}
for name, case in CASES.items():
    before = snapshot()
    try:
        case()
        told[name] = {"error": None}
    except BaseException as error:
        known = isinstance(error, rw.RunwrightError)
        told[name] = {"error": type(error).__name__, "known": known, "text": str(error)[:400]}
        if known:
            told[name].update(field=error.field, value=repr(error.value)[:80] if error.value is not None else None, cure=error.cure)
    after = snapshot()
    told[name]["files"] = sorted(after[0] ^ before[0])
    told[name]["store"] = {key: [str(before[1][key])[:200], str(after[1][key])[:200]] for key in before[1] if before[1][key] != after[1][key]}
print(json.dumps(told))
"""
# Whose error has nothing to name a value of.
NO_VALUE = {
    "no code",
    "container without image",
    "both codes",
    "missing",
    "no handler",
    "lambda",
    "secret both",
    "half yaml",
    "yaml bomb",
    "deep yaml",
    "no yaml",
    "yaml of nothing",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("bad")
    home = Home(folder / "home")
    return home.json(PROGRAM, HERE=str(folder))


def _cases() -> list[str]:
    text = PROGRAM[PROGRAM.index("CASES = {") : PROGRAM.index("def local_function")]
    return [line.split('"')[1] for line in text.splitlines() if line.startswith('    "')]


@pytest.mark.parametrize("case", _cases())
def test_is_refused(told: dict[str, Any], case: str) -> None:
    one = told[case]
    assert one["error"], "it was accepted"
    assert one["known"], one
    assert not one["files"], one
    assert not one["store"], one
    assert one["cure"], one
    assert one["field"], one
    assert case in NO_VALUE or one["value"] is not None, one


LATER = """
import json, os, threading
import runwright as rw
project = rw.get_or_create_project("default")

@rw.function(outputs=["one"])
def undeclared(): return {"one": 1, "two": 2}
@rw.function(outputs=["one", "two"])
def too_few(): return 1
@rw.function
def unwritable():
    import threading
    return threading.Lock()
@rw.function
def raises():
    raise ValueError("no")
broken = project.new_function(name="broken", kind="python", code="import there_is_no_such_module\\ndef f(): pass\\n", handler="f")
unresolved = project.new_function(name="unresolved", kind="python", code="def f(): pass\\n", handler="f", requirements=["there-is-no-such-package-at-all==1.0"])
def told(run):
    error = run.wait(60).error
    return {"state": run.state, "kind": type(error).__name__, "text": str(error), "cure": error and error.cure}
print(json.dumps({function.name: told(function.run()) for function in (undeclared, too_few, unwritable, raises, broken, unresolved)}))
"""


def test_known_only_when_it_runs(home: Home) -> None:
    """What cannot be known before ends the run with its cause and cure."""
    ended = home.json(LATER, PIP_NO_INDEX="1", UV_OFFLINE="1", UV_NO_INDEX="1")
    kinds = {name: one["kind"] for name, one in ended.items()}
    assert kinds == {
        "undeclared": "NoneType",
        "too_few": "OutputError",
        "unwritable": "OutputError",
        "raises": "UserError",
        "broken": "ImportFailedError",
        "unresolved": "RequirementError",
    }, json.dumps(ended, indent=1)
    for name in ("too_few", "unwritable", "broken", "unresolved"):
        assert ended[name]["cure"], ended[name]
    assert "there_is_no_such_module" in ended["broken"]["text"]
    # The installer's own words.
    assert "there-is-no-such-package-at-all" in ended["unresolved"]["text"]
