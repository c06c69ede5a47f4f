"""Load buckets are found in the rates themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.trace.profile.buckets import load_buckets


def test_three_levels_are_told_apart():
    found = load_buckets([0] * 6 + [10] * 3 + [100])

    assert [(b.name, b.time_ratio, b.mean_per_slot) for b in found] == [
        ("idle", 0.6, 0.0),
        ("normal", 0.3, 10.0),
        ("peak", 0.1, 100.0),
    ]


def test_no_events_have_no_levels():
    assert load_buckets([]) == load_buckets([0, 0]) == []


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=200).filter(any))
def test_shares_add_up_to_one_and_levels_ascend(counts):
    found = load_buckets(counts)

    assert sum(b.time_ratio for b in found) == pytest.approx(1)
    assert sum(b.events_ratio for b in found) == pytest.approx(1)
    assert found[0].mean_per_slot <= found[1].mean_per_slot <= found[2].mean_per_slot
