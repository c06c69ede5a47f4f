"""Which request runs where, and which instances boot and leave for that.

Nothing here knows the order of events; the plane calls it at each, with the event's own time.
"""

from replay.planes.core.autoscaler import Autoscaler
from replay.planes.core.deadlines import Deadlines
from replay.planes.core.fleet import Fleet
from replay.planes.core.instances import Instance
from replay.planes.core.pending import NO_INSTANCE, NO_MACHINE, QUEUE_FULL, Request
from replay.planes.core.requests import Requests
from replay.planes.core.types import Decision, Lose, PlaneSpec, Start, Stop

# What Cloud Run answers for an instance that failed under a request, or does not start; Troubleshooting page, HTTP 503.
LOST_STATUS = 503


class Placement:
    """Requests and instances of one plane, matched."""

    def __init__(
        self, spec: PlaneSpec, fleet: Fleet, requests: Requests, scaler: Autoscaler, deadlines: Deadlines
    ) -> None:
        self._fleet = fleet
        self._requests = requests
        self._scaler = scaler
        self._router = fleet.router
        self._pending = requests.pending
        self._binds = spec.binding == "early"
        self._waits_in_machines = spec.kind != "serverless" and spec.pending_limit is None
        self._deadlines = deadlines

    def __repr__(self) -> str:
        return f"<Placement {self._requests!r} in {self._fleet!r}>"

    @property
    def is_down(self) -> bool:
        """Whether there is no machine that could take a connection: where requests wait in machines' own queues, nobody
        waits for one that boots. Before the first was up, whoever comes waits for it.
        """
        return self._waits_in_machines and self._fleet.has_been_up and not self._fleet.ready

    @property
    def _spare_boots(self) -> int:
        """How many boots are for nobody yet, where each request waits for one of its own."""
        return self._fleet.additions - len(self._requests.bound)

    def refusal(self) -> str | None:
        """Why a request that finds no free slot may not wait for one; None: it may."""
        if self.is_down:
            return NO_MACHINE
        if self._binds:
            return None if self._fleet.can_grow or self._spare_boots > 0 else NO_INSTANCE
        return QUEUE_FULL if self._pending.is_full else None

    def wait(self, entry: Request, at_ns: int, out: list[Decision]) -> None:
        entry.boots_before = -1 if self._fleet.booting else self._fleet.boots
        self._pending.add(entry)
        self._deadlines.note_waiting(at_ns)
        if self._fleet.can_grow:
            self.boot_missing(at_ns, out)

    def bind(self, entry: Request, at_ns: int, out: list[Decision]) -> None:
        """Let a request wait for a boot of its own: one that nobody else waits for, else a new one."""
        fleet, bound = self._fleet, self._requests.bound
        if not self._spare_boots:
            fleet.boot_up_to(fleet.size + 1, at_ns, out)
        instance = fleet.youngest_boot(besides=bound)
        assert instance is not None
        self._requests.bind(entry, instance.id)

    def serve_waiting(self, at_ns: int, out: list[Decision]) -> None:
        while len(self._pending):
            instance = self._router.take()
            if instance is None:
                return
            out.append(self.started(self._pending.pop(), instance, at_ns))

    def started(self, entry: Request, instance: Instance, at_ns: int) -> Start:
        """Keep the books of a request that the router has just given to an instance."""
        fresh = self._fleet.begin(instance, at_ns)
        entry.instance = instance.id
        self._requests.running += 1
        waited_for_boot = self._fleet.boots > entry.boots_before
        return Start(entry.id, instance.id, fresh, waited_for_boot, at_ns - entry.arrived_ns)

    def release(self, instance: Instance, at_ns: int, out: list[Decision]) -> None:
        """Free one slot, and give it to whoever waits."""
        instance.account(at_ns)
        self._requests.running -= 1
        if instance.state == "draining":
            instance.in_flight -= 1
            if not instance.in_flight:
                instance.end_busy(at_ns)
                self.stop(instance, at_ns, out)
            return
        self._router.give_back(instance)
        if len(self._pending):
            self.serve_waiting(at_ns, out)
        if not instance.in_flight:
            instance.end_busy(at_ns)
            self._fleet.rest(instance, at_ns)
            self._deadlines.note_idle(at_ns)

    def lose_requests(self, instance: Instance, reason: str, out: list[Decision]) -> None:
        """Answer every request of an instance that is going; those that timed out were answered already."""
        if instance.in_flight:
            lost = self._requests.lose(instance.id)
            out += [Lose(request.id, instance.id, LOST_STATUS, reason) for request in lost]

    def boot_missing(self, at_ns: int, out: list[Decision]) -> None:
        """Boot what waiting requests, min_instances and the wanted number ask for."""
        fleet = self._fleet
        asked = self._scaler.asked(at_ns, len(self._pending), fleet.additions, fleet.size)
        fleet.boot_up_to(asked, at_ns, out)

    def let_go(self, instance: Instance, at_ns: int, out: list[Decision]) -> None:
        """Stop an instance that has no request; drain a busy one."""
        if instance.in_flight:
            self._deadlines.note(self._fleet.drain(instance, at_ns, out))
        else:
            self.stop(instance, at_ns, out)

    def stop(self, instance: Instance, at_ns: int, out: list[Decision]) -> None:
        lost = self._fleet.forget(instance, at_ns)
        out.append(Stop(instance.id))
        self.settle(lost, at_ns)

    def evaluate(self, at_ns: int, out: list[Decision]) -> None:
        """Ask the policy what it wants, and boot, stop or drain towards it."""
        fleet, scaler, before = self._fleet, self._scaler, len(out)
        scaler.evaluate(at_ns, len(fleet.ready), fleet.size, len(self._pending))
        if scaler.shrinks:
            self._shrink_to_wanted(at_ns, out)
        fleet.boot_up_to(scaler.wanted, at_ns, out)
        since_ns = scaler.little_used_since_ns(at_ns)
        if since_ns is not None and not len(self._pending):
            self._retire_little_used(since_ns, at_ns, out)
        scaler.evaluated(
            at_ns,
            is_quiet=not (fleet.known or self._requests or scaler.wanted),
            is_idle=len(out) == before,
        )

    def _retire_little_used(self, since_ns: int, at_ns: int, out: list[Decision]) -> None:
        fleet, scaler = self._fleet, self._scaler
        scaler.looked_at_use(at_ns)
        excess = len(fleet.ready) - scaler.held_when_low
        for instance in fleet.little_used(since_ns, scaler.low_ratio, at_ns)[: max(0, excess)]:
            self.let_go(instance, at_ns, out)

    def _shrink_to_wanted(self, at_ns: int, out: list[Decision]) -> None:
        """Give up boots, then let go of the youngest ready ones, as a Kubernetes ReplicaSet ranks its pods."""
        fleet = self._fleet
        while fleet.size > self._scaler.wanted:
            booting = fleet.youngest_boot()
            if booting is not None:
                self.stop(booting, at_ns, out)
            else:
                self.let_go(next(reversed(fleet.ready.values())), at_ns, out)

    def settle(self, lost: int, at_ns: int) -> None:
        """Settle what follows from the end of an instance in which so many requests ran."""
        self._requests.running -= lost
        if self._scaler.counts_cpu:
            self._scaler.note_cpu(self._fleet.milli_vcpu, at_ns)

    def note_load(self, at_ns: int) -> None:
        """Bring the averages up to an event that has changed what they are of."""
        self._scaler.note_load(self._requests.running, len(self._pending), at_ns)
