"""kubernetes_asyncio: Jobs are created by one event loop, so many at a time."""

import asyncio
import json
import sys
import uuid
from pathlib import Path

from kubernetes_asyncio import client, config
from worker import serve

folder, in_flight = Path(sys.argv[1]), int(sys.argv[2])
manifest = json.loads((folder / "job.json").read_text())
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)


async def begin():
    """The client, and the namespace."""
    _, context = config.list_kube_config_contexts()
    await config.load_kube_config()
    return client.BatchV1Api(client.ApiClient()), context["context"]["namespace"]


api, namespace = loop.run_until_complete(begin())


async def one():
    """A Job under a fresh name."""
    name = f"asyncio-{uuid.uuid4()}"
    await api.create_namespaced_job(namespace, {**manifest, "metadata": {**manifest["metadata"], "name": name}})
    return name


def asynchronous(count):
    """So many at a time."""

    async def all_of_them():
        gate = asyncio.Semaphore(in_flight)

        async def gated():
            async with gate:
                return await one()

        return (await asyncio.gather(*(gated() for _ in range(count))))[-1]

    return loop.run_until_complete(all_of_them())


serve({"asynchronous": asynchronous})
