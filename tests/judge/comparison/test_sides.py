"""A against A is rarely called different; what differs is found; and doubt is said."""

import numpy as np
import pytest

from replay.judge.comparison import pair
from replay.judge.comparison.metric import Metric, MetricError, parse_metric
from replay.judge.comparison.pair import Side
from replay.judge.comparison.sides import judge_compare, judge_difference
from replay.judge.statistics.resampling import Ordered, Resampling, mean_difference, quantile_differences
from replay.judge.statistics.sample import Sample
from tests.judge import queues
from tests.support.runs import evidence

SESSIONS, STEPS = 400, 5


def sides(rng, b_of=lambda values: values, sigma=0.4):
    """Two runs of the same sessions: what a session has in common falls on both sides."""
    agent = rng.normal(0, 0.3, (SESSIONS, 1))
    a, b = (np.exp(3 + agent + rng.normal(0, sigma, (SESSIONS, STEPS))) for _ in range(2))
    return Side("a", [evidence(a, STEPS, name="a")]), Side("b", [evidence(b_of(b), STEPS, name="b")])


def sample(values):
    return Sample(values.ravel(), np.repeat(np.arange(len(values), dtype=np.int32), values.shape[1]))


@pytest.mark.parametrize("is_paired", [True, False])
def test_a_against_a_is_called_different_no_more_often_than_stated(rng, is_paired):
    runs, different = 200, np.zeros(3)
    for _ in range(runs):
        agent = rng.normal(0, 0.3, (2, 150, 1))
        a, b = (
            sample(np.exp(agent[0 if is_paired else side] + rng.normal(0, 0.5, (150, 6)))) for side in range(2)
        )
        resampling = Resampling(150, 150, is_paired, replicates=299)
        found = [*quantile_differences(resampling, a, b, (0.5, 0.99)), mean_difference(resampling, a, b)]
        different += [one.p_value < 0.05 for one in found]

    # Four standard errors of 5 %.
    assert (different <= runs * 0.05 + 4 * (runs * 0.05 * 0.95) ** 0.5).all()


def test_the_interval_of_a_difference_holds_the_true_one(rng):
    held = 0
    for _ in range(200):
        agent = rng.normal(0, 0.3, (150, 1))
        a, b = (sample(np.exp(agent + rng.normal(0, 0.5, (150, 6)))) for _ in range(2))
        (found,) = quantile_differences(Resampling(150, 150, True, replicates=299), a, b, (0.9,))
        low, high = found.interval(0.95)
        held += low <= 0 <= high

    assert held / 200 >= 0.90


def test_a_tail_that_is_ten_percent_slower_is_found_in_20_000_steps(rng):
    found = 0
    for _ in range(10):
        agent = rng.normal(0, 0.2, (4000, 1))
        a, b = (np.exp(3 + agent + rng.normal(0, 0.4, (4000, 5))) for _ in range(2))
        b = np.where(b > np.quantile(b, 0.985), b * 1.1, b)
        (one,) = quantile_differences(
            Resampling(4000, 4000, True, replicates=499), sample(a), sample(b), (0.99,)
        )
        found += one.p_value < 0.05 and one.delta > 0

    assert found >= 9


def test_two_ms_on_every_step_of_twenty_are_found_in_2_000(rng):
    a, b = sides(rng, lambda values: values + 2.0, sigma=0.1)

    verdict = judge_compare(a, b, "paired", Metric("p50"))

    assert verdict.verdict == "a_faster"
    (main, *_) = verdict.differences
    assert main.ci_ms[0] <= 2.0 <= main.ci_ms[1] * 1.2
    assert main.delta_ms > 0
    assert main.reason == "b takes longer"


def test_the_faster_side_is_named_whichever_it_is(rng):
    a, b = sides(rng, lambda values: values * 0.7)

    assert judge_compare(a, b, "paired").verdict == "b_faster"
    assert judge_compare(b, a, "paired").verdict == "a_faster"


def test_alike_within_the_margin_is_no_difference_and_beyond_it_is_not_known(rng):
    a, b = sides(rng, sigma=0.1)

    assert judge_compare(a, b, "paired", Metric("p50"), margin_percent=10).verdict == "no_difference"
    assert judge_compare(a, b, "paired", Metric("p50"), margin_percent=0.001).verdict == "inconclusive"


