"""Edges of requests that may overlap: who waited for whom, and that a walk along them starts on time."""

from hypothesis import given
from hypothesis import strategies as st

from replay.trace.edges.concurrent import MOST_JOINED, EdgeCounts, Timed, concurrent_edges
from replay.trace.types import Session, Step


def edges_of(*times, resolution_ms=1, counts=None):
    """Of requests a, b, c...: (start, duration) in ms become, by request, the edges as (step, anchor, delay)."""
    calls = [
        Timed(chr(ord("a") + n), start_ms * 1_000, None if took_ms is None else took_ms * 1_000)
        for n, (start_ms, took_ms) in enumerate(times)
    ]
    found = concurrent_edges(calls, resolution_ms * 1_000, counts or EdgeCounts())
    return {
        call.id: [(edge.step, edge.anchor, edge.delay_ms) for edge in edges]
        for call, edges in zip(calls, found, strict=True)
    }


def test_a_request_follows_the_one_before_it_after_the_time_between_them():
    assert edges_of((0, 100), (150, 10)) == {"a": [], "b": [("a", "end", 50)]}


def test_a_request_joins_what_ran_side_by_side_and_thinks_from_the_last_end_on():
    edges = edges_of((0, 10), (20, 100), (22, 30), (130, 5))
    assert edges["b"] == [("a", "end", 10)]
    assert edges["c"] == [("a", "end", 12)]
    assert edges["d"] == [("b", "end", 10), ("c", "end", 10)]


def test_a_request_that_overlaps_waits_only_for_what_had_ended():
    edges = edges_of((0, 9_000), (4_000, 100), (5_000, 100), (9_500, 100))
    assert edges == {
        "a": [],
        "b": [],
        "c": [("b", "end", 900)],
        "d": [("a", "end", 500), ("c", "end", 500)],
    }


def test_requests_that_start_within_the_resolution_are_siblings():
    counts = EdgeCounts()
    edges = edges_of((0, None), (0, None), (900, 5), (2_000, None), resolution_ms=1_000, counts=counts)
    assert edges["b"] == edges["c"] == []
    assert edges["d"] == [
        ("a", "start", 2_000),
        ("a", "end", 0),
        ("b", "start", 2_000),
        ("b", "end", 0),
        ("c", "end", 1_095),
    ]
    assert (counts.followed, counts.joins, counts.overlapping, counts.clamped) == (1, 1, 2, 0)


def test_a_start_within_the_resolution_before_the_end_follows_at_once_and_is_counted():
    counts = EdgeCounts()
    edges = edges_of((0, 3_400), (3_000, 100), (6_000, 1), resolution_ms=1_000, counts=counts)
    assert edges["b"] == [("a", "end", 0)]
    assert edges["c"] == [("b", "end", 2_500)]  # b is due at 3,400, so 3,500 + 2,500 = 6,000
    assert (counts.clamped, counts.most_clamped_us) == (1, 400_000)


def test_of_a_burst_the_last_ends_are_joined_and_the_others_are_not_waited_for_later_either():
    burst = [(n, 10) for n in range(MOST_JOINED + 20)]
    calls = [
        Timed(str(n), start * 1_000, took * 1_000)
        for n, (start, took) in enumerate([*burst, (900, 10), (990, 1)])
    ]
    *_, joining, last = concurrent_edges(calls, 50_000, EdgeCounts())
    assert [edge.step for edge in joining] == [str(n) for n in range(20, MOST_JOINED + 20)]
    assert [edge.step for edge in last] == [str(MOST_JOINED + 20)]


requests = st.lists(
    st.tuples(st.integers(0, 5_000), st.none() | st.integers(0, 2_000)), min_size=1, max_size=40
)


@given(requests, st.sampled_from([1, 7, 1_000]))
def test_a_walk_starts_every_request_within_the_resolution_and_never_early(
    walked_starts_ms, times, resolution_us
):
    times.sort(key=lambda each: each[0])
    calls = [Timed(str(n), start_us, took_us) for n, (start_us, took_us) in enumerate(times)]
    session = Session(
        "s",
        0.0,
        [
            Step(
                call.id,
                "http",
                "n",
                edges,
                at_ms=call.start_us / 1_000,
                took_ms=None if call.took_us is None else call.took_us / 1_000,
            )
            for call, edges in zip(calls, concurrent_edges(calls, resolution_us, EdgeCounts()), strict=True)
        ],
    )
    walked = walked_starts_ms(session)
    for step in session.steps:
        assert -1e-6 <= walked[step.id] - step.at_ms < resolution_us / 1_000
