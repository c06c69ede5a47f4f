"""Steps that wait behind one another tell less than their number, and a gate knows it."""

from statistics import NormalDist

import numpy as np
import pytest

from replay.judge.gate.judging import judge_gate
from replay.judge.measures.figures import figure_of
from replay.judge.measures.slo import parse_slo
from replay.judge.statistics.quantile import FAR, quantile_interval
from replay.judge.statistics.sample import Sample, in_time
from tests.judge import queues


def most(runs, share):
    """Four standard errors above that share of so many runs."""
    return runs * share + 4 * (runs * share * (1 - share)) ** 0.5


def held_and_bounded(rng, text, truth, make, runs=60):
    """How many intervals hold the truth, and how many have an upper side."""
    held = bounded = 0
    for _ in range(runs):
        low, high = figure_of(parse_slo(text), queues.evidence_of(make(rng)), 0.95).interval
        held += (low is None or low <= truth) and (high is None or truth <= high)
        bounded += high is not None
    return held, bounded


@pytest.mark.parametrize("load", [0.5, 0.7, 0.8, 0.9])
@pytest.mark.parametrize("q", [0.5, 0.95])
def test_the_long_run_figure_of_a_queue_that_begins_empty_is_held(rng, load, q):
    truth = queues.queue_quantile(load, q)

    held, _ = held_and_bounded(rng, f"p{100 * q:g} < 1s", truth, lambda rng: queues.one_worker(rng, 4000, load))

    assert 60 - held <= most(60, 0.05)


@pytest.mark.parametrize(("load", "n"), [(0.7, 2000), (0.8, 4000), (0.9, 2000)])
def test_a_limit_that_the_queue_breaks_by_half_is_not_passed(rng, load, n):
    limit = queues.queue_quantile(load, 0.95) / 1.5
    slo = parse_slo(f"p95 < {limit:.6f}ms")
    decided = [
        judge_gate([slo], queues.evidence_of(queues.one_worker(rng, n, load))).verdict for _ in range(60)
    ]

    assert decided.count("pass") <= most(60, 0.025)


@pytest.mark.parametrize("make", [queues.independent, queues.bimodal, queues.drifting])
def test_what_is_independent_beside_a_drift_is_known_almost_as_well_as_its_number_says(rng, make):
    worths = [in_time(_sample(make(rng, 3000))).tau for _ in range(40)]

    assert np.median(worths) < 1.5


def _sample(made):
    n = len(made.at_ms)
    session = np.arange(n, dtype=np.int32) if made.session is None else made.session
    return Sample(made.response_ms, session, (made.at_ms * 1e6).astype(np.int64))


def test_a_run_too_short_to_show_the_worst_decides_nothing_and_says_why(rng):
    run = queues.evidence_of(queues.one_worker(rng, 1000, 0.9))

    (check,) = judge_gate([parse_slo("p50 < 300ms")], run).checks

    assert check.verdict == "inconclusive"
    assert "each step depends on those before it over a stretch of about" in check.reason
    assert "are needed, about" in check.reason


def test_a_target_that_is_overloaded_fails_however_its_steps_depend_on_one_another(rng):
    run = queues.evidence_of(queues.one_worker(rng, 2000, 1.5))

    assert judge_gate([parse_slo("p95 < 100ms")], run).verdict == "fail"


def test_a_target_that_died_in_the_middle_fails(rng):
    made = queues.independent(rng, 1500)
    run = queues.evidence_of(made, ok=np.arange(1500) < 450)

    assert [c.verdict for c in judge_gate([parse_slo("errors < 1%"), parse_slo("p99 < 1s")], run).checks] == [
        "fail",
        "fail",
    ]


def test_slow_kinds_of_steps_in_a_row_are_no_queue(rng):
    """The first half of the run calls a model, the second a tool that is ten times as fast."""
    n = 4000
    series = (np.arange(n) >= n // 2).astype(np.int32)
    values = np.where(series == 0, 100.0, 10.0) * np.exp(rng.normal(0, 0.3, n))
    codes = np.arange(n, dtype=np.int32)

    assert in_time(Sample(values, codes, codes, series)).tau < 1.5
    assert in_time(Sample(values, codes, codes)).tau > 100


def test_the_upper_bound_of_a_rare_tail_knows_the_dependence_that_only_frequent_levels_show(rng):
    sample = _sample(queues.one_worker(rng, 5000, 0.8))

    _, worth = quantile_interval(sample, 0.999, 0.95)

    assert worth.design_effect > 20


def test_a_bound_knows_that_what_is_beyond_it_comes_together_more_than_what_is_beyond_the_quantile(rng):
    """A limit at the true p95, which lies among the slow sessions: one run in twenty passed it, as long as the bound was
    drawn by what the quantile's own exceedances are worth."""
    truth = np.quantile(queues.slow_as_a_whole(rng, 1_000_000).response_ms, 0.95)
    runs = [_sample(queues.slow_as_a_whole(rng, 2_000)) for _ in range(300)]
    bounds = [quantile_interval(run, 0.95, 0.95)[0].high for run in runs]

    assert np.mean([high is not None and high < truth for high in bounds]) <= 0.03


def test_a_bound_of_independent_steps_in_sessions_is_not_moved_out_by_chance(rng):
    """How much the few steps beyond a bound come together is known badly, and the least of several looks is too little."""
    runs = [
        Sample(np.exp(rng.normal(0, 0.5, 1_000)), rng.permutation(np.arange(1_000) // 50).astype(np.int32))
        for _ in range(200)
    ]
    bounds = [quantile_interval(run, 0.99, 0.95)[0].high for run in runs]

    truth = float(np.exp(0.5 * NormalDist().inv_cdf(0.99)))
    assert np.mean([high is None for high in bounds]) <= 0.05
    assert np.mean([high is not None and high < 1.5 * truth for high in bounds]) >= 0.9


@pytest.mark.parametrize("text", ["p99 < 1s", "errors < 1%", "mean < 1s", "p50 > 1s"])
def test_two_sessions_decide_nothing_however_many_steps_they_have(text):
    made = queues.Made(np.arange(2000) * 10.0, np.full(2000, 10.0), np.repeat([0, 1], 1000).astype(np.int32))

    (check,) = judge_gate([parse_slo(text)], queues.evidence_of(made)).checks

    assert check.verdict == "inconclusive"
    assert check.reason.startswith(
        "all 2,000 steps come from 2 sessions, too few to show how much sessions differ"
    )


@pytest.mark.parametrize(("load", "most_ratio"), [(0.8, 0.0), (0.9, 0.0), (0.95, 0.025)])
def test_no_queue_is_ten_times_as_slow_in_the_long_run_as_the_slowest_of_its_first_hundred(
    rng, load, most_ratio
):
    truth = queues.queue_quantile(load, 0.95)
    beyond = [FAR * queues.one_worker(rng, 100, load).response_ms.max() < truth for _ in range(500)]

    assert np.mean(beyond) <= most_ratio


def test_what_is_far_from_all_that_was_seen_is_decided_however_short_the_run(rng):
    run = queues.evidence_of(queues.one_worker(rng, 200, 0.9))
    slos = [parse_slo(text) for text in ("p50 < 60s", "mean < 60s", "p50 < 0.000001ms")]

    assert [check.verdict for check in judge_gate(slos, run).checks] == ["pass", "pass", "fail"]
