"""Our names for what scipy.special has, held to scipy.stats."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.judge.statistics.distributions import (
    at_least,
    beta_below,
    beta_quantile,
    normal_above,
    normal_quantile,
    student_above,
    student_quantile,
)
from tests.support.later import later

stats = later("scipy.stats")

probabilities = st.floats(1e-6, 1 - 1e-6)
shapes = st.floats(0.05, 1e5)


@given(probabilities, st.floats(-30, 30))
def test_the_normal_distribution(p, z):
    assert normal_quantile(p) == pytest.approx(stats.norm.ppf(p), rel=1e-9, abs=1e-9)
    assert normal_above(z) == pytest.approx(stats.norm.sf(z), rel=1e-9)


@given(probabilities, st.floats(-50, 50), st.floats(0.5, 1e6))
def test_students_t(p, t, df):
    assert student_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-7, abs=1e-9)
    assert student_above(t, df) == pytest.approx(stats.t.sf(t, df), rel=1e-7, abs=1e-300)


@given(probabilities, shapes, shapes)
def test_the_beta_distribution(p, a, b):
    assert beta_quantile(p, a, b) == pytest.approx(stats.beta.ppf(p, a, b), rel=1e-6, abs=1e-300)
    assert beta_below(p, a, b) == pytest.approx(stats.beta.cdf(p, a, b), rel=1e-6, abs=1e-300)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(-1, n + 1), st.just(n))), st.floats(0, 1))
def test_successes_in_trials(k_of_n, chance):
    k, n = k_of_n

    assert float(at_least(k, n, chance)) == pytest.approx(
        stats.binom.sf(k - 1, n, chance), rel=1e-9, abs=1e-300
    )


def test_many_counts_at_once():
    assert at_least(np.array([0, 3, 11]), 10, np.array([0.5, 0.2, 0.9])) == pytest.approx(
        [1.0, stats.binom.sf(2, 10, 0.2), 0.0]
    )


@given(st.integers(0, 200), st.integers(0, 200))
def test_a_coin_that_is_fair_on_both_sides_is_tested_by_twice_its_tail(a, b):
    if a != b:
        assert 2 * float(at_least(max(a, b), a + b, 0.5)) == pytest.approx(
            stats.binomtest(a, a + b).pvalue, rel=1e-9
        )
