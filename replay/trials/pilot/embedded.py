"""The planes of this machine that a pilot uses when the user names none: one that scales to zero, one always on.

Both answer each request after as long as the recording says it took. The first is Cloud Run with its own defaults, the
second machines of one vCPU with as many slots; so they differ in what a plane decides: boots, queues, scaling, what is
lost when an instance goes. What is not the profile's is chosen here, and each choice carries its reason, which
`assumptions_of` lists.
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

from replay.choice.types import Workload
from replay.planes.core.scaling_types import RequestDriven
from replay.planes.modelled.time_types import MACHINE_BOOT, Lognormal
from replay.planes.modelled.types import USUAL_CPU_SHARES
from replay.planes.profiles import CLOUD_RUN, VM
from replay.planes.serving.serving import plane_server
from replay.simulation.simulation import simulated_plane
from replay.system.interrupts import start_uninterrupted
from replay.target.cost import Cost
from replay.target.errors import TargetError
from replay.target.sending import Timeouts
from replay.target.target import Target
from replay.trials.pilot.workload.phases import LIVE, QUICK, How
from replay.words.numbers import milliseconds, number, percent, seconds

HEADROOM = 0.3
# What a Cloud Run service may be configured to at most (Request timeout); its default is 300 s.
LONGEST_REQUEST_S = 3600.0
# Cloud Run's default for a service (Configure memory limits for services).
MEMORY_GIB = 0.5
# An e2-medium has two shared vCPUs, and may use half of each all the time (Compute Engine, E2 shared-core machines).
MACHINE = "e2-medium"
MACHINE_VCPU = 1.0
# A quick pilot watches an eighth of the time that a live one watches a fault, so a machine is back in an eighth of the
# time that machines take: seconds, where a container takes one or two.
_BOOT_SCALE: dict[How, float] = {"quick": QUICK.failure_s / LIVE.failure_s, "live": 1.0, "simulated": 1.0}
_LIFETIME_S: dict[How, float] = {"quick": 3.0, "live": 60.0, "simulated": CLOUD_RUN.idle_lifetime_s}
# No client of ours gives up before the plane does.
_PATIENT = Timeouts(first_byte_s=86_400.0, idle_s=86_400.0, total_s=86_400.0)
_READY_S = 30.0
_LOOK_S = 0.02
_SPAWN = multiprocessing.get_context("spawn")
_NOWHERE = "http://127.0.0.1:9"


def embedded_targets(workload: Workload, how: How) -> list[Target]:
    """The two planes, described: as `replay plane serve` and the simulator take them.

    The VM plane has as many machines as the fullest window of the recording takes with headroom, of slots (by Little's
    law) and of CPU; shorter bursts queue there, as they would on machines that somebody pays for.
    """
    machines = _machines(workload)
    shares = {step.name: step.cpu_share for step in workload.series if step.cpu_share is not None}
    model: dict[str, Any] = {"sharing": "processor", "cpu_by_name": shares, "as_recorded": True, "seed": 1}
    why = {
        "plane.max_instances": "enough for three times the machines of the other plane",
        "plane.request_timeout_s": "the longest that Cloud Run can be configured to; its default is 300 s",
        "instances.sharing": "requests share the vCPU of their instance",
    }
    if shares:
        why["instances.cpu_by_name"] = "the trace's cpu_share attributes"
    serverless: dict[str, Any] = {
        "profile": "cloud-run",
        "as_recorded": True,
        "plane": {
            "max_instances": max(10, 3 * machines),
            "request_timeout_s": LONGEST_REQUEST_S,
        },
        "instances": model,
        "why": why,
    }
    vm: dict[str, Any] = {
        "profile": "vm",
        "as_recorded": True,
        "plane": {"max_instances": machines, "vcpu": MACHINE_VCPU},
        "instances": model,
        "why": {
            "plane.max_instances": f"the fullest window of the trace and {percent(HEADROOM)}, by slots and by CPU",
            "plane.vcpu": f"what an {MACHINE} may use all the time",
            "instances.sharing": why["instances.sharing"],
        },
    }
    if how != "simulated":
        lifetime_s = _LIFETIME_S[how]
        # Averages over longer than an instance lives would hold those that were to be gone.
        windows = [window for window in RequestDriven().windows_s if window <= lifetime_s]
        serverless["plane"] |= {"idle_lifetime_s": lifetime_s, "scaling": {"windows_s": windows}}
        why["plane.idle_lifetime_s"] = (
            f"shortened from {seconds(CLOUD_RUN.idle_lifetime_s)}, so that a {how} pilot sees instances go"
        )
        why["plane.scaling.windows_s"] = (
            "those windows of 60 and 600 s that are no longer than the idle lifetime"
        )
    if (scale := _BOOT_SCALE[how]) != 1.0:
        vm["instances"] = {**model, "boot": _machine_boot(how)}
        vm["why"]["instances.boot"] = (
            f"a machine's {milliseconds(MACHINE_BOOT.p50_ms)}, shortened to {number(scale)} of it as a quick "
            f"failure phase is"
        )
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
            cost=Cost(price="cloud-run-us-central1", vcpu=CLOUD_RUN.vcpu, memory_gib=MEMORY_GIB),
            **common,
        ),
        Target(
            name="vm",
            plane="vm",
            simulate=vm,
            cost=Cost(
                price="gce-e2-us-central1",
                machine=MACHINE,
                machines=machines,
                headroom_percent=100 * HEADROOM,
            ),
            **common,
        ),
    ]


def boots_share(target: Target) -> float | None:
    """Of how long a machine of ours takes to boot, what it takes in the phases; None where that is all of it."""
    boot = (target.simulate or {}).get("instances", {}).get("boot")
    shortened = (scale for how, scale in _BOOT_SCALE.items() if scale != 1.0 and boot == _machine_boot(how))
    return next(shortened, None)


def _machine_boot(how: How) -> dict[str, Any]:
    scale = _BOOT_SCALE[how]
    boot: dict[str, Any] = msgspec.to_builtins(
        Lognormal(MACHINE_BOOT.p50_ms * scale, MACHINE_BOOT.p99_ms * scale)
    )
    return boot


def _machines(workload: Workload) -> int:
    """How many machines take the fullest window with headroom, by the slots that it fills and the CPU that it uses."""
    if workload.mean_in_flight is None or not workload.mean_rps:
        return 1
    # The fullest window over the mean, but no more than ever was under way at once: of requests that outlast a window,
    # many may begin in one.
    peak = workload.peak_rps / workload.mean_rps
    if workload.peak_in_flight is not None and workload.mean_in_flight:
        peak = min(peak, workload.peak_in_flight / workload.mean_in_flight)
    peak *= 1 + HEADROOM
    slots = peak * workload.mean_in_flight / VM.concurrency
    usual: dict[str, float] = dict(USUAL_CPU_SHARES.items())
    vcpus: float = peak * sum(
        step.in_flight * (usual.get(step.kind, 0.0) if step.cpu_share is None else step.cpu_share)
        for step in workload.series
        if not step.is_local
    )
    return max(1, ceil(slots), ceil(vcpus / MACHINE_VCPU))


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
    start_uninterrupted(process)
    theirs.close()
    try:
        if not ours.poll(_READY_S):
            raise TargetError(f"the embedded {target.name} plane did not start within {seconds(_READY_S)}.")
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
