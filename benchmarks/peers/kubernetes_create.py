"""The official Python client: Jobs are created, one after another or by threads."""

import json
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kubernetes import client, config
from worker import serve

folder, in_flight = Path(sys.argv[1]), int(sys.argv[2])
manifest = json.loads((folder / "job.json").read_text())
config.load_kube_config()
_, context = config.list_kube_config_contexts()
namespace = context["context"]["namespace"]
settings = client.Configuration.get_default_copy()
# Its default is 5 times the number of cores: threads would wait for connections.
settings.connection_pool_maxsize = in_flight
api = client.BatchV1Api(client.ApiClient(settings))
pool = ThreadPoolExecutor(in_flight)


def one(_=None):
    """A Job under a fresh name."""
    name = f"official-{uuid.uuid4()}"
    api.create_namespaced_job(namespace, {**manifest, "metadata": {**manifest["metadata"], "name": name}})
    return name


def threads(count):
    """By many threads."""
    return list(pool.map(one, range(count)))[-1]


serve({"threads": threads}, loop=one)
