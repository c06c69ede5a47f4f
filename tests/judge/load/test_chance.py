"""Fisher's exact test, and Armitage's of a trend, held to values worked out elsewhere."""

import numpy as np
import pytest

from replay.judge.load.chance import grow_with_load, more_often
from replay.judge.load.types import Failures


@pytest.mark.parametrize(
    ("here", "there", "p"),
    [
        ((3, 10), (1, 10), 0.2910217),
        ((8, 10), (1, 10), 0.00273875),
        ((2, 2), (0, 2), 1 / 6),  # of six ways to choose two of four, one
        ((0, 50), (9, 50), 1.0),
        ((5, 50), (0, 0), 1.0),
    ],
)
def test_the_chance_of_so_many_failures_or_more(here, there, p):
    assert more_often(Failures(*here), Failures(*there)) == pytest.approx(p, rel=1e-5)


def test_many_requests_cost_no_more_than_their_failures():
    assert more_often(Failures(600, 1_000_000), Failures(400, 1_000_000)) < 1e-9
    assert 0.3 < more_often(Failures(500, 1_000_000), Failures(500, 1_000_000)) < 0.7


@pytest.mark.parametrize(
    ("errors", "p"),
    [
        ([1, 3, 5], 0.02548),  # 4 over the root of 0.3 x 0.7 x (50 - 30), which is 1.952 deviations
        ([5, 3, 1], 1 - 0.02548),
        ([3, 3, 3], 0.5),
        ([0, 0, 0], 1.0),
    ],
)
def test_the_chance_of_shares_that_grow_so_with_the_load(errors, p):
    shares = {float(load): Failures(n, 10) for load, n in enumerate(errors)}

    assert grow_with_load(shares) == pytest.approx(p, abs=1e-4)


def test_shares_of_one_load_say_nothing():
    assert grow_with_load({2.0: Failures(3, 10)}) == 1.0


def test_shares_that_are_the_same_at_all_loads_are_rarely_found_to_grow(rng):
    found = [
        grow_with_load(
            {load: Failures(int(rng.binomial(60, 0.02)), 60) for load in (0.25, 0.5, 0.71, 0.84, 1.0)}
        )
        for _ in range(2_000)
    ]

    assert np.mean(np.array(found) < 0.05) < 0.075
