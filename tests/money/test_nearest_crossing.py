"""The crossing of two bills that is nearest to a load is found from there outwards, and is the nearest of all."""

from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.money.breakeven import crossings, nearest_crossing

GRID = np.geomspace(1e-4, 1e4, 33).tolist()


@given(st.lists(st.floats(1e-4, 1e4), unique=True, max_size=8), st.floats(1e-5, 1e5), st.booleans())
def test_it_is_the_nearest_of_all(turns, to, is_dear):
    """turns: where the difference changes its sign."""

    def difference(factor):
        return -1.0 if (sum(factor >= turn for turn in turns) % 2 == 0) == is_dear else 1.0

    found, every = nearest_crossing(difference, GRID, to), crossings(difference, GRID)

    if not every:
        assert found is None
    else:
        assert found in every
        assert abs(log(found / to)) == min(abs(log(one / to)) for one in every)


@pytest.mark.parametrize("to", [0.9, 1.1])
def test_it_does_not_look_at_the_rest_of_the_grid(to):
    asked = []

    def difference(factor):
        asked.append(factor)
        return factor - 1.01

    assert nearest_crossing(difference, GRID, to) == pytest.approx(1.01)
    assert {factor for factor in asked if factor in GRID} <= {factor for factor in GRID if 0.3 < factor < 3}


@given(st.floats(-8, 8), st.floats(0.001, 0.999), st.booleans())
def test_where_a_smooth_difference_turns_is_found_in_a_third_of_the_steps_of_halving(log_low, part, falls):
    low = exp(log_low)
    turn, looked = low * 1.21**part, []

    def difference(factor: float) -> float:
        looked.append(factor)
        return (turn - factor) * (3.0 if falls else -3.0)

    assert crossings(difference, [low, low * 1.21]) == [pytest.approx(turn, rel=2e-10)]
    assert len(looked) <= 14
