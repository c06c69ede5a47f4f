"""Edges inferred from times: who waited for whom, and that a walk along them starts on time."""

from hypothesis import given
from hypothesis import strategies as st

from replay.trace.edges.inference import Call, Lane, Tally, infer_edges
from replay.trace.types import Edge, Recorded, Session, Step


def edges_of(*entries, resolution_ms=1_000.0, tally=None):
    """By call: the edges as (step, anchor, delay)."""
    calls = infer_edges(Lane(entries, resolution_ms), tally or Tally())
    return {call.id: [(edge.step, edge.anchor, edge.delay_ms) for edge in call.edges] for call in calls}


def call(name, start_ms, took_ms, ttft_ms=None):
    return Call(name, start_ms, took_ms, ttft_ms)


def subagent(spawned_ms, end_ms, *calls):
    return Lane(calls, 1_000.0, spawned_ms, end_ms)


def test_a_call_follows_the_one_before_it_after_the_time_between_them():
    assert edges_of(call("a", 0, 3_000), call("b", 5_000, 100)) == {"a": [], "b": [("a", "end", 2_000)]}


def test_entries_need_not_be_in_order():
    assert edges_of(call("b", 5_000, 100), call("a", 0, 3_000)) == {"a": [], "b": [("a", "end", 2_000)]}


def test_a_start_within_the_resolution_before_the_end_follows_at_once_and_is_counted():
    tally = Tally()
    assert edges_of(call("a", 0, 3_400), call("b", 3_000, 100), tally=tally)["b"] == [("a", "end", 0)]
    assert (tally.clamped, tally.most_clamped_ms) == (1, 400)


def test_a_clamped_start_does_not_delay_what_comes_later():
    edges = edges_of(call("a", 0, 3_400), call("b", 3_000, 500), call("c", 6_000, 1))
    assert edges["c"] == [("b", "end", 2_100)]  # b is due at 3,400, so 3,900 + 2,100 = 6,000


def test_a_call_that_overtakes_follows_the_start_or_the_first_byte():
    assert edges_of(call("a", 0, 9_000), call("b", 4_000, 100))["b"] == [("a", "start", 4_000)]
    assert edges_of(call("a", 0, 9_000, 1_500), call("b", 4_000, 100))["b"] == [("a", "first_byte", 2_500)]
    assert edges_of(call("a", 0, 9_000, 5_000), call("b", 4_000, 100))["b"] == [("a", "start", 4_000)]


def test_an_overtaken_call_is_waited_for_once_it_had_ended():
    edges = edges_of(call("a", 0, 9_000), call("b", 4_000, 100), call("c", 5_000, 100), call("d", 9_500, 100))
    assert edges["c"] == [("b", "end", 900)]
    assert edges["d"] == [("c", "end", 4_400), ("a", "end", 500)]


def test_after_a_call_of_unknown_duration_the_distance_is_kept_and_nobody_overtakes():
    assert edges_of(call("a", 0, None), call("b", 7_000, 100))["b"] == [("a", "start", 7_000), ("a", "end", 0)]


def test_a_subagent_follows_the_call_that_spawned_it_and_is_waited_for_if_it_had_ended():
    edges = edges_of(
        call("a", 0, 3_000),
        subagent(4_000, 9_500, call("s1", 4_000, 1_000), call("s2", 6_000, 3_000)),
        call("b", 10_000, 100),
    )
    assert edges["s1"] == [("a", "end", 1_000)]
    assert edges["s2"] == [("s1", "end", 1_000)]
    assert edges["b"] == [("s2", "end", 1_000)]


def test_a_subagent_that_had_not_ended_is_overlapped_and_waited_for_later():
    tally = Tally()
    edges = edges_of(
        call("a", 0, 3_000),
        subagent(4_000, 20_000, call("s1", 4_000, 15_000)),
        call("b", 10_000, 100),
        call("c", 21_000, 100),
        tally=tally,
    )
    assert edges["b"] == [("a", "end", 7_000)]
    assert edges["c"] == [("b", "end", 10_900), ("s1", "end", 2_000)]
    assert (tally.joins, tally.overlapped_subagents) == (1, 1)


