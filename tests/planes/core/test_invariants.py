"""What holds for every plane under any sequence of events, checked against a model that only keeps count."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from replay.planes.core.plane import Plane
from replay.planes.core.scaling_types import DayWindow, GroupDriven, RequestDriven, WindowDriven
from replay.planes.core.types import (
    PENDING_LIMITS,
    Boot,
    Decision,
    Drain,
    Lose,
    PendingLimit,
    PlaneSpec,
    Refuse,
    Start,
    Stop,
    TimeOut,
)

SECOND_NS = 1_000_000_000
AN_HOUR_NS = 3600 * SECOND_NS


GROUPS = st.builds(
    GroupDriven,
    window_s=st.sampled_from([5, 60]),
    evaluate_s=st.sampled_from([5.0, 60.0]),
    hold_s=st.sampled_from([0.0, 60.0]),
    tolerance_ratio=st.sampled_from([0.0, 0.1]),
    target=st.sampled_from(["slots", "cpu"]),
    most_added=st.sampled_from([None, 1]),
    schedule=st.sampled_from([(), (DayWindow(0, 1, 1),)]),
)


@st.composite
def specs(draw: st.DrawFn) -> PlaneSpec:
    most = draw(st.integers(1, 5))
    scaling = st.one_of(
        st.builds(
            RequestDriven,
            windows_s=st.sampled_from([(), (5,), (6, 60)]),
            keep_instances=st.sampled_from([None, 0, 1]),
            low_window_s=st.sampled_from([5.0, 60.0]),
        ),
        st.builds(
            WindowDriven,
            stable_window_s=st.sampled_from([6, 60]),
            target_burst_capacity=st.sampled_from([-1.0, 0.0, 211.0]),
            scale_down_delay_s=st.sampled_from([0.0, 10.0]),
        ),
    )
    kind = draw(st.sampled_from(["serverless", "serverless", "vm", "group"]))
    rules = draw(GROUPS if kind == "group" else scaling)
    can_bind = kind == "serverless" and isinstance(rules, RequestDriven)
    return PlaneSpec(
        kind=kind,
        concurrency=draw(st.sampled_from([0, 1, 1, 2, 3])),
        min_instances=draw(st.integers(0, most)),
        max_instances=most,
        idle_lifetime_s=draw(st.sampled_from([0.0, 5.0, 60.0])),
        pending_limit=draw(
            st.sampled_from(["startup", "unlimited", PendingLimit(3.0, 3.5), PendingLimit(1.0, length=2)])
        ),
        request_timeout_s=draw(st.sampled_from([4.0, 30.0])),
        drain_s=draw(st.sampled_from([None, 0.0, 3.0, 30.0])),
        scaling=rules,
        binding=draw(st.sampled_from(["late", "early"])) if can_bind else "late",
        router=draw(st.sampled_from(["most_recently_used", "least_loaded", "round_robin"])),
    )


class PlaneMachine(RuleBasedStateMachine):
    """Drives one plane with prompt ticks, and a second one with the same events and no tick at all."""

    @initialize(spec=specs())
    def begin(self, spec: PlaneSpec) -> None:
        self.spec = spec
        limit = spec.pending_limit
        self.limit = PENDING_LIMITS[limit] if isinstance(limit, str) else limit
        self.plane, self.late = Plane(spec), Plane(spec)
        self.now_ns = 0
        self.arrived: dict[int, int] = {}
        self.outcome: dict[int, str] = {}
        self.waiting: list[int] = []
        self.running: dict[int, int] = {}  # request: instance; those timed out or left by their client too
        self.answered: set[int] = set()  # of those running: nobody waits for them
        self.booting: set[int] = set()
        self.ready: dict[int, int] = {}  # instance: requests served
        self.draining: dict[int, int] = {}  # instance: until_ns
        self.decided: list[Decision] = []
        self.decided_late: list[Decision] = []
        self.tell("start")

    # What the driver may do.

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.7, 2.0, 5.0, 30.0, 70.0]))
    def time_passes(self, seconds: float) -> None:
        self.pass_to(self.now_ns + round(seconds * SECOND_NS))

    @rule(n=st.integers(1, 4))
    def requests_arrive(self, n: int) -> None:
        for _ in range(n):
            request = len(self.arrived)
            self.arrived[request] = self.now_ns
            self.waiting.append(request)
            self.tell("request_arrived", request)

    @precondition(lambda self: self.booting)
    @rule(data=st.data())
    def a_boot_ends(self, data: st.DataObject) -> None:
        instance = data.draw(st.sampled_from(sorted(self.booting)))
        self.booting.remove(instance)
        self.ready[instance] = 0
        self.tell("instance_ready", instance)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def a_request_ends(self, data: st.DataObject) -> None:
        self.end(data.draw(st.sampled_from(sorted(self.running))))

    @precondition(lambda self: self.booting or self.ready or self.draining)
    @rule(data=st.data())
    def an_instance_dies(self, data: st.DataObject) -> None:
        instance = data.draw(st.sampled_from(sorted({*self.booting, *self.ready, *self.draining})))
        self.booting.discard(instance)
        self.ready.pop(instance, None)
        self.draining.pop(instance, None)
        for request in [r for r, i in self.running.items() if i == instance and r in self.answered]:
            del self.running[request]
        self.tell("instance_died", instance)
        assert instance not in self.running.values()

    @precondition(lambda self: self.booting or self.ready or self.draining)
    @rule(data=st.data())
    def an_instance_is_drained(self, data: st.DataObject) -> None:
        instance = data.draw(st.sampled_from(sorted({*self.booting, *self.ready, *self.draining})))
        self.tell("drain", instance)
        assert instance not in self.booting
        assert instance not in self.ready

    @precondition(lambda self: self.ready or self.draining)
    @rule(data=st.data(), milli_vcpu=st.sampled_from([0, 300, 1000, 2000]))
    def an_instance_uses_cpu(self, data: st.DataObject, milli_vcpu: int) -> None:
        instance = data.draw(st.sampled_from(sorted({*self.ready, *self.draining})))
        self.tell("cpu_used", instance, milli_vcpu)

    @rule()
    def all_is_deployed_anew(self) -> None:
        there = len(self.booting) + len(self.ready)
        self.tell("deploy")
        assert self.plane.outgoing == there

    @precondition(lambda self: set(self.arrived) - set(self.outcome))
    @rule(data=st.data())
    def a_client_leaves(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(sorted(set(self.arrived) - set(self.outcome))))
        self.settle(request, "left")
        if request in self.waiting:
            self.waiting.remove(request)
        else:
            self.answered.add(request)
        self.tell("client_left", request)

    # What always holds.

    @invariant()
    def the_census_is_right(self) -> None:
        if not hasattr(self, "plane"):
            return
        busy = set(self.running.values())
        census = self.plane.census()
        assert census.booting == len(self.booting)
        assert census.busy == len(busy & set(self.ready))
        assert census.idle == len(set(self.ready) - busy)
        assert census.draining == len(self.draining)
        assert census.waiting == len(self.waiting)
        assert census.running == len(self.running)

    @invariant()
    def instances_stay_between_min_and_max(self) -> None:
        if not hasattr(self, "plane"):
            return
        alive = len(self.booting) + len(self.ready)
        least = {"vm": self.spec.max_instances, "group": max(1, self.spec.min_instances)}.get(
            self.spec.kind, self.spec.min_instances
        )
        assert least <= alive <= self.spec.max_instances + bool(self.plane.outgoing)

    @invariant()
    def nobody_waits_while_a_slot_is_free(self) -> None:
        if not hasattr(self, "plane") or not self.waiting or self.spec.binding == "early":
            return
        for instance in self.ready:
            assert self.in_flight(instance) == (self.spec.concurrency or "unlimited")

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        """Someone waits only while an instance boots or is busy."""
        if hasattr(self, "plane") and self.waiting:
            assert self.booting or self.ready
            if self.spec.binding == "early":
                assert len(self.booting) >= len(self.waiting)

    def teardown(self) -> None:
        """Every request comes to exactly one outcome, and a plane without a minimum comes to zero."""
        if not hasattr(self, "plane"):
            return
        self.pass_to(self.now_ns + round(self.spec.request_timeout_s * SECOND_NS))
        assert set(self.arrived) - set(self.outcome) == set()
        for request in list(self.running):
            self.end(request)
        for _ in range(3):  # an average may still ask for boots after the last request
            for instance in sorted(self.booting):
                self.booting.discard(instance)
                self.ready[instance] = 0
                self.tell("instance_ready", instance)
            self.pass_to(self.now_ns + AN_HOUR_NS)
        if self.spec.kind == "serverless" and not self.spec.min_instances:
            assert not self.booting
            assert not self.ready
            assert self.plane.next_wake_ns is None
        assert not self.draining
        if not self.booting:
            assert not self.plane.outgoing

        self.decided_late += self.late.tick(self.now_ns)
        assert self.decided_late == self.decided
        assert self.late.ledger(self.now_ns) == self.plane.ledger(self.now_ns)

    # The model.

    def in_flight(self, instance: int) -> int:
        return sum(where == instance for where in self.running.values())

    def end(self, request: int) -> None:
        if request not in self.answered:
            self.settle(request, "served")
        del self.running[request]
        self.tell("request_ended", request)

    def settle(self, request: int, outcome: str) -> None:
        assert request not in self.outcome
        self.outcome[request] = outcome

    def pass_to(self, at_ns: int) -> None:
        while True:
            wake_ns = self.plane.next_wake_ns
            if wake_ns is None or wake_ns > at_ns:
                break
            assert wake_ns >= self.now_ns
            self.now_ns = wake_ns
            self.follow(self.plane.tick(wake_ns))
        self.now_ns = at_ns
        self.follow(self.plane.tick(at_ns))
        # An event of the same instant would come before its deadlines in the plane without ticks.
        self.now_ns += 1

    def tell(self, event: str, *what: Any) -> None:
        self.decided_late += getattr(self.late, event)(*what, self.now_ns)
        self.follow(getattr(self.plane, event)(*what, self.now_ns))

    def follow(self, decisions: list[Decision]) -> None:
        self.decided += decisions
        for decision in decisions:
            match decision:
                case Boot(instance=instance):
                    assert instance not in self.booting | set(self.ready) | set(self.draining)
                    self.booting.add(instance)
                case Start(request=request, instance=instance):
                    assert request in self.waiting  # and so was not served before
                    if self.spec.binding == "late":
                        assert self.waiting[0] == request
                    self.waiting.remove(request)
                    assert decision.fresh == (not self.ready[instance])
                    assert decision.waited_ns == self.now_ns - self.arrived[request]
                    self.ready[instance] += 1
                    self.running[request] = instance
                    assert not self.spec.concurrency or self.in_flight(instance) <= self.spec.concurrency
                case Refuse(request=request):
                    self.waiting.remove(request)
                    self.settle(request, "refused")
                    assert decision.status == self.limit.status
                case TimeOut(request=request, instance=instance):
                    assert self.now_ns == self.arrived[request] + round(self.spec.request_timeout_s * SECOND_NS)
                    self.settle(request, "timed out")
                    if instance is None:
                        self.waiting.remove(request)
                    else:
                        assert self.running[request] == instance
                        self.answered.add(request)
                case Lose(request=request, instance=instance):
                    self.settle(request, "lost")
                    assert self.running.pop(request) == instance
                case Drain(instance=instance):
                    assert self.in_flight(instance)
                    self.ready.pop(instance)
                    self.draining[instance] = decision.until_ns
                case Stop(instance=instance):
                    if self.draining.pop(instance, None) == self.now_ns:
                        # The drain ended it: what still ran for nobody ended with it.
                        for request in [r for r, i in self.running.items() if i == instance]:
                            assert request in self.answered
                            del self.running[request]
                    self.booting.discard(instance)
                    self.ready.pop(instance, None)
                    assert not self.in_flight(instance)


PlaneMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
test_a_plane_keeps_its_promises = PlaneMachine.TestCase
