"""What tests give to pods: packages, a bucket, an image with the libraries of data science."""

from __future__ import annotations

import pytest

from tests.cluster.kube import Kube
from tests.cluster.pods import job, run
from tests.cluster.wheels import WheelIndex
from tests.servers.s3 import Bucket


def output(kube: Kube, name: str, image: str, code: str, environment: dict[str, str] | None = None) -> str:
    """What a program in Python prints in a pod."""
    variables = [{"name": key, "value": value} for key, value in (environment or {}).items()]
    manifest = job(name, kube.image(image), ["python3", "-c", code], env=variables)
    run(kube.cluster, kube.namespace, name, "complete", manifest)
    return kube.kubectl("logs", f"job/{name}")


@pytest.mark.parametrize("version", ["3.9", "3.13"])
def test_a_pod_installs_from_the_index(kube: Kube, wheels: WheelIndex, version: str) -> None:
    wheels.make("rw-test-needy", "1.0", "import rw_test_hello\n", requires=("rw-test-hello<2",))
    wheels.add("six", python=version)
    code = """
import subprocess, sys
subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--target=/tmp/here", "rw-test-needy", "six"], check=True)
sys.path.insert(0, "/tmp/here")
import rw_test_needy, rw_test_hello, six
print(rw_test_hello.greeting, six.__name__)
"""
    printed = output(kube, "installer", f"python:{version}", code, {**wheels.environment, "HOME": "/tmp"})
    assert printed.splitlines()[-1] == "hello six"
    assert {"/simple/rw-test-needy/", "/simple/rw-test-hello/", "/simple/six/"} <= set(wheels.requests)


def test_a_package_that_is_not_there_is_not_found(kube: Kube, wheels: WheelIndex) -> None:
    code = """
import subprocess, sys
done = subprocess.run([sys.executable, "-m", "pip", "install", "--target=/tmp/x", "rw-test-absent"], capture_output=True, text=True)
print(done.returncode, "No matching distribution" in done.stderr)
"""
    assert output(kube, "installer", "python:3.11", code, {**wheels.environment, "HOME": "/tmp"}).split() == ["1", "True"]


def test_a_pod_and_this_machine_exchange_files_through_a_bucket(kube: Kube, pod_s3: Bucket) -> None:
    path = f"/{pod_s3.bucket}/greeting"
    pod_s3.signer.send("PUT", path, b"hello")
    code = f"""
import urllib.request
content = urllib.request.urlopen({pod_s3.signer.presign("GET", path)!r}).read()
urllib.request.urlopen(urllib.request.Request({pod_s3.signer.presign("PUT", path)!r}, content + b" back", method="PUT"))
"""
    output(kube, "exchange", "python:3.11", code)
    assert pod_s3.signer.send("GET", path) == b"hello back"


def test_a_pod_has_the_libraries_in_the_versions_of_this_machine(kube: Kube) -> None:
    import numpy
    import pandas
    import pyarrow
    import sklearn

    code = """
import matplotlib.pyplot, numpy, pandas, pyarrow, sklearn.ensemble
print(*(each.__version__ for each in (numpy, pandas, pyarrow, sklearn)))
"""
    printed = output(kube, "science", "science:3.11", code, {"MPLCONFIGDIR": "/tmp"})
    assert printed.split() == [each.__version__ for each in (numpy, pandas, pyarrow, sklearn)]
