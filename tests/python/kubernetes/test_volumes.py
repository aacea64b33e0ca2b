"""Each kind of volume is really there in a run's pod, and used."""

from __future__ import annotations

import base64

import pytest

import runwright as rw
from runwright.exceptions import InvalidError
from tests.cluster.kube import Kube
from tests.python.kubernetes.conftest import pod_of


def claim(kube: Kube, name: str) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    kube.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec})


@rw.function
def write(folders: list[str]) -> dict[str, str]:
    """What kind of file system each folder is on; a file is left there."""
    kinds = {}
    for folder in folders:
        with open(f"{folder}/left", "w") as file:
            file.write(folder)
        with open("/proc/mounts") as mounts:
            kinds[folder] = next(line.split()[2] for line in mounts if line.split()[1] == folder)
    return kinds


@rw.function
def read(paths: list[str]) -> list[str]:
    """What some files hold."""
    found = []
    for path in paths:
        with open(path) as file:
            found.append(file.read())
    return found


@rw.function
def refuse(folder: str) -> str:
    """Why nothing can be written there."""
    try:
        open(f"{folder}/more", "w").close()
    except OSError as error:
        return error.strerror or ""
    return "it can"


def test_a_claim_keeps_what_a_run_wrote_and_can_be_read_only(here: Kube) -> None:
    claim(here, "team-data")
    of_claim = {"volume_type": "persistent_volume_claim", "name": "data", "mount_path": "/data", "spec": {"claim_name": "team-data"}}
    write.run(["/data"], volumes=[of_claim]).result()
    assert read.run(["/data/left"], volumes=[of_claim]).result() == ["/data"]
    assert "ead-only" in refuse.run("/data", volumes=[{**of_claim, "read_only": True}]).result()


def test_runs_share_a_part_of_a_volume(here: Kube) -> None:
    claim(here, "shared")
    volume = {"volume_type": "shared_volume", "name": "shared", "mount_path": "/shared"}
    write.run(["/shared"], volumes=[{**volume, "sub_path": "models/a"}]).result()
    assert read.run(["/shared/models/a/left"], volumes=[volume]).result() == ["/shared"]


def test_volumes_that_are_made_for_a_run_go_with_it(here: Kube) -> None:
    volumes = [
        {"volume_type": "empty_dir", "name": "cache", "mount_path": "/cache", "spec": {"size_limit": "10Mi"}},
        {"volume_type": "empty_dir", "name": "fast", "mount_path": "/fast", "spec": {"medium": "Memory"}},
        {"volume_type": "ephemeral", "name": "scratch", "mount_path": "/scratch", "spec": {"size": "1Mi"}},
        {"volume_type": "persistent_volume_claim", "name": "room", "mount_path": "/room", "spec": {"size": "1Mi"}},
    ]
    run = write.run(["/cache", "/fast", "/scratch", "/room"], volumes=volumes)
    assert run.result()["/fast"] == "tmpfs"
    pod = pod_of(here, run)["metadata"]["name"]
    assert {claim["metadata"]["name"] for claim in here.get("pvc")} == {f"{pod}-scratch", f"{pod}-room"}
    run.delete()
    here.kubectl("wait", "--for=delete", "pvc", "--all", "--timeout=60s")


def test_config_maps_and_secrets_are_files(here: Kube) -> None:
    here.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"app.yaml": "level: 3", "other": "x"}})
    hidden = base64.b64encode(b"hush").decode()
    here.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "data": {"key.pem": hidden}})
    volumes = [
        {"volume_type": "config_map", "name": "settings", "mount_path": "/etc/all"},
        {
            "volume_type": "config_map",
            "name": "some",
            "mount_path": "/etc/some",
            "spec": {"name": "settings", "items": {"app.yaml": "deep/app.yaml"}},
        },
        {"volume_type": "secret", "name": "keys", "mount_path": "/etc/keys"},
        {"volume_type": "secret", "name": "absent", "mount_path": "/etc/absent", "spec": {"secret_name": "no-such", "optional": True}},
    ]
    files = ["/etc/all/app.yaml", "/etc/all/other", "/etc/some/deep/app.yaml", "/etc/keys/key.pem"]
    assert read.run(files, volumes=volumes).result() == ["level: 3", "x", "level: 3", "hush"]


def test_tmp_may_be_a_volume_of_the_run(here: Kube) -> None:
    volume = {"volume_type": "empty_dir", "name": "tmp", "mount_path": "/tmp", "spec": {"medium": "Memory"}}
    assert write.run(["/tmp"], volumes=[volume]).result() == {"/tmp": "tmpfs"}


def test_our_own_names_are_refused(here: Kube) -> None:
    with pytest.raises(InvalidError, match=r"volumes\[0\].name=.*Runwright's own"):
        write.run(["/x"], volumes=[{"volume_type": "empty_dir", "name": "runwright-home", "mount_path": "/x"}])
    assert here.get("jobs") == []
