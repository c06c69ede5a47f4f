"""The difference of two figures, from the interval of each."""

from math import inf

import numpy as np
import pytest

from replay.judge.statistics.own_intervals import Known, OwnIntervals
from replay.judge.statistics.proportion import share_interval
from replay.judge.statistics.sample import Sample
from replay.judge.types import Interval


def known(figure, low, high):
    return Known(figure, lambda confidence: Interval(low, high))


def share(hits):
    sample = Sample(np.zeros(len(hits)), np.arange(len(hits), dtype=np.int32))
    return Known(float(hits.mean()), lambda confidence: share_interval(hits, sample, confidence)[0])


def test_distances_to_the_limits_are_added_in_quadrature():
    assert OwnIntervals(known(10, 7, 14), known(20, 17, 26)).interval(0.95) == pytest.approx(
        (10 - 5, 10 + 45**0.5)
    )


def test_what_both_sides_have_in_common_cancels():
    assert OwnIntervals(known(10, 7, 13), known(20, 17, 23), 1.0).interval(0.95) == pytest.approx((10, 10))


def test_a_side_that_is_not_known_bounds_nothing():
    assert OwnIntervals(known(10, 7, None), known(20, 17, 26)).interval(0.95)[0] == -inf
    assert OwnIntervals(known(10, None, 14), known(20, 17, None)).interval(0.95) == (5, inf)


def test_a_figure_among_failures_is_longer_by_what_is_known_of_both():
    assert OwnIntervals(known(10, 7, 14), known(inf, 50, inf)).interval(0.95) == (36, inf)


def test_no_failure_in_three_and_none_in_three_is_no_equality():
    none = np.zeros(3, np.bool_)

    low, high = OwnIntervals(share(none), share(none)).interval(0.95)

    assert low == -high
    assert high > 0.7


def test_the_interval_leaves_out_zero_where_the_p_value_is_below_alpha(rng):
    for _ in range(30):
        own = OwnIntervals(share(rng.random(400) < 0.05), share(rng.random(400) < 0.09))
        low, high = own.interval(0.95)

        assert (low > 0 or high < 0) == (own.p_value < 0.05)


def test_equal_shares_are_called_different_no_more_often_than_stated(rng):
    named = sum(
        OwnIntervals(share(rng.random(500) < 0.02), share(rng.random(500) < 0.02)).p_value < 0.05
        for _ in range(200)
    )

    assert named <= 200 * 0.05 + 4 * (200 * 0.05 * 0.95) ** 0.5
