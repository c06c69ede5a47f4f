"""Merged and copied traces stay in order, and every session has an id of its own."""

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.engine.plan import scheduled
from replay.engine.types import Knobs, RunOptions
from replay.engine.walker import Pace
from replay.trace.transforms.merging import Scale, merged, merged_header
from replay.trace.transforms.timing import Speed
from replay.trace.transforms.types import Tally
from replay.trace.types import Header, Session, Step

IDS = st.sampled_from(["a", "b", "a~2", "2.a", "3.a", "2.2.a"])
STARTS = st.integers(0, 50).map(float)


@st.composite
def traces(draw):
    ids = draw(st.lists(IDS, unique=True))
    starts_ms = sorted(draw(st.lists(STARTS, min_size=len(ids), max_size=len(ids))))
    return [
        Session(name, at, [Step("1", "tool", "x", at_ms=2.0)]) for name, at in zip(ids, starts_ms, strict=True)
    ]


def starts_ms(sessions):
    return [session.start_ms for session in sessions]


@given(st.lists(traces(), max_size=4))
def test_merged_traces_are_in_order_with_all_sessions_and_unique_ids(given):
    found = list(merged([iter(deepcopy(trace)) for trace in given], Tally()))
    assert starts_ms(found) == sorted(start for trace in given for start in starts_ms(trace))
    assert len({session.id for session in found}) == len(found)


@given(traces())
def test_ids_that_do_not_clash_stay(trace):
    tally = Tally()
    assert list(merged([iter(deepcopy(trace)), iter([])], tally)) == trace
    assert not +tally


def test_a_clashing_id_gets_the_number_of_its_trace():
    one, two = ([Session("a", at, []), Session(other, at, [])] for at, other in ((1.0, "b"), (2.0, "c")))
    assert [s.id for s in merged([iter(one), iter(two)], Tally())] == ["a", "b", "2.a", "c"]


@given(traces(), st.integers(1, 4), STARTS)
def test_copies_are_in_order_with_ids_of_their_own_and_no_shared_steps(trace, times, gap_ms):
    found = list(Scale(times, 1, gap_ms).apply(iter(deepcopy(trace)), Tally()))
    assert starts_ms(found) == sorted(starts_ms(found))
    assert len({session.id for session in found}) == len(found) == times * len(trace)
    halved = list(Speed(2.0).apply(iter(found), Tally()))
    assert all(step.at_ms == 1.0 for session in halved for step in session.steps)


@given(st.lists(STARTS, min_size=1, max_size=5), st.integers(1, 3))
def test_copies_start_as_those_of_a_run_that_scales(starts, seed):
    trace = [Session(f"s{n}", at, []) for n, at in enumerate(sorted(starts))]
    knobs = Knobs(scale=3, seed=seed)
    run = scheduled(deepcopy(trace), RunOptions(knobs=knobs), Pace(knobs), 10.0)
    planned = {session.id: start_ns / 1e6 for start_ns, session in run}
    copied = {session.id: session.start_ms for session in Scale(3, seed, 10.0).apply(iter(trace), Tally())}
    assert copied == pytest.approx(planned, abs=1e-5)


def test_a_merged_header_tells_what_was_merged():
    one = Header("replay-trace", 1, "a", resolution_ms=1.0, attributes={"import": {"format": "har"}})
    two = Header("replay-trace", 1, "b", extra={"ours": 1})
    assert merged_header([one, two]) == Header(
        "replay-trace",
        1,
        "a + b",
        resolution_ms=1.0,
        attributes={"merged": [{"name": "a", "import": {"format": "har"}}, {"name": "b"}]},
        extra={"ours": 1},
    )
