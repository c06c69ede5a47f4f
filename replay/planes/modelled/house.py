"""What an instance needs of whoever boots it, and what it works on."""

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Protocol

from replay.planes.core.types import InstanceId, Owner
from replay.planes.modelled.cpu import CpuRules
from replay.planes.modelled.script import Plan, Script
from replay.planes.modelled.types import ModelSpec
from replay.planes.recorded.recording import Recording


class DeployingOwner(Owner, Protocol):
    """Who is told of the instances, of the CPU that they use, and when a deploy is due; knows which is the busiest."""

    def deploy(self) -> None: ...

    def cpu_used(self, instance: InstanceId, milli_vcpu: int) -> None: ...

    def busiest(self) -> InstanceId | None: ...


class House(Protocol):
    """What an instance needs of whoever boots it: rules, the clock, and where things are counted."""

    spec: ModelSpec
    cpu: CpuRules
    script: Script
    owner: DeployingOwner
    now: Callable[[], int]
    recording: Recording | None
    requests: int
    counts: Counter[str]
    killed_for_memory: int
    background_done: int
    background_lost: int

    def die(self, instance: InstanceId) -> None: ...

    def came(self) -> bytes: ...

    def elapsed_s(self) -> float: ...


class Job(Hashable, Protocol):
    """What an instance works on: a request, or what is said on a WebSocket."""

    @property
    def plan(self) -> Plan | None:
        """What becomes of it; None once it is over."""

    @property
    def background_ms(self) -> float:
        """The work that it leaves behind."""

    def go_on(self) -> float | None:
        """Do what is due; returns the time in ms until the next part of the answer, None where there is none."""
