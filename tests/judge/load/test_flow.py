"""Requests that others find under way: counted one by one, and of bursts whose size is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.judge.load.flow import at_once, at_once_of_a_session, ends_without_queue, settled
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


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5000), st.integers(1, 3000)), min_size=1, max_size=40)
)
def test_of_a_session_only_its_own_are_counted(known: list[tuple[int, int, int]]):
    sessions = [
        [step(f"s-{n}", float(took), at_ms=float(at)) for of, at, took in known if of == n] for n in range(4)
    ]

    found = [
        sum(1 for start, end in in_order[: n + 1] if end > at)
        for one in range(4)
        for in_order in [sorted((at, at + took) for of, at, took in known if of == one)]
        for n, (at, _) in enumerate(in_order)
    ]

    assert at_once_of_a_session(columns_of([one for one in sessions if one])) == np.quantile(found, 0.95)


def test_what_waits_in_a_queue_is_not_the_load_s():
    """Twenty a second of half a second each are ten at once, though the one who takes sixteen has a thousand waiting."""
    at_ms, free_ms, steps = 50.0 * np.arange(3000), np.zeros(8), []
    for n, at in enumerate(at_ms):
        first = int(np.argmin(free_ms))
        free_ms[first] = max(at, free_ms[first]) + 500.0
        steps.append(step(f"s-{n}", float(free_ms[first] - at), at_ms=float(at)))
    columns = columns_of([[one] for one in steps])

    assert at_once(columns) > 500
    assert 10 <= at_once(columns, ends_ns=ends_without_queue(columns)) <= 15


def test_without_a_queue_nothing_ends_sooner_but_a_few_that_are_the_longest(rng):
    took_ms = rng.lognormal(5, 0.5, 2000)
    columns = columns_of([[step(f"s-{n}", float(ms), at_ms=1e5 * n)] for n, ms in enumerate(took_ms)])

    assert np.mean(ends_without_queue(columns) < columns.end_ns) < 0.15


@pytest.mark.parametrize(("n", "load", "most"), [(200, 0.9, 0.07), (1000, 0.9, 0.04), (1000, 0.95, 0.08)])
def test_a_busy_queue_grows_hardly_ever_though_its_neighbours_are_alike(rng, n, load, most):
    """Taken for independent, parts of it grew in 8, 7 and 12 runs of a hundred."""
    assert sum(_grows(queues.one_worker(rng, n, load)) for _ in range(200)) <= 200 * most


def test_a_queue_that_gets_more_than_it_bears_grows(rng):
    assert sum(_grows(queues.one_worker(rng, 2000, 1.2)) for _ in range(50)) >= 48


def _grows(made: queues.Made) -> bool:
    return settled(*((values * 1e6).astype(np.int64) for values in (made.at_ms, made.response_ms))).grows
