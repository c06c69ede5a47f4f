"""The core of an execution plane: told of events with their times, it answers with decisions.

It has no clock, no socket and no randomness. A gateway on real time and a simulator on virtual time drive the
same core; for the same events it makes the same decisions.

The parts. Router: which instance takes a request. Requests: who waits, in which queue and until when, and who runs.
Autoscaler: how many instances are wanted, by a policy (scaling.py, group_scaling.py). Fleet: the instances, what each
did (ledger.py), and whom a deploy replaces (rollout.py). Placement: which request runs where, and which instances boot
and leave for that. Deadlines: what the passing of time alone brings. Plane: the order of events and deadlines.

Who sees which event:

- request_arrived: the router, and if no slot is free, the queue; then waiting requests may ask for boots. With
  early binding there is no queue: the request boots an instance of its own, or is refused.
- instance_ready, request_ended: the free slot goes to whoever waited longest; else the instance may be idle.
- instance_died, client_left: what was lost is answered, and what is then missing is booted.
- cannot_boot: those who wait are refused.
- drain: the instance gets nothing more, and what is then missing is booted.
- deploy: every instance of now is replaced, one after another: a successor boots, and when it is ready its
  predecessor drains.
- tick: whatever is due. An evaluation of the policy, a timeout, a refused wait, an idle lifetime, a drain.

When two rules meet:

- An event comes before a deadline of the same instant: an answer at the timeout is an answer. Deadlines that an
  event finds overdue are carried out first, each at its own time, so a late tick changes no decision.
- max_instances counts instances that boot or take requests. One that drains is outside it, as it is outside
  the plane's capacity; the platform that we model starts its successor at once. So is, in a deploy, the one that
  boots to take another's place, until it is ready and the other drains in the same instant.
- An outgoing instance that is let go for another reason needs no successor; one that boots for it then counts as any
  other. A successor that dies is asked for again.
- A group's machines that leave go with their last request, however long it lasts, unless drain_s says otherwise.
- min_instances and the policy's wanted number both hold an instance past its idle lifetime.
- A request that timed out keeps its slot until request_ended, for the handler goes on; it counts as load.
- An event about an instance or a request that the plane has let go is ignored: with real processes it may
  have been on its way.

Cost: an event touches no instance but its own, and no request but its own and the next in the queue; only the
low-use rule looks at every instance, once a minute. One arrival and one end together cost a few microseconds.
"""

from collections.abc import Callable

from replay.planes.core.autoscaler import Autoscaler
from replay.planes.core.deadlines import Deadlines, Due
from replay.planes.core.fleet import NEVER_NS, Fleet
from replay.planes.core.pending import NO_INSTANCE, NO_MACHINE, Request
from replay.planes.core.placement import LOST_STATUS, Placement
from replay.planes.core.requests import Requests
from replay.planes.core.types import (
    Census,
    Decision,
    InstanceId,
    InstanceLife,
    PlaneSpec,
    Refuse,
    RequestId,
    Spent,
    TimeOut,
)

_DIED = "The instance died while it served this request."
_DRAINED = "The instance was stopped before this request ended."

Act = Callable[[int, list[Decision]], None]


