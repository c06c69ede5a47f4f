"""Over how many steps times depend on one another, where the answer is known."""

import numpy as np
import pytest

from replay.judge.statistics.dependence import INDEPENDENT, dependence


@pytest.mark.parametrize("value", [20.0, 20.789473, 1e9 / 7])
def test_equal_times_depend_on_nothing(value):
    # Their mean is another double than each of them, and by that they all lie on one side of it.
    assert dependence(np.full(1800, value)) == INDEPENDENT


def test_times_that_differ_by_a_millionth_are_looked_at():
    assert dependence(20.0 + 2e-5 * (np.arange(2000) >= 1000)).is_significant
