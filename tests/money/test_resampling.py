"""Windows drawn anew: how often their sums hold what the load is in the long run, and that none is lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.money.resampling import block_counts, drawn_usages
from replay.money.usage import Windows

WINDOW_S = 60.0


def windows_of(requests: np.ndarray) -> Windows:
    """Each request keeps an instance for a second."""
    values, none = requests.astype(np.float64), np.zeros(len(requests))
    return Windows(
        WINDOW_S,
        WINDOW_S * len(requests),
        requests=values,
        earlier_tries=none,
        on_sockets=none,
        active_s=values,
        billed_s=values,
        request_s=values,
        egress_bytes=none,
        model_calls=none,
        tokens=none,
        boot_s=none,
        live_s=None,
        beyond_kept_s=None,
        waiting_s=None,
        ranks=(1.0,),
        basis="simulated",
        has_recorded_bytes=False,
    )


def interval_of(requests: np.ndarray, strata: np.ndarray, block: int, seed: int) -> tuple[float, float]:
    windows = windows_of(requests)
    drawn = drawn_usages(windows, np.arange(len(requests)), block_counts(strata, block, seed))
    low, high = np.quantile([usage.active_s for usage in drawn], [0.025, 0.975])
    return float(low), float(high)


@pytest.mark.parametrize("mean", [0.5, 3.0, 30.0])
def test_an_interval_holds_the_long_run_of_arrivals_by_chance_as_often_as_it_says(rng, mean):
    held = 0
    for seed in range(300):
        low, high = interval_of(rng.poisson(mean, 60), np.zeros(60, np.int64), 3, seed)
        held += low <= 60 * mean <= high

    # Twenty blocks are a few: 95 % come out as some 92.
    assert held >= 300 * 0.88


def test_arrivals_that_come_in_spells_are_held_by_blocks_that_are_as_long(rng):
    held = 0
    for seed in range(200):
        rates = np.repeat(rng.exponential(3.0, 60), 5)
        low, high = interval_of(rng.poisson(rates), np.zeros(300, np.int64), 15, seed)
        held += low <= 300 * 3.0 <= high

    assert held >= 200 * 0.85


def test_hours_that_differ_are_no_doubt_about_the_month():
    """A night and a day of always the same load, each drawn from its like, are the same each time."""
    requests = np.repeat([0, 10], 60)

    assert interval_of(requests, np.repeat([0, 1], 60), 3, 1) == (600.0, 600.0)


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=60),
    st.integers(1, 80),
    st.integers(0, 2**31),
    st.integers(1, 5),
)
def test_each_draw_has_as_many_windows_of_each_kind_as_there_are(kinds, block, seed, draws):
    strata = np.array(kinds)

    counts = block_counts(strata, block, seed, draws)

    assert counts.shape == (draws, len(kinds))
    for kind in set(kinds):
        assert (counts[:, strata == kind].sum(axis=1) == kinds.count(kind)).all()


def test_a_block_keeps_its_neighbours_together_and_goes_on_from_the_start_behind_the_end():
    counts = block_counts(np.zeros(4, np.int64), 2, seed=3, draws=50)

    pairs = {(1, 1, 0, 0), (0, 1, 1, 0), (0, 0, 1, 1), (1, 0, 0, 1)}
    sums = {tuple(a + b for a, b in zip(one, other, strict=True)) for one in pairs for other in pairs}
    assert {tuple(row) for row in counts.tolist()} <= sums


def test_each_stratum_has_blocks_of_its_own_length():
    strata = np.repeat([7, 9], [4, 100])

    counts = block_counts(strata, np.array([1, 50]), seed=3, draws=40)

    # Two blocks of half of them: neighbours are drawn as often as each other, but at two ends.
    assert all(np.count_nonzero(np.diff(counted[4:])) <= 4 for counted in counts)
    assert (counts[:, :4].sum(axis=1) == 4).all()