class Plane:
    """An execution plane under `spec`. Instants are ns from any origin and must not go backwards.

    Every event returns the decisions that follow, in the order in which they are to be carried out. Between
    events, call tick at next_wake_ns. Raises ValueError where a time goes back or a request id is used twice.
    """

    def __init__(self, spec: PlaneSpec, start_ns: int = 0) -> None:
        self.spec = spec
        self._now_ns = start_ns
        self._fleet = Fleet(spec)
        self._requests = Requests(spec)
        self._scaler = Autoscaler(spec, start_ns)
        self._deadlines = Deadlines(self._requests, self._fleet, self._scaler)
        self._placement = Placement(spec, self._fleet, self._requests, self._scaler, self._deadlines)
        self._router = self._fleet.router
        self._pending = self._requests.pending
        self._binds = spec.binding == "early"
        self._acts: dict[Due, Act] = {
            "timeout": self._time_out,
            "refusal": self._refuse_oldest,
            "evaluation": self._placement.evaluate,
            "idle": self._expire_idle,
            "drained": self._end_drain,
        }

    def __repr__(self) -> str:
        n = self.census()
        return (
            f"<Plane {n.booting} booting, {n.idle} idle, {n.busy} busy, {n.draining} draining;"
            f" {n.waiting} waiting, {n.running} running>"
        )

    @property
    def next_wake_ns(self) -> int | None:
        """When tick is to be called at the latest; None: nothing will happen without an event.

        It may be early, when what it was meant for has ended: tick then returns nothing.
        """
        next_ns = self._deadlines.next_ns
        return None if next_ns == NEVER_NS else next_ns

    @property
    def counts_cpu(self) -> bool:
        """Whether it matters to the plane how much CPU is used, so that cpu_used is to be called at each change."""
        return self._scaler.counts_cpu

    @property
    def outgoing(self) -> int:
        """How many instances a deploy has yet to replace."""
        return len(self._fleet.rollout)

    def census(self) -> Census:
        """Return how many instances are in which state, and requests waiting and running (with overdue ones)."""
        fleet, requests = self._fleet, self._requests
        ready, idle = len(fleet.ready), len(fleet.idle)
        return Census(
            len(fleet.booting), idle, ready - idle, len(fleet.draining), requests.waiting, requests.running
        )

    def busiest(self) -> InstanceId | None:
        """Return the instance with the most requests, of those alike the one that was ready first; None: none is."""
        ready = self._fleet.ready.values()
        return max(ready, key=lambda instance: instance.in_flight).id if ready else None

    def ledger(self, at_ns: int) -> list[InstanceLife]:
        """Return what every instance did, gone ones first in the order of their end."""
        return self._fleet.ledger.lives(self.alive(at_ns))

    def alive(self, at_ns: int) -> list[InstanceLife]:
        """Return what every instance that is not gone did, in the order in which they were asked for."""
        return self._fleet.lives(at_ns)

    def spent(self, at_ns: int) -> Spent:
        """Return what the instances spent their time on; costs no more for those that are gone."""
        return self._fleet.ledger.spent(self.alive(at_ns), at_ns)

    def vcpu(self, instance: InstanceId, at_ns: int) -> float:
        """Return the vCPUs that an instance may use at an instant; 0 when it is gone or throttled."""
        known = self._fleet.known.get(instance)
        return known.vcpu(self.spec, at_ns) if known is not None else 0.0

    def start(self, at_ns: int) -> list[Decision]:
        """Boot the instances that are always on. A driver that wants them warm reports them ready at once."""
        out = self._reach(at_ns)
        self._fleet.boot_up_to(self._scaler.start(at_ns), at_ns, out)
        self._deadlines.note(self._scaler.tick_ns)
        return out

    def request_arrived(self, request: RequestId, at_ns: int) -> list[Decision]:
        out = self._reach(at_ns)
        if request in self._requests:
            raise ValueError(f"request {request!r} has arrived before and has not ended")
        if self._scaler.tick_ns is None:
            self._scaler.resume(at_ns)
            self._deadlines.note(self._scaler.tick_ns)
        instance = self._router.take()
        if instance is None and (why := self._placement.refusal()) is not None:
            out.append(Refuse(request, self._pending.limit.status, why))
            return out
        entry = Request(request, at_ns)
        self._requests.add(entry)
        if self._requests.timeout_ns is not None:
            self._deadlines.note(at_ns + self._requests.timeout_ns)
        if instance is not None:
            out.append(self._placement.started(entry, instance, at_ns))
        elif self._binds:
            self._placement.bind(entry, at_ns, out)
        else:
            self._placement.wait(entry, at_ns, out)
        self._placement.note_load(at_ns)
        return out

    def instance_ready(self, instance: InstanceId, at_ns: int) -> list[Decision]:
        out = self._reach(at_ns)
        fleet = self._fleet
        ready = fleet.came_up(instance, at_ns)
        if ready is None:
            return out
        self._pending.started_up(at_ns - ready.requested_ns)
        self._deadlines.note_idle(at_ns)
        bound = self._requests.bound.pop(instance, None)
        if bound is not None:
            ready.in_flight = 1
            out.append(self._placement.started(bound, ready, at_ns))
        self._router.add(ready)
        self._placement.serve_waiting(at_ns, out)
        self._deadlines.note_waiting(at_ns)
        replaced = fleet.rollout.replaced_by(instance)
        if replaced is not None:
            self._placement.let_go(fleet.known[replaced], at_ns, out)
        fleet.roll_on(at_ns, out)
        self._placement.note_load(at_ns)
        return out

    def request_ended(self, request: RequestId, at_ns: int) -> list[Decision]:
        """Free the slot of a request whose handler ended. Raises ValueError if it has not started."""
        out = self._reach(at_ns)
        instance = self._requests.end(request)
        if instance is not None:
            self._placement.release(self._fleet.known[instance], at_ns, out)
            self._placement.note_load(at_ns)
        return out

    def client_left(self, request: RequestId, at_ns: int) -> list[Decision]:
        """Forget a request that still waits. One that runs goes on: its handler ends with request_ended."""
        out = self._reach(at_ns)
        if self._requests.leave(request):
            self._placement.note_load(at_ns)
        return out

    def instance_died(self, instance: InstanceId, at_ns: int) -> list[Decision]:
        """Answer the requests of an instance that is no more, and boot what is missing without it."""
        out = self._reach(at_ns)
        dead = self._fleet.known.get(instance)
        if dead is None:
            return out
        self._placement.lose_requests(dead, _DIED, out)
        bound = self._requests.bound.pop(instance, None)
        self._placement.settle(self._fleet.forget(dead, at_ns), at_ns)
        if bound is not None:
            self._placement.bind(bound, at_ns, out)
        while self._placement.is_down and len(self._pending):
            # They waited in the accept queue of the machine that died.
            out.append(Refuse(self._requests.refuse_next().id, self._pending.limit.status, NO_MACHINE))
        self._replace_missing(at_ns, out)
        return out

    def cannot_boot(self, why: str, at_ns: int) -> list[Decision]:
        """Refuse those who wait, where no instance is up and none that was asked for starts. Boots go on."""
        out = self._reach(at_ns)
        if not self._fleet.ready:
            out += [Refuse(request.id, LOST_STATUS, why) for request in self._requests.refuse_all()]
            self._placement.note_load(at_ns)
        return out

    def drain(self, instance: InstanceId, at_ns: int) -> list[Decision]:
        """Let an instance go with its last request, or after drain_s, and boot what is missing without it."""
        out = self._reach(at_ns)
        leaving = self._fleet.known.get(instance)
        if leaving is None or leaving.state == "draining":
            return out
        bound = self._requests.bound.pop(instance, None)
        self._placement.let_go(leaving, at_ns, out)
        if bound is not None:
            self._placement.bind(bound, at_ns, out)
        self._replace_missing(at_ns, out)
        return out

    def deploy(self, at_ns: int) -> list[Decision]:
        """Replace every instance that boots or takes requests now, so that no request is lost that ends in drain_s.

        One that boots is replaced once it is ready. A deploy during another begins anew, with the new ones too.
        """
        out = self._reach(at_ns)
        self._fleet.rollout.begin([*self._fleet.ready, *self._fleet.booting])
        self._fleet.roll_on(at_ns, out)
        return out

    def cpu_used(self, instance: InstanceId, milli_vcpu: int, at_ns: int) -> list[Decision]:
        """Note how much CPU an instance uses from now on; see counts_cpu."""
        out = self._reach(at_ns)
        known = self._fleet.known.get(instance)
        if known is not None and known.milli_vcpu != milli_vcpu:
            self._fleet.use_cpu(known, milli_vcpu, at_ns)
            self._scaler.note_cpu(self._fleet.milli_vcpu, at_ns)
        return out

    def tick(self, at_ns: int) -> list[Decision]:
        """Carry out all that is due by at_ns, that instant included."""
        out: list[Decision] = []
        if at_ns < self._now_ns:
            raise ValueError(f"time went back: {at_ns} ns after {self._now_ns} ns")
        self._carry_out(at_ns, out)
        self._now_ns = at_ns
        return out

    def _reach(self, at_ns: int) -> list[Decision]:
        """Come to the instant of an event: carry out what was due before it."""
        out: list[Decision] = []
        if at_ns < self._now_ns:
            raise ValueError(f"time went back: {at_ns} ns after {self._now_ns} ns")
        if self._deadlines.next_ns < at_ns:
            self._carry_out(at_ns - 1, out)
        self._now_ns = at_ns
        if self._scaler.rests:
            self._scaler.go_on(at_ns)
            self._deadlines.note(self._scaler.tick_ns)
        return out

    def _carry_out(self, until_ns: int, out: list[Decision]) -> None:
        """Carry out all that is due, in the order of its time, up to and including until_ns."""
        if self._deadlines.next_ns > until_ns:
            return
        while True:
            due_ns, due = self._deadlines.earliest()
            # A rule can become due by another's change, after its own time: then it is due now.
            due_ns = max(due_ns, self._now_ns)
            if due is None or due_ns > until_ns:
                self._deadlines.next_ns = due_ns if due is not None else NEVER_NS
                return
            self._now_ns = due_ns
            if self._scaler.rests and due != "evaluation":
                self._scaler.go_on(due_ns)
            self._acts[due](due_ns, out)
            self._fleet.roll_on(due_ns, out)
            self._placement.note_load(due_ns)

    def _time_out(self, at_ns: int, out: list[Decision]) -> None:
        request = self._requests.time_out()
        out.append(TimeOut(request.id, request.instance))

    def _refuse_oldest(self, at_ns: int, out: list[Decision]) -> None:
        out.append(Refuse(self._requests.refuse_next().id, self._pending.limit.status, NO_INSTANCE))

    def _expire_idle(self, at_ns: int, out: list[Decision]) -> None:
        self._placement.stop(next(iter(self._fleet.idle.values())), at_ns, out)

    def _end_drain(self, at_ns: int, out: list[Decision]) -> None:
        instance = next(iter(self._fleet.draining.values()))[1]
        self._placement.lose_requests(instance, _DRAINED, out)
        self._placement.stop(instance, at_ns, out)

    def _replace_missing(self, at_ns: int, out: list[Decision]) -> None:
        """Boot what is missing without an instance that was lost."""
        self._placement.boot_missing(at_ns, out)
        self._fleet.roll_on(at_ns, out)
        self._placement.note_load(at_ns)
