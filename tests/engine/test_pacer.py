"""The pacer under a virtual clock: every look at the clock takes a microsecond, sleep takes until the alarm."""

from collections import deque
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from replay.engine.pacer import Pacer

US = 1_000
MS = 1_000_000


class World:
    """A clock, an event loop and an alarm that share one virtual time."""

    early_ns = 120_000

    def __init__(self, wake_late_ns: int = 60_000) -> None:
        self.now_ns = 0
        self._soon: deque[Callable[[], Any]] = deque()
        self._alarm_ns: int | None = None
        self._wake: Callable[[], None] = lambda: None
        self._wake_late_ns = wake_late_ns

    def clock(self) -> int:
        self.now_ns += US
        return self.now_ns

    def call_soon(self, callback: Callable[[], Any]) -> None:
        self._soon.append(callback)

    def make_alarm(self, loop: Any, wake: Callable[[], None]) -> "World":
        self._wake = wake
        return self

    def set(self, at_ns: int) -> None:
        self._alarm_ns = at_ns

    def close(self) -> None:
        self._alarm_ns = None

    def run_until(self, end_ns: int) -> None:
        while self.now_ns < end_ns:
            self.now_ns += 4 * US
            if self._soon:
                self._soon.popleft()()
            elif self._alarm_ns is not None and self._alarm_ns < end_ns:
                self.now_ns = max(self.now_ns, self._alarm_ns + self._wake_late_ns)
                self._alarm_ns = None
                self._wake()
            else:
                self.now_ns = end_ns


def pacer_in(world: World, fire: Any = None, chores: Any = None) -> tuple[Pacer, list[tuple[Any, int, int]]]:
    fired: list[tuple[Any, int, int]] = []

    def note(what: Any, index: int, due_ns: int) -> None:
        fired.append((what, due_ns, world.now_ns))
        if fire is not None:
            fire(what, index, due_ns)

    pacer = Pacer(note, chores or (lambda now, slack: False), world.clock)
    pacer.start(world, world.make_alarm)
    return pacer, fired


@given(st.lists(st.integers(min_value=MS, max_value=50 * MS), min_size=1, max_size=60))
def test_everything_is_fired_once_in_order_and_never_early(dues):
    world = World()
    pacer, fired = pacer_in(world)
    for i, due in enumerate(dues):
        pacer.add(due, i, 0)
    world.run_until(60 * MS)

    assert sorted(what for what, _, _ in fired) == list(range(len(dues)))
    assert [due for _, due, _ in fired] == sorted(dues)
    assert all(at >= due for _, due, at in fired)


def test_a_lone_step_is_fired_within_microseconds_though_the_alarm_is_late():
    world = World(wake_late_ns=60_000)
    pacer, fired = pacer_in(world)
    pacer.add(30 * MS, "a", 0)
    world.run_until(40 * MS)

    _, due, at = fired[0]
    assert at - due <= 5 * US


def test_session_starts_and_steps_are_fired_in_one_order():
    world = World()
    pacer, fired = pacer_in(world)
    pacer.starts.extend([(2 * MS, "start 1", -1), (4 * MS, "start 2", -1)])
    pacer.add(3 * MS, "step", 0)
    pacer.add(5 * MS, "last", 0)
    world.run_until(10 * MS)

    assert [what for what, _, _ in fired] == ["start 1", "step", "start 2", "last"]


def test_what_is_added_while_firing_is_fired_in_turn():
    world = World()
    pacer: Pacer

    def add_more(what: Any, index: int, due_ns: int) -> None:
        if what < 3:
            pacer.add(due_ns + 100 * US, what + 1, 0)

    pacer, fired = pacer_in(world, add_more)
    pacer.add(MS, 0, 0)
    world.run_until(10 * MS)

    assert [due for _, due, _ in fired] == [MS, MS + 100 * US, MS + 200 * US, MS + 300 * US]


def test_an_earlier_entry_shortens_the_sleep():
    world = World()
    pacer, fired = pacer_in(world)
    pacer.add(15 * MS, "late", 0)
    world.run_until(200 * US)
    pacer.add(2 * MS, "early", 0)
    world.run_until(20 * MS)

    assert [what for what, _, _ in fired] == ["early", "late"]
    assert fired[0][2] - 2 * MS <= 5 * US


def test_chores_run_in_slack_and_hear_of_it():
    world = World()
    slacks: list[int] = []
    pacer, _ = pacer_in(world, chores=lambda now, slack: bool(slacks.append(slack)))
    pacer.add(10 * MS, "a", 0)
    world.run_until(11 * MS)

    assert max(slacks) > 5 * MS


def test_a_burst_gives_way_to_the_sockets_and_to_pressing_chores():
    world = World()
    slacks: list[int] = []
    pacer, fired = pacer_in(world, chores=lambda now, slack: bool(slacks.append(slack)))
    for i in range(100):
        pacer.add(MS, i, 0)
    world.run_until(5 * MS)

    assert len(fired) == 100
    assert slacks.count(0) >= 3


def test_a_stopped_pacer_fires_nothing():
    world = World()
    pacer, fired = pacer_in(world)
    pacer.add(MS, "a", 0)
    pacer.stop()
    world.run_until(5 * MS)

    assert fired == []


def test_a_stall_of_the_loop_is_noticed():
    world = World(wake_late_ns=30 * MS)
    pacer, _ = pacer_in(world)
    pacer.add(10 * MS, "a", 0)
    world.run_until(60 * MS)

    assert pacer.max_stall_ns >= 29 * MS


@given(st.lists(st.integers(min_value=0, max_value=1000), max_size=40), st.integers(0, 1000))
def test_due_within_counts_the_heap_without_emptying_it(dues, until):
    pacer = Pacer(lambda *_: None, lambda *_: False)
    pacer._is_stopped = True
    for due in dues:
        pacer.add(due, None, 0)

    assert pacer.due_within(until, 1000) == sum(due <= until for due in dues)
    assert len(pacer) == len(dues)
