"""Burstiness is 1 for Poisson arrivals, 0 for even ones, and large for bursts."""

import numpy as np
import pytest

from replay.trace.profile.burstiness import Gaps, dispersion, peak_to_mean


@pytest.mark.parametrize("slots", [1, 10, 60])
def test_poisson_arrivals_have_dispersion_and_cv_of_about_one(slots):
    random = np.random.default_rng(1)
    gaps = Gaps()
    for at_ms in np.cumsum(random.exponential(500.0, 20_000)):
        gaps.add(float(at_ms))

    assert dispersion(random.poisson(2.0, 30_000).tolist(), slots) == pytest.approx(1, abs=0.25)
    assert gaps.cv() == pytest.approx(1, abs=0.05)


def test_even_arrivals_have_none():
    gaps = Gaps()
    for second in range(100):
        gaps.add(second * 1000.0)

    assert dispersion([1] * 100, 10) == 0
    assert peak_to_mean([1] * 100, 10) == 1
    assert gaps.cv() == 0


def test_bursts_have_a_lot():
    assert dispersion(([20] * 10 + [0] * 90) * 10, 10) == pytest.approx(180)
    assert peak_to_mean(([20] * 10 + [0] * 90) * 10, 10) == 10


def test_too_little_to_tell_is_none():
    assert dispersion([5] * 19, 10) is None
    assert dispersion([], 1) is None
    assert Gaps().cv() is None
