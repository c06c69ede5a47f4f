"""Quantiles of samples that are drawn again: the same however the values are looked through."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.judge.statistics import resampling
from replay.judge.statistics.resampling import Ordered, Resampling, quantile_differences
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
