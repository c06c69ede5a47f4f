"""The graph walk: what is due, and when, from values alone."""

from heapq import heappop, heappush

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.engine.types import Knobs
from replay.engine.walker import Pace, Walk, recorded_offsets
from replay.trace.types import Edge, Recorded, Session, Step

MS = 1_000_000


def step(id: str, *after: Edge, at_ms: float = 0.0, took_ms: float | None = None, **fields: object) -> Step:
    return Step(id=id, kind="tool", name=id, after=after, at_ms=at_ms, took_ms=took_ms, **fields)  # type: ignore[arg-type]


def walk_of(*steps: Step, knobs: Knobs | None = None, start_ns: int = 0) -> Walk:
    return Walk(Session(id="s", start_ms=0.0, steps=list(steps)), Pace(knobs or Knobs()), start_ns)


def test_steps_without_edges_are_due_at_the_sessions_start_plus_their_offset():
    walk = walk_of(step("a"), step("b", at_ms=250.0), start_ns=7 * MS)

    assert walk.begin() == [(0, 7 * MS), (1, 257 * MS)]


def test_a_join_is_due_after_its_slowest_parent():
    walk = walk_of(
        step("search"), step("crm"), step("answer", Edge("search", delay_ms=6), Edge("crm", delay_ms=6))
    )

    assert list(walk.ended(1, 95 * MS)) == []
    assert list(walk.ended(0, 140 * MS)) == [(2, 146 * MS)]


def test_the_latest_of_anchor_plus_delay_counts_not_the_latest_anchor():
    walk = walk_of(step("a"), step("b"), step("c", Edge("a", delay_ms=100), Edge("b", delay_ms=1)))

    walk.ended(0, 10 * MS)

    assert list(walk.ended(1, 50 * MS)) == [(2, 110 * MS)]


def test_each_anchor_releases_at_its_own_event():
    walk = walk_of(
        step("a"),
        step("on_start", Edge("a", "start", 1)),
        step("on_first_byte", Edge("a", "first_byte", 2)),
        step("on_end", Edge("a", "end", 3)),
    )

    assert walk.wants_first_byte(0)
    assert list(walk.started(0, 10 * MS)) == [(1, 11 * MS)]
    assert list(walk.first_byte(0, 20 * MS)) == [(2, 22 * MS)]
    assert list(walk.ended(0, 30 * MS)) == [(3, 33 * MS)]


def test_a_first_byte_that_never_came_is_released_at_the_end():
    walk = walk_of(step("a"), step("b", Edge("a", "first_byte", 2)))
    walk.started(0, 0)

    assert list(walk.ended(0, 30 * MS)) == [(1, 32 * MS)]


def test_knobs_bend_delays_in_order_cap_then_think_then_speed():
    knobs = Knobs(speed=2.0, think=0.5, idle_cap_s=10.0)
    pace = Pace(knobs)
    walk = Walk(Session("s", 0.0, [step("a"), step("b", Edge("a", delay_ms=60_000))]), pace, 0)

    assert list(walk.ended(0, 0)) == [(1, 2_500 * MS)]  # 60 s, capped at 10, halved by think, halved by speed
    assert pace.removed_s() == {"idle_cap": 50.0, "think": 5.0, "speed": 2.5}


def test_abandoning_gives_back_the_steps_that_were_not_started():
    walk = walk_of(step("a"), step("b", Edge("a")), step("c", Edge("b")))
    walk.started(0, 0)

    assert [s.id for s in walk.abandon()] == ["b", "c"]
    walk.ended(0, 5)
    assert walk.left == 0


@pytest.mark.parametrize(("anchor", "due_ms"), [("start", 5), ("first_byte", 25), ("end", 105)])
def test_recorded_offsets_follow_a_capped_gap(anchor, due_ms):
    steps = [
        step("a", took_ms=100.0, recorded=Recorded(ttft_ms=20.0)),
        step("b", Edge("a", anchor, 60_000), at_ms=0.0),
    ]

    assert recorded_offsets(steps, Pace(Knobs(idle_cap_s=0.005)))[1] == due_ms * MS


ANCHORS = ("start", "first_byte", "end")


@st.composite
def graphs(draw: st.DrawFn) -> list[Step]:
    """Steps that each wait for up to four events of steps before them, an event of one more than once as well."""
    steps = []
    for i in range(draw(st.integers(1, 12))):
        edge = st.builds(
            Edge, st.integers(0, i - 1).map("s{}".format), st.sampled_from(ANCHORS), st.integers(0, 9)
        )
        edges = draw(st.lists(edge, max_size=4)) if i else []
        steps.append(step(f"s{i}", *edges, at_ms=float(draw(st.integers(0, 20)))))
    return steps


@given(graphs(), st.randoms(use_true_random=False))
def test_any_graph_is_walked_once_through_and_each_step_is_due_at_the_latest_of_its_edges(steps, random):
    # What each step does once it is due: how late it starts, when its first byte comes (None: never), when it ends.
    lives = [(random.randrange(5), random.choice([None, *range(8)]), random.randrange(8, 16)) for _ in steps]
    seen: dict[tuple[str, str], int] = {}
    due_of: dict[int, int] = {}
    events: list[tuple[int, int, str]] = []
    walk = walk_of(*steps, start_ns=3 * MS)

    def release(due):
        for i, at in due:
            assert i not in due_of
            due_of[i] = at
            heappush(events, (max(at, now) + lives[i][0] * MS, i, "start"))

    now = 0
    release(walk.begin())
    while events:
        now, i, event = heappop(events)
        seen[steps[i].id, event] = now
        if event == "start":
            _, first_byte, end = lives[i]
            if walk.wants_first_byte(i) and first_byte is not None:
                heappush(events, (now + first_byte * MS, i, "first_byte"))
            heappush(events, (now + end * MS, i, "end"))
            due = walk.started(i, now)
            assert walk.hears_starts or not due
            assert walk.hears_first_bytes or not walk.wants_first_byte(i)
            release(due)
        else:
            release(walk.first_byte(i, now) if event == "first_byte" else walk.ended(i, now))

    assert walk.left == 0
    assert due_of.keys() == set(range(len(steps)))
    for i, one in enumerate(steps):
        met = [
            seen.get((edge.step, edge.anchor), seen[edge.step, "end"]) + int(edge.delay_ms) * MS
            for edge in one.after
        ]
        assert due_of[i] == max(met, default=3 * MS + int(one.at_ms) * MS)
