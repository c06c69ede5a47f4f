"""Blocks of sessions, and runs of which nothing is left out."""

from math import inf

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from replay.judge.measures.blocks import BLOCKS, blocks_of
from replay.judge.measures.metrics import starts_of
from replay.results.columns import columns_of
from tests.support.runs import step

RUNS = st.lists(
    st.lists(st.tuples(st.sampled_from(["ü", "a", "b", "c10", "c9", "d"]), st.integers(0, 3)), max_size=12),
    min_size=1,
    max_size=3,
)


def by_name(runs, stretches):
    """The block of each session, by its name: all of them in order of their starts and names, dealt evenly."""
    starts = {}
    for columns in runs:
        for session, start in zip(columns.sessions, starts_of(columns).tolist(), strict=True):
            starts[session] = min(start, starts.get(session, start))
    order = sorted(starts, key=lambda session: (starts[session], session))
    blocks = int(max(1, min(BLOCKS, len(order), stretches / 2)))
    return {session: n * blocks // len(order) for n, session in enumerate(order)}


@given(RUNS, st.sampled_from([0.5, 4.0, 6.0, inf]))
def test_sessions_are_dealt_to_blocks_by_their_starts_and_names(steps, stretches):
    runs = [columns_of([[step(session, 1.0, at_ms=at) for session, at in run]]) for run in steps]
    expected = by_name(runs, stretches)

    found = blocks_of(runs, stretches)

    assert found.n == len(set(expected.values()))
    for columns, block in zip(runs, found.of, strict=True):
        assert block.tolist() == [expected[session] for session in columns.sessions]


def test_all_rows_of_a_run_are_the_run_itself():
    columns = columns_of([[step("a", 1.0), step("b", 2.0)]])

    assert columns.where(np.ones(2, np.bool_)) is columns


def test_a_column_of_one_value_takes_no_memory_in_a_part_of_a_run():
    columns = columns_of([[step("a", 1.0, n) for n in range(4)]])
    rows = np.array([True, False, True, True])

    part = columns.where(rows)

    assert part.connect_ns.strides == (0,)
    for name, column in zip(columns._fields, columns, strict=True):
        if isinstance(column, np.ndarray) and name not in ("makespan_ns", "cut"):
            assert getattr(part, name).tolist() == column[rows].tolist()
