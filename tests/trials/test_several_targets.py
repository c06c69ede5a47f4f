"""Targets that are each held to the first are judged so that all of the verdicts hold together."""

import numpy as np
import pytest

from replay.judge.comparison.deciding import confidence_of_each
from replay.judge.comparison.metric import Metric
from replay.trials.compare import Question, judge_sides
from tests.judge.queues import Made, evidence_of

QUESTION = Question(Metric("p50"))


def sides(*ratios, sigma=0.5, n=400, seed=0):
    """Runs of the same sessions, each so many times as slow as the first."""
    rng = np.random.default_rng(seed)
    at_ms = np.arange(n) * 10.0
    made = [Made(at_ms, 50 * ratio * rng.lognormal(0, sigma, n)) for ratio in (1.0, *ratios)]
    return [(f"t{place}", evidence_of(one)) for place, one in enumerate(made)]


def judged(compared):
    verdict = judge_sides(compared, "paired", QUESTION)
    return [verdict, *verdict.further]


def test_two_targets_are_compared_as_surely_as_is_asked():
    (verdict,) = judged(sides(1.0))
    assert verdict.differences[0].confidence == 0.95
    assert not any("together" in note for note in verdict.notes)


def test_each_of_several_is_held_to_the_first_more_strictly_and_it_is_said():
    verdicts = judged(sides(1.0, 1.0, 1.0, 1.0))
    assert {one.differences[0].confidence for one in verdicts} == {0.9875}
    note = "each of 4 targets is held to t0 at 98.8%, so that all verdicts hold together at 95% (Bonferroni)"
    assert all(note in one.notes for one in verdicts)


def test_what_one_comparison_alone_would_just_show_is_left_open_among_many():
    close = [sides(1.1, seed=seed) for seed in range(40)]
    close = [pair for pair in close if 0.0125 < judged(pair)[0].differences[0].p_value < 0.04]
    assert close
    for first, second in close:
        assert judged([first, second])[0].verdict in ("a_faster", "b_faster")
        assert judged([first, second, second, second, second])[0].verdict == "inconclusive"


def test_one_that_is_far_off_is_named_among_many():
    verdicts = judged(sides(1.0, 1.0, 2.0, 1.0, 1.0))
    assert [one.verdict for one in verdicts].count("a_faster") == 1
    assert verdicts[2].verdict == "a_faster"


@pytest.mark.parametrize("comparisons", [1, 2, 7, 100])
def test_all_miss_together_no_more_than_one_may(comparisons):
    each = confidence_of_each(0.95, comparisons)
    assert (1 - each) * comparisons == pytest.approx(0.05)
