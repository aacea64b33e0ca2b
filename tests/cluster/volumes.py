"""Volumes for claims: a pool of folders, each a persistent volume that is bound once.

Kubernetes' own provisioner for single machines makes folders that only root may write to, and ignores `fsGroup`;
local volumes honour it, as the volumes of real clusters do.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.cluster.settings import NODE, STATE

STORAGE_CLASS = "standard"
_COUNT = 32


def objects() -> str:
    """The default storage class and the pool, for kubectl; makes the folders."""
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": STORAGE_CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/no-provisioner",
    }
    volumes = [_volume(number) for number in range(_COUNT)]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [storage_class, *volumes]})


def _volume(number: int) -> dict[str, object]:
    folder = STATE / "volumes" / str(number)
    folder.mkdir(parents=True, exist_ok=True)
    Path(folder).chmod(0o777)
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"folder-{number}"},
        "spec": {
            "storageClassName": STORAGE_CLASS,
            "capacity": {"storage": "100Gi"},
            "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": str(folder)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }
