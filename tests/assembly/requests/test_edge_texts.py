"""Edges told of many sessions at once are those that a walk through each of them tells, and so are the counts."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.assembly.requests.edge_texts import edge_texts, ms_texts
from replay.assembly.requests.latest import latest_before
from replay.trace.edges.concurrent import UNKNOWN_US, EdgeCounts, Timed, concurrent_edges

gaps_us = st.sampled_from([0, 1, 9, 10, 11, 19, 20, 21, 30, 100, 1_000]) | st.integers(0, 60)
tooks_us = st.sampled_from([UNKNOWN_US, 0, 1, 5, 9, 10, 11, 15, 50, 200]) | st.integers(0, 60)
sessions = st.lists(st.tuples(gaps_us, tooks_us), min_size=1, max_size=14)


def told_at_once(these, resolution_us):
    counts = EdgeCounts()
    starts = [np.cumsum([0, *(gap for gap, _ in session[1:])]) for session in these]
    tooks = np.array([took for session in these for _, took in session], np.int64)
    numbers = np.concatenate([np.arange(1, len(session) + 1) for session in these])
    texts = edge_texts(np.concatenate(starts).astype(np.int64), tooks, numbers, resolution_us, counts)
    return list(map("".join, zip(*texts, strict=True))), counts


def told_one_by_one(these, resolution_us):
    counts, texts = EdgeCounts(), []
    for session in these:
        start_us, calls = 0, []
        for n, (gap_us, took_us) in enumerate(session):
            start_us += gap_us if n else 0
            calls.append(Timed(str(n + 1), start_us, None if took_us == UNKNOWN_US else took_us))
        for edges in concurrent_edges(calls, resolution_us, counts):
            texts.append(f',"after":{msgspec.json.encode(edges).decode()}' if edges else "")
    return texts, counts


@settings(max_examples=1_000, deadline=None)
@given(st.lists(sessions, min_size=1, max_size=5), st.sampled_from([1, 10, 40]))
def test_many_sessions_have_the_edges_that_a_walk_through_each_of_them_tells(these, resolution_us):
    assert told_at_once(these, resolution_us) == told_one_by_one(these, resolution_us)


@pytest.mark.parametrize("took_us", [5, UNKNOWN_US])
def test_a_long_session_in_which_a_few_overlap_has_the_edges_of_a_walk(took_us):
    session = [(30 if n % 50 else 3, took_us) for n in range(500)]

    assert told_at_once([session], 10) == told_one_by_one([session], 10)


@given(st.lists(st.integers(0, 10**15) | st.integers(0, 10**6).map(lambda ms: ms * 1_000), max_size=20))
def test_times_are_written_as_an_encoder_and_as_python_write_them(times_us):
    assert ms_texts(np.array(times_us, np.int64)) == [repr(each / 1_000) for each in times_us]


@given(st.lists(st.lists(st.integers(0, 10**15), min_size=1, max_size=5), min_size=1, max_size=5))
def test_the_latest_end_before_is_that_of_the_same_group(groups):
    ends_us = np.array([each for group in groups for each in group], np.int64)
    is_first = np.array([n == 0 for group in groups for n in range(len(group))])

    assert latest_before(ends_us, is_first).tolist() == [
        max(group[:n], default=group[0]) for group in groups for n in range(len(group))
    ]
