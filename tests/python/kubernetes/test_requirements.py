"""What a run's image lacks is installed as it starts; a volume may keep what was fetched."""

from __future__ import annotations

import runwright as rw
from tests.cluster.kube import Kube
from tests.cluster.wheels import WheelIndex
from tests.python.kubernetes.test_volumes import claim


def test_a_volume_keeps_what_was_fetched_for_the_next_run(here: Kube, wheels: WheelIndex) -> None:
    claim(here, "packages")

    @rw.function(requirements=["rw-test-hello==1.0"])
    def hello() -> str:
        from importlib.metadata import version

        return version("rw-test-hello")

    cache = {"volume_type": "persistent_volume_claim", "name": "cache", "mount_path": "/cache", "spec": {"claim_name": "packages"}}
    envs = {**wheels.environment, "PIP_CACHE_DIR": "/cache/pip", "UV_CACHE_DIR": "/cache/uv"}
    fetched = []
    for _ in range(2):
        wheels.forget_requests()
        run = hello.run(envs=envs, volumes=[cache])
        assert run.result() == "1.0", run.logs()
        fetched.append([path for path in wheels.requests if path.endswith(".whl")])
    assert (len(fetched[0]), fetched[1]) == (1, [])
