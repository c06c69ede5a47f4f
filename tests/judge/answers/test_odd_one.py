"""The tests behind the verdict on answers, against what can be counted by hand, and by simulation."""

import numpy as np
import pytest

from replay.judge.answers.odd_one import (
    Sign,
    adjusted,
    chance_of_second,
    least_p_value,
    odd_ones_needed,
    p_value,
    sessions_to_exclude,
    upper_share,
    winner,
)


def test_the_second_is_the_odd_one_of_three_by_chance_once_in_three_times():
    assert chance_of_second(1.0, 1.0) == pytest.approx(1 / 3)
    assert chance_of_second(1.0, 0.0) == 0.5
    assert chance_of_second(1.0, 0.2) == pytest.approx(1 / 2.2)
    assert chance_of_second(0.0, 1.0) == 0.5


def test_the_p_value_is_exact():
    assert p_value(Sign(6, 6, 1 / 3)) == pytest.approx(3**-6)
    assert p_value(Sign(0, 6, 1 / 3)) == 1.0
    assert p_value(Sign(5, 5, 0.5, sides=2)) == pytest.approx(2 / 2**5)
    assert least_p_value(Sign(1, 4, 1 / 3)) == pytest.approx(3**-4)


def test_aspects_that_cannot_be_significant_do_not_weaken_the_others():
    hopeless = [Sign(1, 1, 1 / 3)] * 500

    assert adjusted([Sign(4, 4, 1 / 3), *hopeless], 0.05)[0] == pytest.approx(3**-4)
    assert adjusted([Sign(4, 4, 1 / 3), *hopeless], 0.05)[1:] == [1.0] * 500


def test_aspects_that_could_be_are_corrected_for():
    found = adjusted([Sign(6, 6, 1 / 3), Sign(2, 6, 1 / 3), Sign(2, 6, 1 / 3)], 0.05)

    assert found[0] == pytest.approx(3 * 3**-6)
    assert found[1] == 1.0


def test_how_many_are_needed():
    assert odd_ones_needed(0.05, 1 / 3, 1) == 3
    assert odd_ones_needed(0.05, 0.5, 1) == 5
    assert sessions_to_exclude(0.01, 0.95) == 299
    assert sessions_to_exclude(0.02, 0.95) == 149
    assert upper_share(299, 0.95) <= 0.01 < upper_share(298, 0.95)
    assert upper_share(0, 0.95) == 1.0


def test_a_session_is_won_by_whoever_is_the_odd_one_in_most_of_its_steps():
    assert winner([3, 1, 0]) == 0
    assert winner([1, 1, 0]) is None
    assert winner([0, 0, 0]) is None


@pytest.mark.parametrize("aspects", [1, 5, 40])
def test_of_targets_that_are_alike_no_more_than_alpha_are_called_different(aspects):
    rng = np.random.default_rng(aspects)
    wrong = 0
    for _ in range(1_000):
        of = rng.integers(0, 40, aspects)
        signs = [Sign(int(rng.binomial(n, 1 / 3)), int(n), 1 / 3) for n in of]
        wrong += min(adjusted(signs, 0.05)) <= 0.05

    # Three standard errors of 1,000 draws.
    assert wrong / 1_000 <= 0.05 + 3 * (0.05 * 0.95 / 1_000) ** 0.5
