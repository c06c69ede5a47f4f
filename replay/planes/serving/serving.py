"""A whole plane on this machine: its gateway listening, its instances real or modelled, its control address."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from time import monotonic_ns
from typing import IO

from replay.planes.core.plane import Plane
from replay.planes.core.types import PlaneSpec
from replay.planes.modelled.instances import ModelledInstances
from replay.planes.modelled.types import ModelSpec
from replay.planes.recorded.recording import Recording
from replay.planes.serving.control import control_server, state
from replay.planes.serving.gateway import Gateway
from replay.planes.serving.output import Output
from replay.planes.serving.processes import ProcessInstances
from replay.planes.serving.series import series_file
from replay.planes.serving.types import ProcessSpec, Served
from replay.planes.types import CPU_UNKNOWN
from replay.system.listening import listening_on


@asynccontextmanager
async def plane_server(
    spec: PlaneSpec,
    instances: ProcessSpec | ModelSpec,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    control_port: int | None = None,
    control_token: str | None = None,
    tells: bool = True,
    series: Path | None = None,
    recording: Recording | None = None,
    output: IO[str] | None = None,
) -> AsyncIterator[Served]:
    """Serve while the context lasts; no instance is left running after it.

    control_port: for the control address; 0 picks a free port, None serves no control address. control_token: needed
    there to change the plane; None draws a new one, which is part of the address that is yielded. tells: whether
    responses carry the plane's headers. series: a file to which the plane's state is appended every second.
    recording: what modelled instances answer from. output: where the output of processes goes; None: stderr.
    Raises CannotListen if an address cannot be listened on, CommandError if the command cannot be read, SeriesError if
    the series cannot be written, and ValueError if the plane scales by CPU use that is not known, or if the token is
    not valid.
    """
    if spec.needs_cpu and not (isinstance(instances, ModelSpec) and instances.sharing == "processor"):
        raise ValueError(f"{CPU_UNKNOWN}.")
    loop = asyncio.get_running_loop()
    told = Output(sys.stderr if output is None else output)
    gateway = Gateway(Plane(spec, monotonic_ns()), tells)
    running: ProcessInstances | ModelledInstances
    if isinstance(instances, ModelSpec):
        running = ModelledInstances(instances, gateway, spec, recording=recording)
    else:
        running = ProcessInstances(instances, gateway, told)
    try:
        with listening_on("--port", host, port):
            listening = await loop.create_server(gateway.doorway, host, port, backlog=1024)
        try:
            async with (
                control_server(gateway, running, host, control_port, control_token) as control_url,
                series_file(series, partial(state, gateway, running), told.say),
            ):
                _open(gateway, running)
                bound = listening.sockets[0].getsockname()[1]

                def deploy() -> None:
                    told.say("[plane] replacing every instance")
                    gateway.deploy()

                yield Served(
                    f"http://{shown_host(host)}:{bound}",
                    control_url,
                    deploy,
                    lambda: gateway.plane.census().booting > 0,
                )
        finally:
            listening.close()
            await gateway.close()
    finally:
        await running.close()
        told.close()


def _open(gateway: Gateway, running: ProcessInstances | ModelledInstances) -> None:
    """Begin. Modelled instances that are always on are up already, as in a simulation; processes have yet to boot."""
    if isinstance(running, ModelledInstances):
        running.boots_at_once = True
        gateway.open(running)
        running.boots_at_once = False
    else:
        gateway.open(running)


def shown_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
