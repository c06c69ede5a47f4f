"""The processors of one modelled instance, under its plane's rules for CPU. Pure, on any clock.

Two rules change how many vCPUs there are. The startup boost raises them until some time after readiness. Where CPU
is throttled, there is none while no request is there, so what earlier requests have left behind (background work)
stands still until the next one comes, and then slows it. With "slots" a request never waits for CPU: the boost does
nothing for it, and what is left behind takes nothing from it, but stands still as well.

A request that uses no CPU at all is there, and takes its time.

The rules are those of Instance.vcpu (instances.py), to which a test holds them.
"""

import heapq
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

from replay.planes.core.instances import boosted_vcpu
from replay.planes.core.types import PlaneSpec
from replay.planes.modelled.types import Sharing
from replay.planes.modelled.work import SharedWork

Job = TypeVar("Job", bound=Hashable)

_SECOND_NS = 1_000_000_000


class CpuRules(NamedTuple):
    """vcpu: without boost. boost: what the boost multiplies it by, until boost_ns after readiness."""

    vcpu: float
    boost: float
    boost_ns: int
    is_throttled: bool


def cpu_rules(plane: PlaneSpec, vcpu: float | None = None) -> CpuRules:
    """The rules of a plane's instances; vcpu: of a modelled one, None where it is the plane's."""
    is_serverless = plane.kind == "serverless"
    has_boost = is_serverless and plane.startup_boost
    vcpu = plane.vcpu if vcpu is None else vcpu
    return CpuRules(
        vcpu,
        boosted_vcpu(vcpu) / vcpu if has_boost else 1.0,
        round(plane.boost_after_ready_s * _SECOND_NS) if has_boost else 0,
        is_serverless and plane.cpu_when_idle == "throttled",
    )


class _Left(NamedTuple):
    """A piece of background work."""

    number: int


class InstanceCpu(Generic[Job]):
    """The work of one instance from its readiness on. Instants must not go backwards from one call to the next.

    Its length is how many requests are there. done: pieces of background work that have ended.
    """

    def __init__(self, rules: CpuRules, sharing: Sharing, ready_ns: int) -> None:
        self._rules = rules
        self._work: SharedWork[Job | _Left] = SharedWork(rules.vcpu, sharing)
        self._until: dict[Job, int] = {}  # of those that use no CPU: when they end
        self._order = 0
        self._ends: list[tuple[int, int, Job]] = []  # the same in order, those given up too
        self._boost_until_ns = ready_ns + rules.boost_ns
        self._requests = self._left = self._pieces = 0
        self.done = 0
        self._set_vcpu(ready_ns)

    def __repr__(self) -> str:
        return f"<InstanceCpu {self._requests} requests, {self._left} pieces of background work>"

    def __len__(self) -> int:
        return self._requests

    @property
    def left(self) -> int:
        """Pieces of background work that have not ended; they are lost if the instance goes."""
        return self._left

    @property
    def vcpu(self) -> float:
        """How many vCPUs the work has, as of the latest call."""
        return self._work.vcpu

    @property
    def used_milli_vcpu(self) -> int:
        """How much CPU is in use, as of the latest call; 0 where requests take none of each other's."""
        return round(1000 * self._work.used)

    def add(self, job: Job, time_ns: float, now_ns: int, share: float = 1.0) -> None:
        """Begin a request, or its next part; share: how much of a vCPU it can use.

        Raises ValueError if it is under way, or its time is negative.
        """
        self._reach(now_ns)
        if job in self._until:
            raise ValueError(f"job {job!r} is under way already")
        if share:
            self._work.add(job, time_ns, now_ns, share)
        else:
            self._order += 1
            self._until[job] = now_ns + round(time_ns)
            heapq.heappush(self._ends, (self._until[job], self._order, job))
        self._requests += 1
        self._set_vcpu(now_ns)

    def leave_behind(self, work_ns: float, now_ns: int) -> None:
        """Begin a piece of background work, which no request waits for."""
        self._reach(now_ns)
        self._pieces += 1
        self._left += 1
        self._work.add(_Left(self._pieces), work_ns, now_ns)
        self._set_vcpu(now_ns)

    def leave(self, job: Job, now_ns: int) -> None:
        """Give a request up; nothing happens if it has ended or was never there."""
        self._reach(now_ns)
        was_waiting = self._until.pop(job, None) is not None
        if self._work.leave(job, now_ns) or was_waiting:
            self._requests -= 1
            self._set_vcpu(now_ns)

    def next_end_ns(self) -> int | None:
        """When `finished` is to be called next: work ends or the boost does; None: nothing will happen."""
        end_ns = self._work.next_end_ns()
        wait_ns = self._next_wait_ns()
        if wait_ns is not None and (end_ns is None or wait_ns < end_ns):
            end_ns = wait_ns
        if self._boost_until_ns > self._now_ns and (self._requests or self._left):
            return self._boost_until_ns if end_ns is None else min(end_ns, self._boost_until_ns)
        return end_ns

    def finished(self, now_ns: int) -> list[Job]:
        """Take out the requests whose work has ended by now, in the order of their ends."""
        self._reach(now_ns)
        ended: list[Job] = []
        for job in self._work.finished(now_ns):
            if isinstance(job, _Left):
                self._left -= 1
                self.done += 1
            else:
                self._requests -= 1
                ended.append(job)
        while (wait_end_ns := self._next_wait_ns()) is not None and wait_end_ns <= now_ns:
            _, _, job = heapq.heappop(self._ends)
            del self._until[job]
            self._requests -= 1
            ended.append(job)
        self._set_vcpu(now_ns)
        return ended

    def _next_wait_ns(self) -> int | None:
        """When the next request ends that uses no CPU."""
        ends = self._ends
        while ends and self._until.get(ends[0][2]) != ends[0][0]:
            heapq.heappop(ends)
        return ends[0][0] if ends else None

    def _reach(self, now_ns: int) -> None:
        """Let the boost end at its own instant."""
        if self._now_ns < self._boost_until_ns <= now_ns:
            self._set_vcpu(self._boost_until_ns)

    def _set_vcpu(self, now_ns: int) -> None:
        self._now_ns = now_ns
        rules = self._rules
        if now_ns < self._boost_until_ns:
            vcpu = rules.vcpu * rules.boost
        elif rules.is_throttled and not self._requests and self._left:
            vcpu = 0.0
        else:
            vcpu = rules.vcpu
        if vcpu != self._work.vcpu:
            self._work.set_vcpu(vcpu, now_ns)
