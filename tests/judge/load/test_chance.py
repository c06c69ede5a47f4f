"""Fisher's exact test, held to values worked out elsewhere."""

import pytest

from replay.judge.load.chance import more_often
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
