"""The pacer in virtual time."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from replay.engine.pacing.pacer import Fire, Pacer
from tests.support.world import MS, US, World


def pacer_in(
    world: World, fire: Any = None, chores: Any = None
) -> tuple[Pacer, Fire[Any], list[tuple[Any, int, int]]]:
    fired: list[tuple[Any, int, int]] = []

    def note(what: Any, index: int, due_ns: int) -> None:
        fired.append((what, due_ns, world.now_ns))
        if fire is not None:
            fire(what, index, due_ns)

    pacer = Pacer(world.clock)
    pacer.start(world, chores or (lambda now, slack: False), world.make_alarm)
    return pacer, note, fired


@given(st.lists(st.integers(min_value=MS, max_value=50 * MS), min_size=1, max_size=60))
def test_everything_is_fired_once_in_order_and_never_early(dues):
    world = World()
    pacer, note, fired = pacer_in(world)
    for i, due in enumerate(dues):
        pacer.add(due, note, i)
    world.run_until(60 * MS)

    assert sorted(what for what, _, _ in fired) == list(range(len(dues)))
    assert [due for _, due, _ in fired] == sorted(dues)
    assert all(at >= due for _, due, at in fired)


def test_a_lone_step_is_fired_within_microseconds_though_the_alarm_is_late():
    world = World(wake_late_ns=60_000)
    pacer, note, fired = pacer_in(world)
    pacer.add(30 * MS, note, "a")
    world.run_until(40 * MS)

    _, due, at = fired[0]
    assert at - due <= 5 * US


def test_session_starts_and_steps_are_fired_in_one_order():
    world = World()
    pacer, note, fired = pacer_in(world)
    pacer.starts.extend([(2 * MS, note, "start 1", 0), (4 * MS, note, "start 2", 0)])
    pacer.add(3 * MS, note, "step")
    pacer.add(5 * MS, note, "last")
    world.run_until(10 * MS)

    assert [what for what, _, _ in fired] == ["start 1", "step", "start 2", "last"]


def test_what_is_added_while_firing_is_fired_in_turn():
    world = World()
    pacer: Pacer
    note: Fire[Any]

    def add_more(what: Any, index: int, due_ns: int) -> None:
        if what < 3:
            pacer.add(due_ns + 100 * US, note, what + 1)

    pacer, note, fired = pacer_in(world, add_more)
    pacer.add(MS, note, 0)
    world.run_until(10 * MS)

    assert [due for _, due, _ in fired] == [MS, MS + 100 * US, MS + 200 * US, MS + 300 * US]


@given(
    st.lists(st.integers(min_value=0, max_value=5 * MS), min_size=1, max_size=20),
    st.lists(st.lists(st.integers(min_value=-MS, max_value=5 * MS), max_size=3), max_size=30),
)
@example([563_000], [])  # the end comes while nothing is to happen any more
def test_what_is_fired_is_always_the_first_due_of_all_that_were_added_by_then(dues, gaps_of):
    world = World()
    waiting: list[tuple[int, int]] = []
    added = 0

    def add(due_ns: int) -> None:
        nonlocal added
        waiting.append((due_ns, added))
        pacer.add(due_ns, note, added)
        added += 1

    def fire(what: int, index: int, due_ns: int) -> None:
        assert (due_ns, what) == min(waiting)
        waiting.remove((due_ns, what))
        for gap_ns in gaps_of[what] if what < len(gaps_of) else ():
            add(due_ns + gap_ns)

    pacer, note, fired = pacer_in(world, fire)
    for due_ns in dues:
        add(due_ns)
    assert len(pacer) == added
    world.run_until(200 * MS)

    assert len(fired) == added
    assert len(pacer) == len(waiting) == 0


def test_an_earlier_entry_shortens_the_sleep():
    world = World()
    pacer, note, fired = pacer_in(world)
    pacer.add(15 * MS, note, "late")
    world.run_until(200 * US)
    pacer.add(2 * MS, note, "early")
    world.run_until(20 * MS)

    assert [what for what, _, _ in fired] == ["early", "late"]
    assert fired[0][2] - 2 * MS <= 5 * US


def test_chores_run_in_slack_and_hear_of_it():
    world = World()
    slacks: list[int] = []
    pacer, note, _ = pacer_in(world, chores=lambda now, slack: bool(slacks.append(slack)))
    pacer.add(10 * MS, note, "a")
    world.run_until(11 * MS)

    assert max(slacks) > 5 * MS


def test_a_burst_gives_way_to_the_sockets_and_to_pressing_chores():
    world = World()
    slacks: list[int] = []
    pacer, note, fired = pacer_in(world, chores=lambda now, slack: bool(slacks.append(slack)))
    for i in range(100):
        pacer.add(MS, note, i)
    world.run_until(5 * MS)

    assert len(fired) == 100
    assert slacks.count(0) >= 3


def test_a_stopped_pacer_fires_nothing():
    world = World()
    pacer, note, fired = pacer_in(world)
    pacer.add(MS, note, "a")
    pacer.stop()
    world.run_until(5 * MS)

    assert fired == []


def test_a_stall_of_the_loop_is_noticed():
    world = World(wake_late_ns=30 * MS)
    pacer, note, _ = pacer_in(world)
    pacer.add(10 * MS, note, "a")
    world.run_until(60 * MS)

    assert pacer.max_stall_ns >= 29 * MS


@given(st.lists(st.integers(min_value=0, max_value=1000), max_size=40), st.integers(0, 1000))
def test_due_within_counts_the_heap_without_emptying_it(dues, until):
    pacer = Pacer()
    pacer._is_stopped = True
    for due in dues:
        pacer.add(due, lambda *_: None, None)

    assert pacer.due_within(until, 1000) == sum(due <= until for due in dues)
    assert len(pacer) == len(dues)
