"""The core of an execution plane: told of events with their times, it answers with decisions.

It has no clock, no socket and no randomness. A gateway on real time and a simulator on virtual time drive the
same core; for the same events it makes the same decisions.

The parts. Router: which instance takes a request. Pending: who waits, and until when. Policy (scaling.py): how
many instances are wanted. Plane: keeps the books, and turns the three into decisions.

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

from collections import OrderedDict
from collections.abc import Callable

from replay.planes.core.averages import Averages
from replay.planes.core.group_scaling import GroupPolicy
from replay.planes.core.instances import Instance, boosted_vcpu
from replay.planes.core.pending import NO_INSTANCE, NO_MACHINE, QUEUE_FULL, Pending, Request
from replay.planes.core.routing import router
from replay.planes.core.scaling import DEFAULT_FULL, RequestDrivenPolicy, WindowDrivenPolicy, boots_for_queue
from replay.planes.types import (
    Boot,
    Census,
    Decision,
    Drain,
    GroupDriven,
    InstanceId,
    InstanceLife,
    Lose,
    PlaneSpec,
    Refuse,
    RequestDriven,
    RequestId,
    Spent,
    Start,
    Stop,
    TimeOut,
    WindowDriven,
)

_SECOND_NS = 1_000_000_000
_NEVER = 1 << 62
# What Cloud Run answers for an instance that failed under a request, or does not start; Troubleshooting page, HTTP 503.
_LOST_STATUS = 503
_DIED = "The instance died while it served this request."
_DRAINED = "The instance was stopped before this request ended."


def _ns(seconds: float) -> int:
    return round(seconds * _SECOND_NS)


def _spent(life: InstanceLife, at_ns: int) -> Spent:
    ready_ns = at_ns if life.ready_ns is None else life.ready_ns
    booting = ready_ns - life.requested_ns
    return Spent(booting, life.busy_ns, at_ns - ready_ns - life.busy_ns)


def _sum(*parts: Spent) -> Spent:
    return Spent(*(sum(of_one) for of_one in zip(*parts, strict=True)))


class Plane:
    """An execution plane under `spec`. Instants are ns from any origin and must not go backwards.

    Every event returns the decisions that follow, in the order in which they are to be carried out. Between
    events, call tick at next_wake_ns. Raises ValueError where a time goes back or a request id is used twice.
    """

    def __init__(self, spec: PlaneSpec, start_ns: int = 0) -> None:
        self.spec = spec
        self._now_ns = start_ns
        self._router = router(spec.router, spec.concurrency)
        self._pending = Pending(spec.queue)
        self._waits_in_machines = spec.kind != "serverless" and spec.pending_limit is None
        self._has_been_up = False
        limit_s = spec.request_limit_s
        self._timeout_ns = None if limit_s is None else _ns(limit_s)
        drain_s = spec.drain_limit_s
        self._drain_ns = None if drain_s is None else _ns(drain_s)

        self._open: OrderedDict[RequestId, Request] = OrderedDict()  # in order of arrival, so of timeout
        self._overdue: dict[RequestId, Request] = {}  # timed out, their handlers still running
        self._running = 0
        self._instances: dict[InstanceId, Instance] = {}
        self._ready: OrderedDict[InstanceId, Instance] = OrderedDict()  # in order of readiness
        self._booting: OrderedDict[InstanceId, Instance] = OrderedDict()  # in order of request
        self._idle: OrderedDict[InstanceId, Instance] = OrderedDict()  # longest idle first
        self._draining: OrderedDict[InstanceId, tuple[int, Instance]] = OrderedDict()  # by deadline
        self._bound: dict[InstanceId, Request] = {}  # by the boot that is theirs alone
        self._outgoing: dict[InstanceId, None] = {}  # to be replaced by a deploy, in this order
        self._replaces: tuple[InstanceId, InstanceId] | None = (
            None  # the one that boots, and whom it will replace
        )
        self._lives: list[InstanceLife] = []
        self._gone_spent = Spent()
        self._boots = 0
        self._boot_vcpu = spec.vcpu
        self._next_ns = _NEVER

        self._wanted = 0
        self._tick_ns: int | None = None
        self._idle_lifetime_ns: int | None = None
        self._by_request: RequestDrivenPolicy | None = None
        self._by_window: WindowDrivenPolicy | None = None
        self._by_group: GroupPolicy | None = None
        windows_s: tuple[int, ...] = ()
        cpu_windows_s: tuple[int, ...] = ()
        self._period_ns = 0
        rules = spec.scaling
        self._most, self._least = spec.max_instances, spec.min_instances
        if spec.kind == "vm":
            self._least = spec.max_instances
        elif isinstance(rules, GroupDriven):
            self._by_group = GroupPolicy(rules, spec.concurrency, spec.vcpu, start_ns)
            self._least = max(1, self._least)
            self._period_ns = _ns(rules.evaluate_s)
            windows_s = (rules.window_s,)
            cpu_windows_s = windows_s if rules.target == "cpu" else ()
        else:
            if spec.startup_boost:
                self._boot_vcpu = boosted_vcpu(spec.vcpu)
            if isinstance(rules, WindowDriven):
                self._by_window = WindowDrivenPolicy(rules, spec.concurrency)
                self._period_ns = _ns(rules.evaluate_s)
                windows_s = (rules.stable_window_s, rules.panic_window_s)
            else:
                self._by_request = RequestDrivenPolicy(rules, spec.concurrency, spec.vcpu)
                self._idle_lifetime_ns = _ns(spec.idle_lifetime_s)
                windows_s = rules.windows_s
                cpu_windows_s = (rules.cpu_window_s,) if windows_s else ()
                if rules.windows_s or rules.keep_instances is not None:
                    self._period_ns = _ns(rules.evaluate_s)
        # Others than request-driven scaling, which answers the waiting otherwise, count them as load.
        self._load_has_waiting = self._by_request is None
        self._binds = spec.binding == "early"
        self._load = Averages(windows_s, start_ns)
        self._cpu = Averages(cpu_windows_s, start_ns)
        self._milli_vcpu = 0  # used by all instances
        self._counts_cpu = bool(cpu_windows_s)
        self._is_cpu_known = False  # until somebody tells how much is used
        self._origin_ns = start_ns
        self._low_ns = start_ns

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
        return None if self._next_ns == _NEVER else self._next_ns

    def census(self) -> Census:
        """Return how many instances are in which state, and requests waiting and running (with overdue ones)."""
        ready, idle = len(self._ready), len(self._idle)
        waiting = len(self._pending) + len(self._bound)
        return Census(len(self._booting), idle, ready - idle, len(self._draining), waiting, self._running)

    @property
    def outgoing(self) -> int:
        """How many instances a deploy has yet to replace."""
        return len(self._outgoing)

    def busiest(self) -> InstanceId | None:
        """Return the instance with the most requests, of those alike the one that was ready first; None: none is."""
        if not self._ready:
            return None
        return max(self._ready.values(), key=lambda instance: instance.in_flight).id

    def ledger(self, at_ns: int) -> list[InstanceLife]:
        """Return what every instance did, gone ones first in the order of their end."""
        return [*self._lives, *self.alive(at_ns)]

    def alive(self, at_ns: int) -> list[InstanceLife]:
        """Return what every instance that is not gone did, in the order in which they were asked for."""
        return [instance.life(at_ns) for instance in self._instances.values()]

    def spent(self, at_ns: int) -> Spent:
        """Return what the instances spent their time on; costs no more for those that are gone."""
        return _sum(self._gone_spent, *(_spent(life, at_ns) for life in self.alive(at_ns)))

    def vcpu(self, instance: InstanceId, at_ns: int) -> float:
        """Return the vCPUs that an instance may use at an instant; 0 when it is gone or throttled."""
        known = self._instances.get(instance)
        return known.vcpu(self.spec, at_ns) if known is not None else 0.0

    # Events.

    def start(self, at_ns: int) -> list[Decision]:
        """Boot the instances that are always on. A driver that wants them warm reports them ready at once."""
        out = self._reach(at_ns)
        if self._by_group is not None:
            self._wanted = min(max(self._by_group.least(at_ns), self._least), self._most)
        self._boot_up_to(max(self._wanted, self._least), at_ns, out)
        if self._period_ns and self._least:
            self._resume(at_ns)
        return out

    def request_arrived(self, request: RequestId, at_ns: int) -> list[Decision]:
        out = self._reach(at_ns)
        if request in self._open or request in self._overdue:
            raise ValueError(f"request {request!r} has arrived before and has not ended")
        entry = Request(request, at_ns)
        if self._tick_ns is None and self._period_ns:
            self._resume(at_ns)
        instance = self._router.take()
        if instance is None and self._is_down:
            out.append(Refuse(request, self._pending.limit.status, NO_MACHINE))
            return out
        if instance is None and not self._can_wait:
            out.append(Refuse(request, self._pending.limit.status, NO_INSTANCE if self._binds else QUEUE_FULL))
            return out
        self._open[request] = entry
        if self._timeout_ns is not None:
            self._wake_at(at_ns + self._timeout_ns)
        if instance is not None:
            out.append(self._started(entry, instance, at_ns))
        elif self._binds:
            self._bind(entry, at_ns, out)
        else:
            self._wait(entry, at_ns, out)
        self._note_load(at_ns)
        return out

    def instance_ready(self, instance: InstanceId, at_ns: int) -> list[Decision]:
        out = self._reach(at_ns)
        ready = self._booting.pop(instance, None)
        if ready is None:
            return out
        ready.move_to("ready")
        self._has_been_up = True
        ready.ready_ns = ready.last_ns = ready.low_mark_ns = at_ns
        self._pending.started_up(at_ns - ready.requested_ns)
        self._ready[instance] = ready
        self._rest(ready, at_ns)
        bound = self._bound.pop(instance, None)
        if bound is not None:
            ready.in_flight = 1
            out.append(self._started(bound, ready, at_ns))
        self._router.add(ready)
        self._serve_waiting(at_ns, out)
        self._wake_for_waiting()
        if self._outgoing:
            if self._replaces is not None and self._replaces[0] == instance:
                self._let_go(self._instances[self._replaces[1]], at_ns, out)
            self._roll_on(at_ns, out)
        self._note_load(at_ns)
        return out

    def request_ended(self, request: RequestId, at_ns: int) -> list[Decision]:
        """Free the slot of a request whose handler ended. Raises ValueError if it has not started."""
        out = self._reach(at_ns)
        entry = self._open.get(request)
        if entry is None:
            entry = self._overdue.pop(request, None)
            if entry is None:
                return out
        elif entry.instance is None:
            raise ValueError(f"request {request!r} cannot have ended: it has not started")
        else:
            del self._open[request]
        assert entry.instance is not None
        self._release(self._instances[entry.instance], at_ns, out)
        self._note_load(at_ns)
        return out

    def client_left(self, request: RequestId, at_ns: int) -> list[Decision]:
        """Forget a request that still waits. One that runs goes on: its handler ends with request_ended."""
        out = self._reach(at_ns)
        entry = self._open.get(request)
        if entry is None:
            return out
        del self._open[request]
        if entry.instance is None:
            self._unqueue(entry)
        else:
            self._overdue[request] = entry
        self._note_load(at_ns)
        return out

    def instance_died(self, instance: InstanceId, at_ns: int) -> list[Decision]:
        """Answer the requests of an instance that is no more, and boot what is missing without it."""
        out = self._reach(at_ns)
        dead = self._instances.get(instance)
        if dead is None:
            return out
        self._lose_requests(dead, _DIED, out)
        bound = self._bound.pop(instance, None)
        self._forget(dead, at_ns)
        if bound is not None:
            self._bind(bound, at_ns, out)
        while self._is_down and len(self._pending):
            # They waited in the accept queue of the machine that died.
            waiting = self._pending.pop()
            del self._open[waiting.id]
            out.append(Refuse(waiting.id, self._pending.limit.status, NO_MACHINE))
        self._boot_missing(at_ns, out)
        self._roll_on(at_ns, out)
        self._note_load(at_ns)
        return out

    def cannot_boot(self, why: str, at_ns: int) -> list[Decision]:
        """Refuse those who wait, where no instance is up and none that was asked for starts. Boots go on."""
        out = self._reach(at_ns)
        if self._ready:
            return out
        waiting = [*self._bound.values()]
        self._bound.clear()
        while len(self._pending):
            waiting.append(self._pending.pop())
        for entry in waiting:
            del self._open[entry.id]
            out.append(Refuse(entry.id, _LOST_STATUS, why))
        self._note_load(at_ns)
        return out

    def drain(self, instance: InstanceId, at_ns: int) -> list[Decision]:
        """Let an instance go with its last request, or after drain_s, and boot what is missing without it."""
        out = self._reach(at_ns)
        leaving = self._instances.get(instance)
        if leaving is None or leaving.state == "draining":
            return out
        bound = self._bound.pop(instance, None)
        self._let_go(leaving, at_ns, out)
        if bound is not None:
            self._bind(bound, at_ns, out)
        self._boot_missing(at_ns, out)
        self._roll_on(at_ns, out)
        self._note_load(at_ns)
        return out

    def deploy(self, at_ns: int) -> list[Decision]:
        """Replace every instance that boots or takes requests now, so that no request is lost that ends in drain_s.

        One that boots is replaced once it is ready. A deploy during another begins anew, with the new ones too.
        """
        out = self._reach(at_ns)
        self._outgoing = dict.fromkeys([*self._ready, *self._booting])
        self._roll_on(at_ns, out)
        return out

    def cpu_used(self, instance: InstanceId, milli_vcpu: int, at_ns: int) -> list[Decision]:
        """Note how much CPU an instance uses from now on; see counts_cpu."""
        out = self._reach(at_ns)
        known = self._instances.get(instance)
        if known is not None and known.milli_vcpu != milli_vcpu:
            self._is_cpu_known = True
            self._milli_vcpu += milli_vcpu - known.milli_vcpu
            known.use_cpu(milli_vcpu, at_ns)
            self._cpu.set_level(self._milli_vcpu, at_ns)
        return out

    @property
    def counts_cpu(self) -> bool:
        """Whether it matters to the plane how much CPU is used, so that cpu_used is to be called at each change."""
        return self._counts_cpu

    def tick(self, at_ns: int) -> list[Decision]:
        """Carry out all that is due by at_ns, that instant included."""
        out: list[Decision] = []
        if at_ns < self._now_ns:
            raise ValueError(f"time went back: {at_ns} ns after {self._now_ns} ns")
        self._carry_out(at_ns, out)
        self._now_ns = at_ns
        return out

    # Time.

    def _reach(self, at_ns: int) -> list[Decision]:
        """Come to the instant of an event: carry out what was due before it."""
        out: list[Decision] = []
        if at_ns < self._now_ns:
            raise ValueError(f"time went back: {at_ns} ns after {self._now_ns} ns")
        if self._next_ns < at_ns:
            self._carry_out(at_ns - 1, out)
        self._now_ns = at_ns
        return out

    def _wake_at(self, at_ns: int) -> None:
        if at_ns < self._next_ns:
            self._next_ns = at_ns

    def _carry_out(self, until_ns: int, out: list[Decision]) -> None:
        """Carry out all that is due, in the order of its time, up to and including until_ns."""
        if self._next_ns > until_ns:
            return
        while True:
            due_ns, act = self._earliest()
            # A rule can become due by another's change, after its own time: then it is due now.
            due_ns = max(due_ns, self._now_ns)
            if act is None or due_ns > until_ns:
                self._next_ns = due_ns if act is not None else _NEVER
                return
            self._now_ns = due_ns
            act(due_ns, out)
            self._roll_on(due_ns, out)
            self._note_load(due_ns)

    def _earliest(self) -> tuple[int, Callable[[int, list[Decision]], None] | None]:
        """Return what is due first and when: of those due together, clients come before instances."""
        first_ns: int = _NEVER
        act: Callable[[int, list[Decision]], None] | None = None
        if self._open and self._timeout_ns is not None:
            first_ns = next(iter(self._open.values())).arrived_ns + self._timeout_ns
            act = self._time_out
        refuse_ns = self._pending.deadline_ns()
        if refuse_ns is not None and refuse_ns < first_ns:
            first_ns, act = refuse_ns, self._refuse_oldest
        if self._tick_ns is not None and self._tick_ns < first_ns:
            first_ns, act = self._tick_ns, self._evaluate
        expiry_ns = self._idle_expiry_ns()
        if expiry_ns is not None and expiry_ns < first_ns:
            first_ns, act = expiry_ns, self._expire_idle
        if self._draining:
            drained_ns = next(iter(self._draining.values()))[0]
            if drained_ns < first_ns:
                first_ns, act = drained_ns, self._end_drain
        return first_ns, act

    # What comes due.

    def _time_out(self, at_ns: int, out: list[Decision]) -> None:
        request, entry = self._open.popitem(last=False)
        if entry.instance is None:
            self._unqueue(entry)
        else:
            self._overdue[request] = entry
        out.append(TimeOut(request, entry.instance))

    def _refuse_oldest(self, at_ns: int, out: list[Decision]) -> None:
        entry = self._pending.pop()
        del self._open[entry.id]
        out.append(Refuse(entry.id, self._pending.limit.status, NO_INSTANCE))

    def _idle_expiry_ns(self) -> int | None:
        if self._idle_lifetime_ns is None or not self._idle:
            return None
        if len(self._ready) <= max(self._least, self._wanted):
            return None
        idle_since_ns = next(iter(self._idle.values())).idle_since_ns
        assert idle_since_ns is not None
        return idle_since_ns + self._idle_lifetime_ns

    def _expire_idle(self, at_ns: int, out: list[Decision]) -> None:
        self._stop(next(iter(self._idle.values())), at_ns, out)

    def _end_drain(self, at_ns: int, out: list[Decision]) -> None:
        instance = next(iter(self._draining.values()))[1]
        self._lose_requests(instance, _DRAINED, out)
        self._stop(instance, at_ns, out)

    def _evaluate(self, at_ns: int, out: list[Decision]) -> None:
        """Ask the policy what it wants, and boot, stop or drain towards it."""
        means = self._load.means(at_ns)
        if self._by_window is not None:
            wanted = self._by_window.wanted(at_ns, means[0], means[1], len(self._ready))
            self._wanted = min(max(wanted, self._least), self._most)
            self._shrink_to_wanted(at_ns, out)
            self._boot_up_to(self._wanted, at_ns, out)
        elif self._by_request is not None:
            wanted = self._by_request.wanted(means, self._cpu.means(at_ns) if self._is_cpu_known else ())
            if not self._alive and not len(self._pending):
                wanted = 0  # only a request wakes a plane at zero
            self._wanted = min(max(wanted, self._least), self._most)
            self._boot_up_to(self._wanted, at_ns, out)
            self._retire_low_use(at_ns, out)
        elif self._by_group is not None:
            self._evaluate_group(self._by_group, at_ns, means, out)
        quiet = not (self._instances or self._open or self._wanted)
        self._tick_ns = None if quiet else at_ns + self._period_ns

    def _evaluate_group(self, group: GroupPolicy, at_ns: int, means: list[float], out: list[Decision]) -> None:
        """Ask the group's policy, and follow it: boots are given up first, then the youngest machines drain."""
        rules = self.spec.scaling
        assert isinstance(rules, GroupDriven)
        load = means[0]
        if rules.target == "cpu":
            load = self._cpu.means(at_ns)[0] if self._is_cpu_known else 0.0
        wanted = group.wanted(at_ns, load, self._alive)
        self._wanted = min(max(wanted, self._least), self._most)
        self._shrink_to_wanted(at_ns, out)
        self._boot_up_to(self._wanted, at_ns, out)

    def _resume(self, at_ns: int) -> None:
        """Evaluate again, from the next multiple of the period on."""
        periods = (at_ns - self._origin_ns) // self._period_ns + 1
        self._tick_ns = self._origin_ns + periods * self._period_ns
        self._low_ns = at_ns
        self._wake_at(self._tick_ns)
        self._load.restart(at_ns)
        self._cpu.restart(at_ns)

    def _retire_low_use(self, at_ns: int, out: list[Decision]) -> None:
        """Let go of instances above the wanted number that were hardly used: idle ones first, by age."""
        rules = self.spec.scaling
        assert isinstance(rules, RequestDriven)
        period_ns = _ns(rules.low_window_s)
        if rules.keep_instances is None or at_ns - self._low_ns < period_ns or len(self._pending):
            return
        self._low_ns = at_ns
        slots = self.spec.concurrency or DEFAULT_FULL
        # One that was not ready for the whole period has not been seen long enough.
        low = [
            instance
            for instance in self._ready.values()
            if instance.low_mark_ns <= at_ns - period_ns
            and instance.use_ratio(at_ns, slots, self.spec.vcpu) < rules.low_ratio
        ]
        excess = len(self._ready) - max(self._wanted, self._least, rules.keep_instances)
        low.sort(key=lambda instance: (instance.in_flight, instance.idle_since_ns or 0))
        for instance in low[: max(0, excess)]:
            self._let_go(instance, at_ns, out)

    def _shrink_to_wanted(self, at_ns: int, out: list[Decision]) -> None:
        """Give up boots, then let go of the youngest ready ones, as a Kubernetes ReplicaSet ranks its pods."""
        while self._alive > self._wanted:
            taken = self._successors
            booting = next((i for i in reversed(self._booting.values()) if i.id not in taken), None)
            if booting is not None:
                self._stop(booting, at_ns, out)
            else:
                self._let_go(next(reversed(self._ready.values())), at_ns, out)

    # Instances.

    @property
    def _alive(self) -> int:
        """How many boot or take requests, without the one that boots to take another's place."""
        return len(self._booting) + len(self._ready) - len(self._successors)

    @property
    def _successors(self) -> tuple[InstanceId, ...]:
        """The one that boots to take another's place, if there is one: it adds no slots, so nobody counts on it."""
        return self._replaces[:1] if self._replaces is not None else ()

    @property
    def _spare_boots(self) -> int:
        """How many boots are for nobody yet, where each request waits for one of its own."""
        return len(self._booting) - len(self._successors) - len(self._bound)

    def _boot_up_to(self, wanted: int, at_ns: int, out: list[Decision]) -> None:
        for _ in range(min(wanted, self._most) - self._alive):
            self._boot(at_ns, out)

    def _boot(self, at_ns: int, out: list[Decision]) -> InstanceId:
        self._boots += 1
        instance = Instance(self._boots, at_ns)
        self._instances[instance.id] = self._booting[instance.id] = instance
        out.append(Boot(instance.id, self._boot_vcpu))
        return instance.id

    def _roll_on(self, at_ns: int, out: list[Decision]) -> None:
        """Boot a successor for the next outgoing instance that takes requests."""
        if self._outgoing and self._replaces is None:
            outgoing = next((instance for instance in self._outgoing if instance in self._ready), None)
            if outgoing is not None:
                self._replaces = self._boot(at_ns, out), outgoing

    def _leave_deploy(self, instance: InstanceId) -> None:
        """It is let go, so it needs no successor, and it can be none."""
        self._outgoing.pop(instance, None)
        if self._replaces is not None and instance in self._replaces:
            self._replaces = None

    def _boot_missing(self, at_ns: int, out: list[Decision]) -> None:
        """Boot what waiting requests, min_instances and the wanted number ask for."""
        if self._by_request is not None:
            booting = len(self._booting) - len(self._successors)
            more = boots_for_queue(len(self._pending), self.spec.concurrency, booting)
            if more:
                self._boot_up_to(self._alive + more, at_ns, out)
            # At zero only a request boots, whatever the averages wanted before the last one died.
            floor = max(self._wanted, self._least) if self._alive else self._least
        else:
            if self._by_window is not None and not self._wanted and len(self._pending):
                self._wanted = min(self._by_window.woken(at_ns), self._most)
            floor = max(self._wanted, self._least)
        self._boot_up_to(floor, at_ns, out)

    def _rest(self, instance: Instance, at_ns: int) -> None:
        instance.idle_since_ns = at_ns
        self._idle[instance.id] = instance
        if self._idle_lifetime_ns is not None and len(self._ready) > max(self._least, self._wanted):
            # The one that expires first may have been held until now by the wanted number.
            since_ns = next(iter(self._idle.values())).idle_since_ns
            assert since_ns is not None
            self._wake_at(max(at_ns, since_ns + self._idle_lifetime_ns))

    def _let_go(self, instance: Instance, at_ns: int, out: list[Decision]) -> None:
        """Stop an instance that has no request; drain a busy one."""
        if not instance.in_flight:
            self._stop(instance, at_ns, out)
            return
        self._leave_deploy(instance.id)
        instance.move_to("draining")
        del self._ready[instance.id]
        self._router.remove(instance)
        until_ns = None if self._drain_ns is None else at_ns + self._drain_ns
        self._draining[instance.id] = _NEVER if until_ns is None else until_ns, instance
        if until_ns is not None:
            self._wake_at(until_ns)
        out.append(Drain(instance.id, until_ns))

    def _stop(self, instance: Instance, at_ns: int, out: list[Decision]) -> None:
        self._forget(instance, at_ns)
        out.append(Stop(instance.id))

    def _forget(self, instance: Instance, at_ns: int) -> None:
        self._leave_deploy(instance.id)
        if instance.state == "ready":
            self._router.remove(instance)
        instance.account(at_ns)
        if instance.in_flight:
            instance.end_busy(at_ns)
            self._running -= instance.in_flight
            instance.in_flight = 0
        if instance.milli_vcpu:
            self._milli_vcpu -= instance.milli_vcpu
            instance.use_cpu(0, at_ns)
            self._cpu.set_level(self._milli_vcpu, at_ns)
        instance.move_to("gone")
        instance.gone_ns = at_ns
        life = instance.life(at_ns)
        self._lives.append(life)
        self._gone_spent = _sum(self._gone_spent, _spent(life, at_ns))
        for index in (self._instances, self._booting, self._ready, self._idle, self._draining):
            index.pop(instance.id, None)

    # Requests.

    def _wait(self, entry: Request, at_ns: int, out: list[Decision]) -> None:
        entry.boots_before = -1 if self._booting else self._boots
        self._pending.add(entry)
        self._wake_for_waiting()
        if self._alive < self._most:
            self._boot_missing(at_ns, out)

    @property
    def _is_down(self) -> bool:
        """Whether there is no machine that could take a connection: where requests wait in machines' own queues, nobody
        waits for one that boots. Before the first was up, whoever comes waits for it.
        """
        return self._waits_in_machines and self._has_been_up and not self._ready

    @property
    def _can_wait(self) -> bool:
        if self._binds:
            return self._alive < self._most or self._spare_boots > 0
        return not self._pending.is_full

    def _bind(self, entry: Request, at_ns: int, out: list[Decision]) -> None:
        """Let a request wait for a boot of its own: one that nobody else waits for, else a new one."""
        entry.boots_before = -1
        if not self._spare_boots:
            self._boot_up_to(self._alive + 1, at_ns, out)
        taken = self._successors
        entry.bound_to = next(i for i in reversed(self._booting) if i not in self._bound and i not in taken)
        self._bound[entry.bound_to] = entry

    def _unqueue(self, entry: Request) -> None:
        if entry.bound_to is None:
            self._pending.remove(entry)
        else:
            del self._bound[entry.bound_to]

    def _wake_for_waiting(self) -> None:
        deadline_ns = self._pending.deadline_ns()
        if deadline_ns is not None:
            self._wake_at(max(deadline_ns, self._now_ns))

    def _serve_waiting(self, at_ns: int, out: list[Decision]) -> None:
        while len(self._pending):
            instance = self._router.take()
            if instance is None:
                return
            out.append(self._started(self._pending.pop(), instance, at_ns))

    def _started(self, entry: Request, instance: Instance, at_ns: int) -> Start:
        """Keep the books of a request that the router has just given to an instance."""
        instance.request_ns += (instance.in_flight - 1) * (at_ns - instance.last_ns)
        instance.last_ns = at_ns
        if instance.idle_since_ns is not None:
            instance.idle_since_ns = None
            instance.busy_since_ns = at_ns
            del self._idle[instance.id]
        fresh = not instance.served
        if fresh:
            instance.first_request_ns = at_ns
        instance.served += 1
        entry.instance = instance.id
        self._running += 1
        waited_for_boot = self._boots > entry.boots_before
        return Start(entry.id, instance.id, fresh, waited_for_boot, at_ns - entry.arrived_ns)

    def _release(self, instance: Instance, at_ns: int, out: list[Decision]) -> None:
        """Free one slot, and give it to whoever waits."""
        instance.account(at_ns)
        self._running -= 1
        if instance.state == "draining":
            instance.in_flight -= 1
            if not instance.in_flight:
                instance.end_busy(at_ns)
                self._stop(instance, at_ns, out)
            return
        self._router.give_back(instance)
        if len(self._pending):
            self._serve_waiting(at_ns, out)
        if not instance.in_flight:
            instance.end_busy(at_ns)
            self._rest(instance, at_ns)

    def _lose_requests(self, instance: Instance, reason: str, out: list[Decision]) -> None:
        """Answer every request of an instance that is going; those that timed out were answered already."""
        if not instance.in_flight:
            return
        for entry in [entry for entry in self._open.values() if entry.instance == instance.id]:
            del self._open[entry.id]
            out.append(Lose(entry.id, instance.id, _LOST_STATUS, reason))
        for entry in [entry for entry in self._overdue.values() if entry.instance == instance.id]:
            del self._overdue[entry.id]

    def _note_load(self, at_ns: int) -> None:
        """Bring the integral of the load up to an event that has changed the load."""
        load = self._running + len(self._pending) if self._load_has_waiting else self._running
        self._load.set_level(load, at_ns)