def test_several_subagents_fan_out_and_join():
    edges = edges_of(
        call("a", 0, 3_000),
        subagent(4_000, 9_000, call("s", 4_000, 5_000)),
        subagent(4_000, 8_000, call("t", 4_000, 4_000)),
        subagent(5_000, 30_000, call("u", 5_000, 25_000)),
        call("b", 10_000, 100),
    )
    assert edges["s"] == edges["t"] == [("a", "end", 1_000)]
    assert edges["b"] == [("s", "end", 1_000), ("t", "end", 2_000)]


def test_the_end_of_a_subagent_without_a_recorded_end_is_its_last_call():
    edges = edges_of(call("a", 0, 100), subagent(1_000, None, call("s", 1_000, 5_000)), call("b", 8_000, 1))
    assert edges["b"] == [("s", "end", 2_000)]


def test_a_subagent_spawned_while_its_parent_call_runs_does_not_stand_in_for_that_call():
    edges = edges_of(call("a", 0, 6_000), subagent(2_000, 4_000, call("s", 2_000, 2_000)), call("b", 8_000, 1))
    assert edges["s"] == [("a", "start", 2_000)]
    assert edges["b"] == [("a", "end", 2_000), ("s", "end", 4_000)]


def test_a_subagent_spawned_with_a_call_follows_that_call():
    edges = edges_of(subagent(5_000, None, call("s", 5_000, 10)), call("a", 0, 1), call("b", 5_000, 2_000))
    assert edges["s"] == [("b", "start", 0)]


def test_subagents_nest():
    inner = subagent(3_000, 5_000, call("i", 3_000, 2_000))
    edges = edges_of(
        call("a", 0, 1_000),
        Lane([call("s", 2_000, 500), inner, call("s2", 6_000, 500)], 1_000.0, 2_000, 7_000),
        call("b", 8_000, 1),
    )
    assert edges["i"] == [("s", "end", 500)]
    assert edges["s2"] == [("i", "end", 1_000)]
    assert edges["b"] == [("s2", "end", 1_500)]


def test_a_session_that_begins_with_a_subagent_begins_with_its_first_call():
    edges = edges_of(subagent(1_000, None, call("s", 1_000, 10)), call("a", 3_000, 1))
    assert edges == {"s": [], "a": [("s", "end", 1_990)]}


@st.composite
def lanes(draw, depth=0, spawned_ms=0.0, counter=None):
    counter = counter if counter is not None else []
    step_ms = draw(st.sampled_from([1_000, 1]))
    entries = []
    for _ in range(draw(st.integers(1, 5))):
        start_ms = spawned_ms + step_ms * draw(st.integers(0, 20_000 // step_ms))
        if depth < 2 and draw(st.integers(0, 3)) == 0:
            entries.append(draw(lanes(depth + 1, start_ms, counter)))
            continue
        counter.append(None)
        took_ms = draw(st.none() | st.integers(0, 900).map(lambda n: n * 10.0))
        entries.append(call(f"c{len(counter)}", start_ms, took_ms, draw(st.none() | st.just(50.0))))
    end_ms = draw(st.none() | st.integers(0, 30_000).map(lambda n: spawned_ms + n))
    return Lane(entries, float(step_ms), spawned_ms if depth else None, end_ms)


@given(lane=lanes())
def test_whatever_the_recording_a_walk_starts_every_call_within_the_resolution(lane, walked_starts_ms):
    calls = infer_edges(lane, Tally())
    steps = [
        Step(c.id, "llm", "n", tuple(c.edges), c.start_ms, c.took_ms, recorded=Recorded(ttft_ms=c.ttft_ms))
        for c in calls
    ]
    walked = walked_starts_ms(Session("s", 0.0, steps))
    for each in calls:
        assert -0.001 <= walked[each.id] - each.start_ms < 1_000.001
        assert all(isinstance(edge, Edge) and edge.delay_ms >= 0 for edge in each.edges)
