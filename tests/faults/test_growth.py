"""Whether a figure grows: leaks are told from noise, from steps at the start, and from a few odd samples."""

import numpy as np
import pytest

from tests.faults.growth import growth_of

AT_S = np.arange(0.0, 1200.0, 5.0)
RNG = np.random.default_rng(7)
NOISE = RNG.normal(0.0, 1.0, len(AT_S))


def test_noise_and_a_start_that_fills_caches_are_flat():
    filling = 100.0 + 30.0 * np.minimum(1.0, AT_S / 300.0)

    assert not growth_of(AT_S, 120.0 + NOISE, 3.0).is_growing
    assert not growth_of(AT_S, filling + NOISE, 3.0).is_growing


def test_a_leak_is_growing_whatever_a_few_samples_say():
    leaking = 120.0 + AT_S * 0.02 + NOISE
    leaking[::17] = 90.0

    found = growth_of(AT_S, leaking, 3.0)

    assert found.is_growing
    assert found.per_hour == pytest.approx(72.0, rel=0.1)


def test_what_adds_less_than_the_least_is_no_growth():
    assert not growth_of(AT_S, 8.0 + AT_S * 0.001, 3.0).is_growing


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="fewer than ten"):
        growth_of(AT_S[:9], NOISE[:9], 3.0)
