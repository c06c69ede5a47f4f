import numpy as np
import pytest

from replay.judge.statistics.proportion import mean_interval, share_interval
from replay.judge.statistics.sample import Sample


def sample(sessions, steps, values=None):
    cluster = np.repeat(np.arange(sessions, dtype=np.int32), steps)
    return Sample(np.zeros(sessions * steps) if values is None else values, cluster)


@pytest.mark.parametrize("is_clustered", [False, True])
def test_a_share_of_errors_is_held_at_least_as_often_as_promised(rng, is_clustered):
    held = 0
    for _ in range(300):
        if is_clustered:
            # One session of ten is unlucky, and then half of its steps fail.
            hits = (rng.random((600, 1)) < 0.1) & (rng.random((600, 5)) < 0.5)
        else:
            hits = rng.random((600, 5)) < 0.05
        interval, _ = share_interval(hits.ravel(), sample(600, 5), 0.95)
        held += interval.low <= 0.05 <= interval.high

    assert held / 300 >= 0.93


def test_no_error_in_n_steps_bounds_the_share_by_about_three_and_a_half_in_n():
    interval, _ = share_interval(np.zeros(1000, bool), sample(1000, 1), 0.95)

    assert interval.low == 0
    assert interval.high == pytest.approx(0.0037, abs=1e-4)


def test_a_mean_is_known_as_well_as_its_sessions_tell(rng):
    held = 0
    for _ in range(300):
        values = np.exp(rng.normal(0, 0.4, (200, 1)) + rng.normal(0, 0.4, (200, 5)))
        interval, _ = mean_interval(sample(200, 5, values.ravel()), 0.95)
        held += interval.low <= np.exp(0.16) <= interval.high

    assert 0.90 <= held / 300 <= 0.985


def test_one_session_tells_nothing_of_a_mean():
    assert mean_interval(sample(1, 5, np.arange(5.0)), 0.95)[0] == (None, None)


def test_sessions_that_all_have_the_same_share_are_taken_as_they_are():
    hits = np.tile([True, False], 50)

    interval, worth = share_interval(hits, sample(50, 2), 0.95)

    assert worth.n_effective == 100
    assert interval.low < 0.5 < interval.high
