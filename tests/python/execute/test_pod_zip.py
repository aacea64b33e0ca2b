"""The runner as a zip: the same everywhere, and whole when it is imported from there."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest
from execute_lab import pythons
from pod_lab import Pod, zipped

from runwright.execute import bundle


def test_the_zip_is_the_same_wherever_it_is_made(tmp_path: Path) -> None:
    ours = bundle.write_zip(str(tmp_path / "ours"))
    assert ours == bundle.write_zip(str(tmp_path / "ours")) == f"{tmp_path}/ours/runner/{bundle.digest(bundle.bundle_files())}.zip"
    assert os.path.getsize(ours) < 300_000
    assert os.listdir(tmp_path / "ours" / "runner") == [os.path.basename(ours)]
    package = os.path.dirname(os.path.dirname(os.path.abspath(bundle.__file__)))
    code = f"""
import os, sys
os.umask(0o077); os.environ["TZ"] = "Pacific/Kiritimati"
package = type(sys)("elsewhere"); package.__path__ = [{package!r}]; sys.modules["elsewhere"] = package
from elsewhere.execute import bundle
print(bundle.write_zip(sys.argv[1]))
"""
    for number, python in enumerate({*pythons(), sys.executable}):
        other = subprocess.run(
            [python, "-I", "-c", code, f"{tmp_path}/{number}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        assert os.path.basename(other) == os.path.basename(ours)
        with zipfile.ZipFile(other) as theirs, zipfile.ZipFile(ours) as mine:
            facts = [[(e.filename, e.CRC, e.date_time, e.external_attr, e.create_system) for e in z.infolist()] for z in (theirs, mine)]
        assert facts[0] == facts[1]


def test_all_of_the_runner_imports_out_of_the_zip(pod: Pod) -> None:
    names = zipfile.ZipFile(pod.root / "runner" / "runner.zip").namelist()
    modules = sorted(name[:-3].replace("/", ".").removesuffix(".__init__") for name in names if not name.endswith("__main__.py"))
    assert len(modules) > 40
    code = f"import sys\nsys.path.insert(0, {str(pod.root / 'runner' / 'runner.zip')!r})\nfor name in {modules}: __import__(name)"
    for python in pythons():
        done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True)
        # Those of libraries that this Python does not have say so, and nothing else is wrong with them.
        assert done.returncode == 0 or "No module named" in done.stderr, done.stderr


def test_tables_and_models_are_written_and_read_out_of_the_zip(pod: Pod) -> None:
    pytest.importorskip("pandas")
    code = """
        import numpy, pandas
        def f(x):
            return {"table": pandas.DataFrame({"a": [1, 2]}), "array": numpy.arange(3), "pickled": {1, 2}, "sum": int(x.sum())}
    """
    import numpy

    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        numpy.save(file, numpy.arange(5))
        file.flush()
        content = Path(file.name).read_bytes()
    (pod.root / "luggage" / "0").mkdir()
    (pod.root / "luggage" / "0" / "luggage").write_bytes(zipped({"inputs/x/data.npy": content}))
    pod.python = sys.executable
    pod.lay(code, pod={"luggage": 1}, inputs={"x": {"path": "inputs/x/data.npy", "format": "npy", "kind": "array", "as": "value"}})
    came = pod.run()
    assert came.code == 0, came.payload
    assert came.values["sum"] == 10
    assert {path.rsplit(".", 1)[1] for path in came.files()} == {"parquet", "npy"}
