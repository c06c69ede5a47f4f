"""Samples of which the tail is known: heavy ones are told, and a mean of them is not passed for want of luck."""

import numpy as np
import pytest

from replay.judge.gate.judging import judge_gate
from replay.judge.measures.slo import parse_slo
from replay.judge.statistics.heavy_tail import is_heavy_tailed
from tests.support.runs import evidence

RUNS = 200


def told_heavy(make):
    return sum(is_heavy_tailed(np.sort(make(np.random.default_rng(seed)))) for seed in range(RUNS))


@pytest.mark.parametrize("n", [200, 2_000])
@pytest.mark.parametrize("index", [1.1, 1.5])
def test_a_tail_of_infinite_variance_is_told(n, index):
    assert told_heavy(lambda rng: 5 * (1 + rng.pareto(index, n))) > 0.85 * RUNS


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: rng.exponential(10, 2_000),
        lambda rng: np.exp(rng.normal(3, 0.5, 2_000)),
        lambda rng: np.exp(rng.normal(3, 1.0, 2_000)),
        lambda rng: 20 + rng.random(2_000),
        lambda rng: np.ceil(rng.exponential(10, 2_000) / 10) * 10,  # a clock of 10 ms
        lambda rng: np.exp(rng.normal(3, 0.5, 2_000)) + np.where(rng.random(2_000) < 0.02, 2_000, 0),  # boots
        lambda rng: 5 * (1 + rng.pareto(4, 2_000)),
    ],
)
def test_usual_times_are_not_heavy(make):
    assert told_heavy(make) < 0.05 * RUNS


def test_few_values_and_values_that_are_no_times_do_not_tell():
    rng = np.random.default_rng(1)

    assert not is_heavy_tailed(np.sort(1 + rng.pareto(1.1, 199)))
    assert not is_heavy_tailed(np.sort(-rng.pareto(1.1, 2_000)))
    assert not is_heavy_tailed(np.append(np.sort(1 + rng.pareto(1.1, 2_000)), np.inf))


@pytest.mark.parametrize("index", [1.2, 1.5])
def test_at_the_true_mean_of_a_heavy_tail_a_gate_rarely_passes(index):
    """Student's interval passes it in 47% and 20% of runs."""
    truth = 5 * index / (index - 1)
    passed = 0
    for seed in range(RUNS):
        rng = np.random.default_rng(seed)
        (found,) = judge_gate(
            [parse_slo(f"mean < {truth}ms")], evidence(5 * (1 + rng.pareto(index, 600)))
        ).checks
        passed += found.verdict == "pass"

    assert passed / RUNS < 0.1


def test_what_a_heavy_tail_does_not_settle_is_said_to_be_one_for_a_percentile(rng):
    run = evidence(5 * (1 + rng.pareto(1.3, 2_000)))

    close, far = (judge_gate([parse_slo(f"mean < {limit}")], run).checks[0] for limit in ("60ms", "100s"))

    assert (close.verdict, far.verdict) == ("inconclusive", "pass")
    assert close.reason == (
        "a few steps took so much longer than all others that one more of them may change the mean by any amount; "
        "bound a percentile instead"
    )


@pytest.mark.parametrize("n", [30, 100, 300])
@pytest.mark.parametrize(
    "make",
    [
        lambda rng, n: 10 + np.where(rng.random(n) < 0.01, 1_000.0, 0.0),  # one in a hundred boots
        lambda rng, n: 2 * (1 + rng.pareto(1.3, n)) * 0.3 / 1.3 * 10,
    ],
)
def test_a_mean_of_few_steps_is_not_passed_at_its_truth(n, make):
    """Both have a mean of 20 ms. Student's interval passes the first in 69% of runs of 30, the other in 28%."""
    passed = 0
    for seed in range(RUNS):
        rng = np.random.default_rng(seed)
        (found,) = judge_gate([parse_slo("mean < 20ms")], evidence(make(rng, n) + rng.random(n))).checks
        passed += found.verdict == "pass"

    assert passed / RUNS < 0.05


def test_a_mean_of_few_steps_passes_far_below_its_limit_alone_and_says_how_many_would_do():
    run = evidence(10.0 + np.random.default_rng(4).random(100))

    near, far = (judge_gate([parse_slo(f"mean < {limit}")], run).checks[0] for limit in ("40ms", "1s"))

    assert (near.verdict, far.verdict) == ("inconclusive", "pass")
    assert near.n_needed == 368
    assert near.reason.startswith(
        "so few may show none of the slowest one in a hundred, which can move a mean by any amount; bound a percentile "
        "instead, or replay more; 100 steps, at least "
    )


def test_as_many_steps_show_the_slowest_of_a_hundred_however_alike_neighbours_are():
    """2,278 were asked for, and 368 were enough to be judged."""
    rng = np.random.default_rng(0)
    level = np.zeros(600)
    for n in range(1, 600):
        level[n] = 0.5 * level[n - 1] + rng.normal(0, 0.3)
    few, enough = (
        judge_gate([parse_slo("mean < 40ms")], evidence(20 * np.exp(level[:n]))).checks[0] for n in (300, 368)
    )

    assert (few.verdict, few.n_needed) == ("inconclusive", 368)
    assert enough.verdict == "pass"
