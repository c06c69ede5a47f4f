"""Requests that others find under way: counted one by one, and of bursts whose size is known."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from replay.judge.load.flow import at_once
from replay.results.columns import columns_of
from tests.support.runs import step


def test_calls_of_a_fan_out_find_each_other_however_long_the_pause_until_the_next():
    runs = [[step("s", 1000.0, at_ms=60_000.0 * n) for _ in range(50)] for n in range(60)]

    assert at_once(columns_of(runs)) == 48.0


def test_requests_that_never_meet_find_themselves_alone():
    assert at_once(columns_of([[step("s", 900.0, at_ms=1000.0 * n) for n in range(100)]])) == 1.0


def test_of_nothing_sent_nothing_is_known():
    assert at_once(columns_of([])) is None


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 3000)), min_size=1, max_size=40))
def test_what_is_found_is_what_counting_one_by_one_finds(known: list[tuple[int, int]]):
    columns = columns_of([[step("s", float(took), at_ms=float(at)) for at, took in known]])
    in_order = sorted((at, at + took) for at, took in known)

    found = [sum(1 for start, end in in_order[: n + 1] if end > at) for n, (at, _) in enumerate(in_order)]

    # Of requests that are sent at one instant, it does not matter which comes first.
    assert at_once(columns) == np.quantile(found, 0.95)
