"""Intervals hold the truth as often as they say, on what latencies really look like."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.judge.statistics.quantile import least_n, quantile, quantile_interval
from replay.judge.statistics.sample import Sample, _of_stretches

RUNS = 400
# Four standard errors of a share of 95 % in that many runs, beside the 93 to 97 % that we promise.
LOW, HIGH = 0.93 - 0.015, 0.97 + 0.015


def lognormal(rng, sessions, steps):
    return np.exp(rng.normal(3, 0.5, (sessions, steps)))


def bimodal(rng, sessions, steps):
    """Two steps of a hundred wait for a boot."""
    is_cold = rng.random((sessions, steps)) < 0.02
    return np.where(
        is_cold, rng.normal(2000, 100, (sessions, steps)), np.exp(rng.normal(3, 0.3, (sessions, steps)))
    )


def correlated(rng, sessions, steps):
    """Some agents are slow in all that they do."""
    return np.exp(rng.normal(3, 0.5, (sessions, 1)) + rng.normal(0, 0.5, (sessions, steps)))


def sample_of(values):
    sessions, steps = values.shape
    return Sample(values.ravel(), np.repeat(np.arange(sessions, dtype=np.int32), steps))


@pytest.mark.parametrize("shape", [lognormal, bimodal, correlated])
@pytest.mark.parametrize("q", [0.5, 0.95, 0.99, 0.999])
def test_a_95_percent_interval_holds_the_quantile_in_93_to_97_of_100_runs(rng, shape, q):
    truth = np.quantile(shape(rng, 200_000, 10), q)
    held = 0
    for _ in range(RUNS):
        interval, _ = quantile_interval(sample_of(shape(rng, 1000, 10)), q, 0.95)
        held += (interval.low is None or interval.low <= truth) and (
            interval.high is None or truth <= interval.high
        )

    assert LOW <= held / RUNS <= HIGH


def test_ignoring_that_sessions_are_alike_would_not_hold(rng):
    truth = np.quantile(correlated(rng, 200_000, 10), 0.5)
    held = 0
    for _ in range(100):
        values = correlated(rng, 300, 10)
        alone = Sample(values.ravel(), np.arange(values.size, dtype=np.int32))
        interval, _ = quantile_interval(alone, 0.5, 0.95)
        held += interval.low <= truth <= interval.high

    assert held < 85


def test_a_pause_that_hits_all_sessions_at_once_widens_the_interval(rng):
    n = 20_000
    values = np.exp(rng.normal(3, 0.3, n))
    values[5_000:5_400] += 500
    cluster = np.arange(n, dtype=np.int32)
    moment = (np.arange(n) * 64 // n).astype(np.int32)

    _, without = quantile_interval(Sample(values, cluster), 0.99, 0.95)
    _, worth = quantile_interval(Sample(values, cluster, moment), 0.99, 0.95)

    assert worth.by == "moment"
    assert worth.n_effective < without.n_effective / 5


@pytest.mark.parametrize(("q", "needed"), [(0.99, 368), (0.999, 3688), (0.95, 72), (0.5, 6)])
def test_the_least_n_bounds_the_quantile_and_one_less_does_not(q, needed):
    assert least_n(q, 0.95) == needed
    for n, is_bounded in ((needed, True), (needed - 1, False)):
        interval, _ = quantile_interval(Sample(np.arange(n) * 1.0, np.arange(n, dtype=np.int32)), q, 0.95)
        assert (interval.high is not None) == is_bounded


def test_no_values_have_no_quantile():
    with pytest.raises(ValueError, match="at least one value"):
        quantile_interval(Sample(np.empty(0), np.empty(0, np.int32)), 0.5, 0.95)


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=200),
    st.floats(0.01, 0.999),
    st.integers(1, 7),
)
def test_the_interval_lies_within_the_values_about_the_observed_quantile(values, q, per_session):
    ordered = np.sort(np.array(values))
    cluster = (np.arange(len(values)) // per_session).astype(np.int32)

    interval, worth = quantile_interval(Sample(ordered, cluster), q, 0.95)

    observed = quantile(ordered, q)
    assert worth.n_effective <= len(values)
    if interval.low is not None:
        assert ordered[0] <= interval.low <= observed * (1 + 1e-12)
    if interval.high is not None:
        assert observed * (1 - 1e-12) <= interval.high <= ordered[-1] or interval.high >= observed


def test_however_much_is_asked_of_a_sample_it_is_put_in_order_once(rng, monkeypatch):
    sorts, sort = [], np.sort
    monkeypatch.setattr(np, "sort", lambda values, *args: sorts.append(len(values)) or sort(values, *args))
    sample = Sample(rng.exponential(1.0, 5000), np.arange(5000, dtype=np.int32), np.arange(5000))

    for q in (0.5, 0.9, 0.99):
        quantile_interval(sample, q, 0.95)

    assert sorts.count(sample.n) == 1


@given(st.data())
def test_sessions_in_stretches_are_counted_as_pairs_are(data):
    n = data.draw(st.integers(1, 40))
    few = st.lists(st.integers(0, 5), min_size=n, max_size=n)
    cluster, at, hits = (np.array(data.draw(few), np.int32) for _ in range(3))
    window = data.draw(st.floats(1, 20))

    sizes, counts = _of_stretches(hits > 2, Sample(np.zeros(n), cluster, at), window)

    stretch = {row: int(place / window) for place, row in enumerate(np.argsort(at, kind="stable").tolist())}
    pairs = [(int(cluster[row]), stretch[row]) for row in range(n)]
    expected = [
        (pairs.count(pair), sum(one == pair and hit > 2 for one, hit in zip(pairs, hits, strict=True)))
        for pair in sorted(set(pairs))
    ]
    assert list(zip(sizes.tolist(), counts.tolist(), strict=True)) == expected
