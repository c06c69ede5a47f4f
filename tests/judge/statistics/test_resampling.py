"""Quantiles of samples that are drawn again: the same however the values are looked through."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.judge.statistics import resampling
from replay.judge.statistics.resampling import Ordered, Resampling, mean_difference, quantile_differences
from replay.judge.statistics.sample import Sample


@pytest.mark.parametrize("room", [40, resampling._CHUNK_CELLS])
@given(data=st.data())
def test_a_drawn_quantile_is_that_of_the_values_as_often_as_their_block_was_drawn(room, data):
    blocks = data.draw(st.integers(1, 5))
    values = data.draw(st.lists(st.integers(0, 9) | st.just(np.inf), min_size=1, max_size=400))
    n = len(values)
    cluster = np.array(data.draw(st.lists(st.integers(0, blocks - 1), min_size=n, max_size=n)), np.int32)
    weights = np.array(data.draw(st.lists(st.integers(0, 3), min_size=blocks, max_size=blocks)), np.float64)
    q = data.draw(st.sampled_from((0.01, 0.5, 0.9, 0.99)))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(resampling, "_CHUNK_CELLS", room)
        (found,) = Ordered(Sample(np.array(values, np.float64), cluster), blocks).quantiles(weights[None], q)

    drawn = np.sort(np.repeat(values, weights[cluster].astype(int)))
    if len(drawn):
        expected = drawn[max(0, int(np.ceil(q * len(drawn) - 1e-6)) - 1)]
        assert found == (expected if np.isfinite(expected) else resampling._FAILED)
    else:
        assert np.isnan(found)


def test_values_that_stand_block_by_block_are_looked_at_as_quickly(monkeypatch):
    """Equal values are in order of time: nothing about a quantile tells what lies before it."""
    blocks, n = 16, 64_000
    cluster = np.repeat(np.arange(blocks, dtype=np.int32), n // blocks)
    ordered = Ordered(Sample(np.zeros(n), cluster), blocks)
    weights = np.random.default_rng(1).multinomial(blocks, [1 / blocks] * blocks, 200).astype(np.float64)
    looks = []
    below = ordered._below
    monkeypatch.setattr(ordered, "_below", lambda at, weights: looks.append(at) or below(at, weights))

    assert (ordered.quantiles(weights, 0.5) == 0).all()
    assert len(looks) < 30


@pytest.mark.parametrize("multiplied", [0.01, 1, 10_000])
def test_how_values_are_dealt_to_cells_changes_no_draw(rng, monkeypatch, multiplied):
    a, b = (Sample(rng.lognormal(size=3000), np.arange(3000, dtype=np.int32) // 100) for _ in range(2))
    asked = Resampling(30, 30, True, replicates=50), a, b, (0.5, 0.99)
    expected = quantile_differences(*asked)
    monkeypatch.setattr(resampling, "_MULTIPLIED", multiplied)

    found = quantile_differences(*asked)

    for one, other in zip(found, expected, strict=True):
        assert one.bootstrap.tolist() == other.bootstrap.tolist()


def shifted(rng, blocks, by):
    """Two samples of so many blocks, of twenty values each; the second is larger by this many of its spreads."""
    cluster = np.repeat(np.arange(blocks, dtype=np.int32), 20)
    a, b = (rng.lognormal(size=len(cluster)) for _ in range(2))
    return Resampling(blocks, blocks, True, replicates=1000), Sample(a, cluster), Sample(b + by, cluster)


@pytest.mark.parametrize("by", [10.0, -10.0])
def test_a_difference_that_no_draw_comes_near_stands_among_many_though_there_are_few_blocks(rng, by):
    found = [mean_difference(*shifted(rng, 9, by)), *quantile_differences(*shifted(rng, 9, by), (0.5, 0.9))]

    assert [one.p_value < 0.05 / 100 for one in found] == [True] * 3


@pytest.mark.parametrize("blocks", [8, 15, 40])
def test_a_difference_that_is_not_there_is_found_as_rarely_as_is_asked_beyond_what_the_draws_resolve(
    rng, blocks
):
    """At 0.5%, which of eight blocks the draws alone reach nowhere. Of 400 runs 2 are expected; more than 8: 1 in 4,000."""
    found = [mean_difference(*shifted(rng, blocks, 0.0)).p_value for _ in range(400)]

    assert sum(p < 0.005 for p in found) <= 8


def test_a_side_that_lies_among_failures_differs_from_one_that_does_not(rng):
    asked, a, b = shifted(rng, 9, 0.0)
    (found,) = quantile_differences(asked, a, Sample(np.full(b.n, np.inf), b.cluster), (0.5,))

    assert found.delta == np.inf
    assert found.p_value < 1e-4
