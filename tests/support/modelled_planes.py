"""Planes whose instances are modelled, behind a gateway on a real socket."""

import asyncio
import contextlib
from time import monotonic_ns

import httpx

from replay.planes.core.plane import Plane
from replay.planes.core.types import PlaneSpec
from replay.planes.modelled.instances import ModelledInstances
from replay.planes.serving.gateway import Gateway
from tests.support.gateways import ONLY_WAITING


@contextlib.asynccontextmanager
async def behind_a_gateway(model, **rules):
    """A client of a plane whose instances are modelled; yields it and the instances."""
    rules = {"concurrency": 8, "max_instances": 2, "scaling": ONLY_WAITING, "idle_lifetime_s": 60.0, **rules}
    spec = PlaneSpec(**rules)
    # The client first: on a busy machine it takes longer to make than instances live in some tests.
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        gateway = Gateway(Plane(spec, monotonic_ns()))
        instances = ModelledInstances(model, gateway, spec)
        server = await asyncio.get_running_loop().create_server(gateway.doorway, "127.0.0.1", 0)
        gateway.open(instances)
        client.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield client, instances
        finally:
            server.close()
            await gateway.close()
            await instances.close()
