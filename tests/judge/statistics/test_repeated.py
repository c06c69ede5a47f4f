"""A quantile of values that repeat known ones: by simulation, how often its interval holds the true one."""

from math import ceil, inf

import numpy as np
import pytest

from replay.judge.statistics.repeated import Repeated
from replay.judge.statistics.sample import Sample

CONFIDENCE = 0.95
RUNS = 120


def recorded(rng, steps, copies):
    """Steps of three kinds, each as often as there are copies, side by side in time."""
    took_ms = np.array([50.0, 400.0, 1500.0])[rng.integers(0, 3, steps)] * np.exp(rng.normal(0, 0.5, steps))
    return np.repeat(took_ms, copies)


def a_little(rng, known):
    return known + rng.exponential(1.0, len(known))


def in_proportion(rng, known):
    return known * np.exp(rng.normal(0, 0.02, len(known)))


def in_waves(rng, known):
    """What is added to a step is much what was added to the one before."""
    wave = np.zeros(len(known))
    for n in range(1, len(wave)):
        wave[n] = 0.9 * wave[n - 1] + rng.normal()
    return known + 20 * np.abs(wave)


def sample(values):
    return Sample(values, np.arange(len(values), dtype=np.int32), np.arange(len(values), dtype=np.int64))


@pytest.mark.parametrize("q", [0.5, 0.9])
@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("added", [a_little, in_proportion, in_waves])
def test_the_interval_holds_the_figure_that_a_long_run_would_show(rng, added, copies, q):
    held = 0
    for _ in range(RUNS // 20):
        known = recorded(rng, 240 // copies, copies)
        all_runs = np.sort(np.concatenate([added(rng, known) for _ in range(60)]))
        true = all_runs[ceil(q * len(all_runs)) - 1]
        for _ in range(20):
            low, high = Repeated(known, sample(added(rng, known)), q).interval(CONFIDENCE)
            held += low <= true <= high

    # Four standard errors below what is promised.
    assert held / RUNS >= CONFIDENCE - 4 * (CONFIDENCE * (1 - CONFIDENCE) / RUNS) ** 0.5


def test_copies_that_take_what_was_recorded_are_known_to_a_rank_or_two(rng):
    known = recorded(rng, 320, 3)

    low, high = Repeated(known, sample(known * 1.0005), 0.5).interval(CONFIDENCE)

    assert 0.97 < low / np.median(known) <= high / np.median(known) < 1.03


def test_failures_have_no_time_and_too_few_values_beyond_no_bound():
    known = np.arange(1.0, 201.0)
    values = known.copy()
    values[100:] = inf

    assert Repeated(known, sample(values), 0.9).quantile == inf
    assert Repeated(known, sample(known), 0.999).interval(CONFIDENCE)[1] == inf


def test_what_depends_on_what_came_before_for_most_of_the_run_is_not_known(rng):
    known = recorded(rng, 200, 1)
    queue = np.cumsum(rng.normal(0, 50, 200)) + 2000

    assert not Repeated(known, sample(known + queue), 0.5).is_known
