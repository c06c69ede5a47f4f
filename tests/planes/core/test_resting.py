"""Evaluations that could find nothing new are passed over, and what a plane decides is as if they were not."""

from heapq import heappop, heappush
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.planes.core.averages import Averages
from replay.planes.core.plane import Plane
from replay.planes.core.scaling_types import RequestDriven
from replay.planes.core.types import Boot, Decision, InstanceLife, Lose, PlaneSpec, Start, Stop

SECOND_NS = 1_000_000_000
AN_HOUR_NS = 3600 * SECOND_NS


class Asked(NamedTuple):
    """A request: when it comes and how long it takes, in quarters of a second, so that much happens at one instant."""

    at: int
    takes: int


class Told(NamedTuple):
    """decisions: with the instants at which they were made. ticks: how often the plane was woken."""

    decisions: list[tuple[int, Decision]]
    lives: list[InstanceLife]
    ticks: int


class World:
    """Drives a plane with requests, boots of 1.5 s and what befalls its instances, and wakes it when it asks to be."""

    def __init__(self, spec: PlaneSpec, *, wakes_first: bool) -> None:
        self.plane = Plane(spec)
        self.wakes_first = wakes_first
        self.heap: list[tuple[int, int, str, Any]] = []
        self.decisions: list[tuple[int, Decision]] = []
        self.takes: dict[int, int] = {}
        self.alive: list[int] = []
        self.ticks = self.told_of = 0

    def at(self, at_ns: int, event: str, what: Any) -> None:
        self.told_of += 1
        heappush(self.heap, (at_ns, self.told_of, event, what))

    def told(self, asked: list[Asked], befalls: list[tuple[int, str]]) -> Told:
        quarter_ns = SECOND_NS // 4
        for number, request in enumerate(asked):
            self.takes[number] = request.takes * quarter_ns
            self.at(request.at * quarter_ns, "request_arrived", number)
        for at, event in befalls:
            self.at(at * quarter_ns, event, None)
        self.follow(0, self.plane.start(0))
        now_ns = 0
        while self.heap:
            wake_ns, next_ns = self.plane.next_wake_ns, self.heap[0][0]
            if wake_ns is not None and (wake_ns < next_ns or (wake_ns == next_ns and self.wakes_first)):
                now_ns = wake_ns
                self.wake(now_ns)
            else:
                now_ns, _, event, what = heappop(self.heap)
                self.happens(now_ns, event, what)
        ends_ns = now_ns + AN_HOUR_NS
        while (wake_ns := self.plane.next_wake_ns) is not None and wake_ns <= ends_ns:
            self.wake(wake_ns)
        return Told(self.decisions, self.plane.ledger(ends_ns), self.ticks)

    def wake(self, now_ns: int) -> None:
        self.ticks += 1
        self.follow(now_ns, self.plane.tick(now_ns))

    def happens(self, now_ns: int, event: str, what: Any) -> None:
        if event == "request_ended":
            number, instance = what
            if instance not in self.alive:
                return
            what = number
        elif event in ("instance_died", "drain", "cpu_used"):
            if not self.alive:
                return
            what = self.alive[0]
            if event == "instance_died":
                self.alive.remove(what)
        given = () if event == "deploy" else (what, 700) if event == "cpu_used" else (what,)
        self.follow(now_ns, getattr(self.plane, event)(*given, now_ns))

    def follow(self, now_ns: int, decisions: list[Decision]) -> None:
        for decision in decisions:
            self.decisions.append((now_ns, decision))
            match decision:
                case Boot(instance=instance):
                    self.alive.append(instance)
                    self.at(now_ns + 3 * SECOND_NS // 2, "instance_ready", instance)
                case Start(request=request, instance=instance):
                    self.at(now_ns + self.takes[request], "request_ended", (request, instance))
                case Stop(instance=instance):
                    self.alive.remove(instance)
                case Lose():
                    pass


SPECS = st.builds(
    PlaneSpec,
    concurrency=st.sampled_from([1, 3, 80]),
    min_instances=st.sampled_from([0, 1]),
    max_instances=st.sampled_from([3, 20]),
    idle_lifetime_s=st.sampled_from([10.0, 900.0]),
    request_timeout_s=st.sampled_from([300.0, 3600.0]),
    scaling=st.builds(
        RequestDriven,
        windows_s=st.sampled_from([(), (6,), (6, 60)]),
        keep_instances=st.sampled_from([None, 0, 1]),
        evaluate_s=st.sampled_from([2.5, 5.0]),
        low_window_s=st.sampled_from([15.0, 60.0]),
    ),
)
ASKED = st.lists(
    st.builds(Asked, st.integers(0, 6000), st.sampled_from([0, 1, 14, 240, 2400, 10_000])),
    min_size=1,
    max_size=40,
)
BEFALLS = st.lists(
    st.tuples(st.integers(0, 8000), st.sampled_from(["instance_died", "drain", "cpu_used", "deploy"])),
    max_size=6,
)


@settings(max_examples=60)
@given(spec=SPECS, asked=ASKED, befalls=BEFALLS, wakes_first=st.booleans())
def test_a_plane_decides_as_if_it_evaluated_in_every_period(spec, asked, befalls, wakes_first):
    rested = World(spec, wakes_first=wakes_first).told(asked, befalls)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Averages, "bounds", lambda *_: None)
        evaluated = World(spec, wakes_first=wakes_first).told(asked, befalls)

    assert rested.decisions == evaluated.decisions
    assert rested.lives == evaluated.lives
    assert rested.ticks <= evaluated.ticks


def test_a_stream_of_hours_wakes_the_plane_to_look_at_little_used_instances_alone():
    hours = 10
    spec = PlaneSpec(request_timeout_s=hours * 3600.0, scaling=RequestDriven(keep_instances=1))

    told = World(spec, wakes_first=False).told([Asked(0, 4 * 3600 * hours)], [])

    # Once a minute; and every five seconds while the longest window, ten minutes, holds the stream's begin or its end.
    looks, windows = 60 * (hours + 1), 2 * 600 // 5
    assert told.ticks <= looks + windows


def test_evaluations_wait_until_a_window_can_have_let_go_of_enough_to_change_the_number():
    spec = PlaneSpec(request_timeout_s=3600.0, scaling=RequestDriven(keep_instances=None))
    streams = [Asked(4 * 600 * n, 4 * 300) for n in range(60)]  # five minutes in ten

    told = World(spec, wakes_first=False).told(streams, [])

    # Of the 120 periods of a stream's ten minutes.
    assert told.ticks <= 3 * len(streams)
