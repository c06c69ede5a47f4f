"""The planes of this machine that a pilot uses when the user names none: one that scales to zero, one always on.

Both answer each request after as long as the recording says it took, with the same number of requests in one instance
at once; so they differ in what a plane decides: boots, queues, scaling, what is lost when an instance goes.
"""

import multiprocessing
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from math import ceil
from multiprocessing.connection import Connection
from typing import Any

import anyio
import anyio.to_thread
import msgspec

from replay.engine.simulation import simulated_plane
from replay.judge.choice.types import Workload
from replay.planes.serving import plane_server
from replay.planes.types import MACHINE_BOOT, Lognormal
from replay.target import Cost, Target, TargetError, Timeouts
from replay.trials.pilot.phases import LIVE, QUICK, How

# Requests that one vCPU has at once, on either plane. Agents' steps mostly wait.
CONCURRENCY = 8
HEADROOM = 0.3
_BOOT: dict[str, Any] = {"of": "lognormal", "p50_ms": 1200.0, "p99_ms": 2500.0}
# What a Cloud Run service may be configured to at most (Request timeout); its default is 300 s.
LONGEST_REQUEST_S = 3600.0
# A quick pilot watches an eighth of the time that a live one watches a fault, so a machine is back in an eighth of the
# time that machines take: seconds, where a container takes about one.
_BOOT_SCALE: dict[How, float] = {"quick": QUICK.failure_s / LIVE.failure_s, "live": 1.0, "simulated": 1.0}
# No client of ours gives up before the plane does.
_PATIENT = Timeouts(first_byte_s=86_400.0, idle_s=86_400.0, total_s=86_400.0)
_LIFETIME_S: dict[How, float] = {"quick": 3.0, "live": 60.0, "simulated": 900.0}
_READY_S = 30.0
_LOOK_S = 0.02
_SPAWN = multiprocessing.get_context("spawn")
_NOWHERE = "http://127.0.0.1:9"


def embedded_targets(workload: Workload, how: How) -> list[Target]:
    """The two planes, described: as `replay plane serve` and the simulator take them.

    The VM plane has as many machines as its slots take the fullest window of the recording with headroom, by Little's
    law; shorter bursts queue there, as they would on machines that somebody pays for.
    """
    machines = _machines(workload)
    model = {"as_recorded": True, "boot": _BOOT, "seed": 1}
    boot = MACHINE_BOOT
    scale = _BOOT_SCALE[how]
    machine_boot = Lognormal(boot.p50_ms * scale, boot.p99_ms * scale)
    serverless = {
        "as_recorded": True,
        "plane": {
            "concurrency": CONCURRENCY,
            "max_instances": max(10, 3 * machines),
            "idle_lifetime_s": _LIFETIME_S[how],
            "request_timeout_s": LONGEST_REQUEST_S,
        },
        "instances": model,
    }
    vm = {
        "as_recorded": True,
        "plane": {"kind": "vm", "concurrency": CONCURRENCY, "max_instances": machines},
        "instances": {**model, "boot": msgspec.to_builtins(machine_boot)},
    }
    if how != "simulated":
        # Averages over longer than an instance lives would hold those that were to be gone.
        windows = [window for window in (60, 600) if window <= _LIFETIME_S[how]]
        serverless["plane"]["scaling"] = {"policy": "request", "windows_s": windows}  # type: ignore[index]
    common: dict[str, Any] = {
        "url": _NOWHERE,
        "send_recorded_ms": True,
        "timeouts": _PATIENT,
        "instance_header": "x-replay-instance",
        "cold_header": "x-replay-cold",
    }
    return [
        Target(
            name="serverless",
            plane="serverless",
            simulate=serverless,
            cost=Cost(price="cloud-run-us-central1", vcpu=1.0, memory_gib=2.0),
            **common,
        ),
        Target(
            name="vm",
            plane="vm",
            simulate=vm,
            cost=Cost(
                price="gce-e2-us-central1",
                machine="e2-medium",
                machines=machines,
                headroom_percent=100 * HEADROOM,
            ),
            **common,
        ),
    ]


def _machines(workload: Workload) -> int:
    if workload.mean_in_flight is None or not workload.mean_rps:
        return 1
    at_peak = workload.peak_rps * workload.mean_in_flight / workload.mean_rps
    return max(1, ceil(at_peak * (1 + HEADROOM) / CONCURRENCY))


@contextmanager
def served(targets: Sequence[Target]) -> Iterator[list[Target]]:
    """Serve the planes in processes of their own while the context lasts; yields the targets with their addresses.

    A plane whose pilot is gone, however it went, ends by itself. Raises TargetError if one does not come up.
    """
    with ExitStack() as stack:
        yield [stack.enter_context(_serving(target)) for target in targets]


@contextmanager
def _serving(target: Target) -> Iterator[Target]:
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_serve, args=(target, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(_READY_S):
            raise TargetError(f"the embedded {target.name} plane did not start within {_READY_S:g} s.")
        try:
            url, control_url = ours.recv()
        except EOFError as cause:
            raise TargetError(f"the embedded {target.name} plane did not start.") from cause
        yield msgspec.structs.replace(target, url=url, observe=f"{control_url}/state")
    finally:
        ours.close()
        process.join(_READY_S)
        if process.is_alive():
            process.kill()
            process.join()


def _serve(target: Target, pilot: Connection) -> None:
    """In the plane's own process: serve until the pilot's end of the pipe is closed."""
    # Ctrl-C is for the pilot, which ends its planes when it has written what it knows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    spec = simulated_plane(target)

    async def until_closed() -> None:
        async with plane_server(spec.plane, spec.instances, control_port=0) as where:
            while where.is_booting():
                await anyio.sleep(_LOOK_S)
            pilot.send((where.url, where.control_url))
            await anyio.to_thread.run_sync(partial(pilot.poll, None), abandon_on_cancel=True)

    anyio.run(until_closed, backend_options={"use_uvloop": sys.platform != "win32"})
