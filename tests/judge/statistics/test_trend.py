"""Trends, where neighbours are alike and where they are not: how often they are found, and how well known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, theilslopes

from replay.judge.statistics.trend import find_trend

AT = np.arange(20.0)


def alike(rng, persistence, n=20):
    """Normal values, each so much like the one before."""
    values = [rng.normal()]
    for drawn in rng.normal(0, (1 - persistence**2) ** 0.5, n - 1).tolist():
        values.append(persistence * values[-1] + drawn)
    return np.array(values)


@given(st.lists(st.integers(-50, 50), min_size=3, max_size=25))
def test_slope_and_score_are_those_of_scipy(values):
    at, values = np.arange(float(len(values))), np.array(values, float)
    found = find_trend(at, values)

    assert found.slope == pytest.approx(theilslopes(values, at).slope)
    assert found.low <= found.slope <= found.high
    assert 0 <= found.p_value <= 1
    if np.ptp(values):
        # Neighbours that are alike make it less sure, and nothing makes it surer.
        assert found.p_value >= kendalltau(at, values, method="asymptotic").pvalue - 1e-9


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=25))
def test_what_falls_is_what_rises_turned_around(values):
    at, values = np.arange(float(len(values))), np.array(values)
    up, down = find_trend(at, values), find_trend(at, -values)

    assert down.slope == pytest.approx(-up.slope)
    assert down.p_value == pytest.approx(up.p_value)


@pytest.mark.parametrize(("persistence", "most"), [(0.0, 0.02), (0.3, 0.04), (0.6, 0.06), (0.8, 0.1)])
def test_without_a_trend_hardly_any_is_found_though_neighbours_are_alike(rng, persistence, most):
    """At 0.01. Taken for independent, 0.6 has one in one run of seven, and 0.8 in two of seven."""
    found = [find_trend(AT, alike(rng, persistence)).p_value < 0.01 for _ in range(400)]

    assert np.mean(found) <= most


def test_a_trend_is_found_and_lies_in_its_interval(rng):
    found = [find_trend(AT, 0.3 * AT + alike(rng, 0.0)) for _ in range(200)]

    assert np.mean([one.p_value < 0.01 for one in found]) > 0.9
    assert np.mean([one.low <= 0.3 <= one.high for one in found]) > 0.92
    assert np.mean([one.first for one in found]) == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("shape", [lambda n: n, lambda n: 1.3**n, np.log1p, np.sqrt, lambda n: 1.1**n])
def test_a_trend_of_any_shape_is_found_where_nothing_hides_it(rng, shape):
    n = np.arange(20.0)
    found = [find_trend(n, (1 + shape(n)) * (1 + rng.normal(0, noise, 20))) for noise in (0.0, 0.001, 0.01)]

    assert max(one.p_value for one in found) < 0.01


@pytest.mark.parametrize(("at", "values"), [([0.0, 1.0], [1.0, 2.0]), ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0])])
def test_two_values_or_one_time_have_no_trend(at, values):
    with pytest.raises(ValueError, match="three values"):
        find_trend(np.array(at), np.array(values))


def test_equal_values_have_none():
    assert find_trend(AT, np.ones(20)) == (0.0, 0.0, 0.0, 1.0, 1.0, 1.0)