def test_a_difference_that_does_not_matter_is_none(rng):
    a, b = sides(rng, lambda values: values * 1.02, sigma=0.05)

    verdict = judge_compare(a, b, "paired", Metric("p50"), margin_percent=10)

    assert verdict.differences[0].p_value < 0.05
    assert verdict.verdict == "no_difference"


def test_too_few_steps_are_said_to_be_too_few(rng):
    a, b = Side("a", [evidence(rng.random(100))]), Side("b", [evidence(rng.random(100))])

    verdict = judge_compare(a, b, "paired")

    assert verdict.verdict == "inconclusive"
    assert verdict.reasons == ["too few steps (100); a p99 needs 368: replay at 4 times the --scale"]


def test_a_doubtful_generator_leaves_it_open(rng):
    a, b = sides(rng, lambda values: values * 2)
    doubtful = Side("b", [evidence(np.exp(rng.normal(4, 0.4, 2000)), STEPS, name="b", generator="suspect")])

    verdict = judge_compare(a, doubtful, "paired")

    assert verdict.verdict == "inconclusive"
    assert verdict.reasons == ["would say that a is faster, but b: the generator was suspect: CPU was at 99%"]
    assert judge_compare(a, b, "paired").verdict == "a_faster"


def test_rounds_that_disagree_leave_a_sequential_comparison_open(rng):
    def run(factor, name):
        return evidence(np.exp(rng.normal(3, 0.1, 2000)) * factor, STEPS, name=name)

    drifted = judge_compare(
        Side("a", [run(1.0, "a"), run(1.6, "a-2")]),
        Side("b", [run(1.5, "b"), run(1.5, "b-2")]),
        "sequential",
        Metric("p50"),
    )

    assert drifted.verdict == "inconclusive"
    assert "round 2" in drifted.reasons[0]


def test_all_other_differences_are_corrected_together(rng):
    a, b = sides(rng)

    verdict = judge_compare(a, b, "paired")

    main, *others = verdict.differences
    assert main.p_adjusted == main.p_value
    assert all(other.p_adjusted >= other.p_value for other in others)
    assert {other.series for other in others} == {"response", "service", "ttfb", "makespan"}


def test_what_is_far_apart_is_told_though_it_is_one_figure_of_many_and_the_one_asked_for_is_left_open(rng):
    a, b = (np.exp(rng.normal(3, 0.3, (100, 2))) * slower for slower in (1.0, 1.6))

    verdict = judge_compare(Side("a", [evidence(a, 2)]), Side("b", [evidence(b, 2)]), "paired")

    main, *others = verdict.differences
    assert main.verdict == verdict.verdict == "inconclusive"
    assert {(one.metric, one.series) for one in others if one.verdict == "a_faster"} >= {
        (metric, series) for metric in ("p50", "mean") for series in ("response", "service", "makespan")
    }
    assert verdict.notes[0].startswith("b takes longer all the same, by p50, ")
    assert verdict.notes[0].endswith(" and mean of the response times")


def test_runs_made_apart_are_said_to_be_so(rng):
    a, b = sides(rng)

    verdict = judge_compare(a, b, "unpaired")

    assert "made apart" in verdict.notes[0]


def test_a_against_itself_tells_the_noise_floor(rng):
    a, b = sides(rng)

    verdict = judge_compare(a, b, "paired", is_aa=True)

    assert 0 < verdict.noise_floor_percent < 50
    assert verdict.noise_floor_ms == verdict.differences[0].detectable_ms


@pytest.mark.parametrize(
    ("text", "metric"),
    [("p99", Metric("p99")), ("P99.9", Metric("p99_9")), ("mean(service)", Metric("mean", "service"))],
)
def test_a_metric_is_read(text, metric):
    assert parse_metric(text) == metric


@pytest.mark.parametrize("text", ["p0", "p100", "errors(ttft)", "p99(itl)", "fast", ""])
def test_a_metric_that_is_none_is_refused_in_plain_words(text):
    with pytest.raises(MetricError, match="cannot compare"):
        parse_metric(text)


