"""The instances of a plane: which of them boot, take requests, rest or drain, and how one state follows another.

The fleet keeps books; how many there are to be, and whom a request waits for, others decide. The router holds those
that take requests, and the rollout those that a deploy replaces: the fleet tells both who leaves.
"""

from collections import OrderedDict
from collections.abc import Container

from replay.planes.core.instances import Instance, boosted_vcpu
from replay.planes.core.ledger import Ledger
from replay.planes.core.rollout import Rollout
from replay.planes.core.routing import router
from replay.planes.core.scaling import DEFAULT_FULL
from replay.planes.core.types import Boot, Decision, Drain, InstanceId, InstanceLife, PlaneSpec

NEVER_NS = 1 << 62
_SECOND_NS = 1_000_000_000


class Fleet:
    """Every instance that is not gone, by its state."""

    def __init__(self, spec: PlaneSpec) -> None:
        self.router = router(spec.router, spec.concurrency)
        self.rollout = Rollout()
        self.ledger = Ledger()
        self.known: dict[InstanceId, Instance] = {}  # in order of request
        self.ready: OrderedDict[InstanceId, Instance] = OrderedDict()  # in order of readiness
        self.booting: OrderedDict[InstanceId, Instance] = OrderedDict()  # in order of request
        self.idle: OrderedDict[InstanceId, Instance] = OrderedDict()  # longest idle first
        self.draining: OrderedDict[InstanceId, tuple[int, Instance]] = OrderedDict()  # by deadline
        self.boots = 0  # asked for so far
        self.milli_vcpu = 0  # used by all of them
        self.has_been_up = False
        has_boost = spec.startup_boost and spec.kind == "serverless"
        self._boot_vcpu = boosted_vcpu(spec.vcpu) if has_boost else spec.vcpu
        self._most = spec.max_instances
        self._slots, self._vcpu = spec.concurrency or DEFAULT_FULL, spec.vcpu
        drain_s = spec.drain_limit_s
        self._drain_ns = None if drain_s is None else round(drain_s * _SECOND_NS)

    def __repr__(self) -> str:
        ready, idle = len(self.ready), len(self.idle)
        return f"<Fleet {len(self.booting)} booting, {idle} idle, {ready - idle} busy, {len(self.draining)} draining>"

    @property
    def size(self) -> int:
        """How many boot or take requests, without the one that boots to take another's place."""
        return len(self.booting) + len(self.ready) - self.rollout.successors

    @property
    def additions(self) -> int:
        """How many boot that will add slots."""
        return len(self.booting) - self.rollout.successors

    @property
    def can_grow(self) -> bool:
        return self.size < self._most

    def youngest_boot(self, besides: Container[InstanceId] = ()) -> Instance | None:
        """Return the one asked for last that takes nobody's place, and is none of these; None: there is none."""
        for instance in reversed(self.booting.values()):
            if instance.id not in besides and not self.rollout.is_successor(instance.id):
                return instance
        return None

    def little_used(self, since_ns: int, ratio: float, at_ns: int) -> list[Instance]:
        """Return those used less than this share since they were last looked at: idle ones first, by age.

        Looks at every instance. One that was not ready all the time since since_ns has not been seen long enough.
        """
        found = [
            instance
            for instance in self.ready.values()
            if instance.low_mark_ns <= since_ns and instance.use_ratio(at_ns, self._slots, self._vcpu) < ratio
        ]
        found.sort(key=lambda instance: (instance.in_flight, instance.idle_since_ns or 0))
        return found

    def lives(self, at_ns: int) -> list[InstanceLife]:
        """Return what each did so far, in the order in which they were asked for."""
        return [instance.life(at_ns) for instance in self.known.values()]

    def boot_up_to(self, wanted: int, at_ns: int, out: list[Decision]) -> None:
        for _ in range(min(wanted, self._most) - self.size):
            self._boot(at_ns, out)

    def roll_on(self, at_ns: int, out: list[Decision]) -> None:
        """Go on with a deploy, where its next instance may be replaced."""
        if self.rollout:
            self.rollout.boot_next(self.ready, lambda: self._boot(at_ns, out))

    def came_up(self, instance: InstanceId, at_ns: int) -> Instance | None:
        """Note that a boot has ended: the instance rests. Returns None if the plane has let it go."""
        ready = self.booting.pop(instance, None)
        if ready is None:
            return None
        ready.move_to("ready")
        self.has_been_up = True
        ready.ready_ns = ready.last_ns = ready.low_mark_ns = at_ns
        self.ready[instance] = ready
        self.rest(ready, at_ns)
        return ready

    def rest(self, instance: Instance, at_ns: int) -> None:
        """It has no request from now on."""
        instance.rest(at_ns)
        self.idle[instance.id] = instance

    def begin(self, instance: Instance, at_ns: int) -> bool:
        """Keep the books of a request that the router has given to it; returns whether it is the first of all."""
        if instance.idle_since_ns is not None:
            del self.idle[instance.id]
        return instance.begin(at_ns)

    def drain(self, instance: Instance, at_ns: int, out: list[Decision]) -> int | None:
        """Give it no further request. Returns until when those that it has may run; None: as long as they take."""
        self.rollout.leave(instance.id)
        instance.move_to("draining")
        del self.ready[instance.id]
        self.router.remove(instance)
        until_ns = None if self._drain_ns is None else at_ns + self._drain_ns
        self.draining[instance.id] = NEVER_NS if until_ns is None else until_ns, instance
        out.append(Drain(instance.id, until_ns))
        return until_ns

    def drain_due_ns(self) -> int | None:
        """Return when the first that drains is to be stopped, whatever runs in it; None: none drains."""
        return next(iter(self.draining.values()))[0] if self.draining else None

    def forget(self, instance: Instance, at_ns: int) -> int:
        """Close the account of an instance that is no more; returns how many requests ran in it."""
        self.rollout.leave(instance.id)
        if instance.state == "ready":
            self.router.remove(instance)
        instance.account(at_ns)
        lost = instance.in_flight
        if lost:
            instance.end_busy(at_ns)
            instance.in_flight = 0
        self.use_cpu(instance, 0, at_ns)
        instance.move_to("gone")
        instance.gone_ns = at_ns
        self.ledger.close(instance.life(at_ns), at_ns)
        for index in (self.known, self.booting, self.ready, self.idle, self.draining):
            index.pop(instance.id, None)
        return lost

    def use_cpu(self, instance: Instance, milli_vcpu: int, at_ns: int) -> None:
        """Note that it uses so much CPU from now on."""
        if instance.milli_vcpu != milli_vcpu:
            self.milli_vcpu += milli_vcpu - instance.milli_vcpu
            instance.use_cpu(milli_vcpu, at_ns)

    def _boot(self, at_ns: int, out: list[Decision]) -> InstanceId:
        self.boots += 1
        instance = Instance(self.boots, at_ns)
        self.known[instance.id] = self.booting[instance.id] = instance
        out.append(Boot(instance.id, self._boot_vcpu))
        return instance.id
