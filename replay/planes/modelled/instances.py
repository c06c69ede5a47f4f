"""The modelled instances of a plane: booted, ended, and made to fail as their model says.

The gateway hears of an instance's death before its connections end, as with a process that it watches.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from time import monotonic_ns
from typing import Any

import msgspec

from replay.planes.core.types import Address, InstanceId, PlaneSpec
from replay.planes.modelled.cpu import InstanceCpu, cpu_rules
from replay.planes.modelled.house import DeployingOwner
from replay.planes.modelled.instance import HOST, Instance
from replay.planes.modelled.script import Script
from replay.planes.modelled.types import ModelSpec
from replay.planes.recorded.recording import Recording

_MS = 1_000_000
_NS = 1_000_000_000


class ModelledInstances:
    """Boots and ends the modelled instances of one plane, under its rules for CPU. now: the clock, in ns.

    recording: what answers, instead of the model alone. boots_at_once: a boot takes no time, as for what was on before
    the plane began.
    """

    def __init__(
        self,
        spec: ModelSpec,
        owner: DeployingOwner,
        plane: PlaneSpec,
        now: Callable[[], int] = monotonic_ns,
        recording: Recording | None = None,
    ) -> None:
        if recording is not None:
            spec = msgspec.structs.replace(spec, as_recorded=True)
        self.spec = spec
        self.recording = recording
        self.cpu = cpu_rules(plane, spec.vcpu)
        self.script = Script(spec, plane.kind)
        self.owner = owner
        self.now = now
        self.requests = 0
        self.counts: Counter[str] = Counter()
        self.killed_for_memory = self.background_done = self.background_lost = 0
        self._running: dict[InstanceId, Instance] = {}
        self._start_ns = now()
        self.boots_at_once = False
        self._tasks: set[asyncio.Task[None]] = set()
        for at_s in spec.faults.deploys_s:
            self._run(self._deploy_at(at_s))
        for at_s in spec.faults.kills_s:
            self._run(self._kill_at(at_s))

    def __repr__(self) -> str:
        return f"<ModelledInstances {len(self._running)} running, {self.requests} requests>"

    @property
    def pids(self) -> dict[InstanceId, int]:
        """None: no modelled instance has a process."""
        return {}

    def boot(self, instance: InstanceId, vcpu: float) -> None:
        """vcpu: unused, since the plane's rules say it too."""
        booted = self._running[instance] = Instance(instance, self)
        boot_ms = 0.0 if self.boots_at_once else self.script.boot_ms(instance, self.cpu.vcpu * self.cpu.boost)
        booted.booting = self._run(self._boot(booted, self.now() + round(boot_ms * _MS)))

    def stop(self, instance: InstanceId) -> None:
        stopped = self._running.pop(instance, None)
        if stopped is not None:
            stopped.close()

    @property
    def death_notice_s(self) -> float:
        """None: it is told before its connections end."""
        return 0.0

    def address(self, instance: InstanceId) -> Address:
        """Raises KeyError if there is no such instance any more."""
        return HOST, self._running[instance].port

    def die(self, instance: InstanceId) -> None:
        """End an instance as if its process had crashed; nothing happens if it is gone."""
        died = self._running.pop(instance, None)
        if died is not None:
            self.owner.died(instance)
            died.close()

    async def close(self) -> None:
        """Stop them all; returns when nothing of them is left."""
        for instance in list(self._running):
            self.stop(instance)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def came(self) -> bytes:
        """Count a request; returns the key of one that has none of its own."""
        self.requests += 1
        return b"%d" % self.requests

    def elapsed_s(self) -> float:
        return (self.now() - self._start_ns) / _NS

    async def _boot(self, instance: Instance, ready_ns: int) -> None:
        try:
            await instance.listen()
        except OSError:
            # Told after its boot time, or a machine out of ports would boot in a tight loop.
            await self._sleep_until(ready_ns)
            self.die(instance.number)
            return
        await self._sleep_until(ready_ns)
        instance.work = InstanceCpu(self.cpu, self.spec.sharing, self.now())
        instance.is_ready = True
        self.owner.ready(instance.number)

    async def _deploy_at(self, at_s: float) -> None:
        await self._sleep_until(self._start_ns + round(at_s * _NS))
        self.owner.deploy()

    async def _kill_at(self, at_s: float) -> None:
        await self._sleep_until(self._start_ns + round(at_s * _NS))
        if (busiest := self.owner.busiest()) is not None:
            self.die(busiest)

    async def _sleep_until(self, at_ns: int) -> None:
        while (left_ns := at_ns - self.now()) > 0:
            await asyncio.sleep(left_ns / _NS)

    def _run(self, steps: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(steps)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