def test_a_pause_of_one_target_alone_is_one_event_and_no_difference(rng):
    """Forty sessions in a row were hit once, on one side: exchanged as one block or two, that proves little."""
    a, b = (np.exp(rng.normal(3, 0.2, (1000, 5))) for _ in range(2))
    b[500:530] += 150

    verdict = judge_compare(
        Side("a", [evidence(a, 5, name="a")]), Side("b", [evidence(b, 5, name="b")]), "paired"
    )

    assert verdict.verdict == "inconclusive"


def named(a, b, metric):
    """Whether a side is; and no side is named beside an interval with zero in it."""
    found = judge_difference(
        Side("a", [queues.evidence_of(a)]),
        Side("b", [queues.evidence_of(b)]),
        "paired",
        Metric(metric),
        5.0,
        0.95,
    )
    is_named = found.verdict in ("a_faster", "b_faster")
    if is_named:
        low, high = (bound if bound is not None else 0.0 for bound in found.ci_ms)
        assert low > 0 or high < 0 or None in found.ci_ms
    return is_named


@pytest.mark.parametrize(("load", "n"), [(0.7, 2000), (0.7, 8000), (0.8, 4000), (0.9, 4000)])
@pytest.mark.parametrize("metric", ["p50", "p95"])
def test_two_queues_that_are_alike_are_called_different_no_more_often_than_stated(rng, load, n, metric):
    different = 0
    for _ in range(40):
        at_ms = queues.arrivals(rng, n, load)
        different += named(*(queues.one_worker(rng, n, load, at_ms) for _ in range(2)), metric)

    assert different <= 40 * 0.05 + 4 * (40 * 0.05 * 0.95) ** 0.5


def test_targets_of_equal_p99_and_other_shapes_are_not_told_apart_by_it(rng):
    """39 of 40 such comparisons named a side, by whether the two distributions were alike in everything."""
    different = 0
    for _ in range(60):
        humps = rng.lognormal(np.log(20), 0.3, 2000)
        slow = rng.random(2000) < 0.04
        humps[slow] = 100 + rng.normal(0, 0.5, int(slow.sum()))
        heavy = np.exp(np.log(100.337) + 1.2 * (rng.normal(size=2000) - 2.32635))
        at_ms = np.arange(2000) * 10.0
        different += named(queues.Made(at_ms, humps), queues.Made(at_ms, heavy), "p99")

    assert different <= 60 * 0.05 + 4 * (60 * 0.05 * 0.95) ** 0.5


def test_a_target_that_queues_without_end_is_slower_however_few_independent_stretches_there_are(rng):
    at_ms = queues.arrivals(rng, 2000, 0.5)
    swamped = queues.Made(at_ms, queues.one_worker(rng, 2000, 1.4).response_ms)

    assert named(queues.one_worker(rng, 2000, 0.5, at_ms), swamped, "p95")


@pytest.mark.parametrize(("n", "metric"), [(1, "mean"), (3, "errors"), (3, "mean"), (6, "p50")])
def test_a_few_requests_decide_nothing_not_even_that_there_is_no_difference(n, metric):
    made = queues.Made(np.arange(n) * 50.0, np.full(n, 5.0))
    found = judge_difference(
        Side("a", [queues.evidence_of(made)]), Side("b", [queues.evidence_of(made)]), "paired", Metric(metric),
        60.0, 0.95,
    )  # fmt: skip

    assert found.verdict == "inconclusive"


def test_half_a_percent_of_errors_is_no_matter_once_enough_is_seen_to_tell():
    made = queues.Made(np.arange(2000) * 10.0, np.full(2000, 5.0))
    sides = [Side(name, [queues.evidence_of(made)]) for name in "ab"]

    assert judge_difference(*sides, "paired", Metric("errors"), 5.0, 0.95).verdict == "no_difference"


def test_all_percentiles_of_a_measure_share_one_order(rng, monkeypatch):
    made = []
    monkeypatch.setattr(pair, "Ordered", lambda sample, blocks: made.append(1) or Ordered(sample, blocks))

    found = judge_compare(*sides(rng), "paired")

    percentiles = [one for one in found.differences if one.metric[0] == "p" and one.p_value is not None]
    measures = {(one.series, one.kind, one.name) for one in percentiles}
    assert len(made) == 2 * len(measures) < 2 * len(percentiles)
