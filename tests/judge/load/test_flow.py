"""Requests that others find under way: counted one by one, and of bursts whose size is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.judge.load.flow import at_once, settled
from replay.results.columns import columns_of
from tests.judge import queues
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


@pytest.mark.parametrize(("n", "load", "most"), [(200, 0.9, 0.07), (1000, 0.9, 0.04), (1000, 0.95, 0.08)])
def test_a_busy_queue_grows_hardly_ever_though_its_neighbours_are_alike(rng, n, load, most):
    """Taken for independent, parts of it grew in 8, 7 and 12 runs of a hundred."""
    assert sum(_grows(queues.one_worker(rng, n, load)) for _ in range(200)) <= 200 * most


def test_a_queue_that_gets_more_than_it_bears_grows(rng):
    assert sum(_grows(queues.one_worker(rng, 2000, 1.2)) for _ in range(50)) >= 48


def _grows(made: queues.Made) -> bool:
    return settled(*((values * 1e6).astype(np.int64) for values in (made.at_ms, made.response_ms))).grows
