"""A against A is rarely called different; what differs is found; and doubt is said."""

import msgspec
import numpy as np
import pytest

from replay.judge.comparison import pair
from replay.judge.comparison.metric import Metric, MetricError, parse_metric
from replay.judge.comparison.pair import Side
from replay.judge.comparison.sides import judge_compare, judge_difference
from replay.judge.comparison.slowest import slowest_of_one_side
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
    assert verdict.reasons == [
        "the figures say that a is faster, but b: the generator was suspect: CPU was at 99%"
    ]
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


NAMES = [("tool", "search"), ("tool", "batch")]


def run_of(times_ms, kind=None, ok=None, session=None):
    """Steps of two names at a steady rate; kind: 1 for the second of them."""
    n = len(times_ms)
    run = queues.evidence_of(queues.Made(np.arange(n) * 20.0, times_ms, session), ok=ok)
    series = np.zeros(n, np.int32) if kind is None else kind.astype(np.int32)
    return msgspec.structs.replace(run, columns=run.columns._replace(series=series, series_names=NAMES))


def usual(rng, n, sigma=0.5):
    return 10 * np.exp(rng.normal(0, sigma, n))


@pytest.mark.parametrize("has_name", [True, False])
@pytest.mark.parametrize(("metric", "says"), [("p50", "no_difference"), ("p99", "inconclusive")])
def test_one_step_in_five_hundred_that_takes_ten_seconds_on_one_side_is_said_beside_a_figure_without_it(
    rng, has_name, metric, says
):
    n = 4_000
    is_rare = np.arange(n) % 500 == 250
    a, b = (np.where(is_rare, ms, usual(rng, n)) for ms in (20.0, 10_000.0))
    sides_of = [Side(name, [run_of(times, is_rare & has_name)]) for name, times in (("a", a), ("b", b))]

    verdict = judge_compare(*sides_of, "paired", Metric(metric))

    assert verdict.verdict == says
    assert any(
        note.startswith("8 steps of b took 10 s or more, and none of a more than ") for note in verdict.notes
    )
    by_name = "the p50 of tool:batch (20 ms against 10 s)"
    assert has_name == any(
        note.startswith("b takes longer all the same") and by_name in note for note in verdict.notes
    )


@pytest.mark.parametrize("fails", ["a", "b"])
def test_no_step_is_said_to_be_slower_than_all_of_a_side_on_which_some_failed(rng, fails):
    """On the rare steps b takes ten seconds. Those of a time out after a minute, or some others of b do."""
    n = 4_000
    is_rare = np.arange(n) % 500 == 250
    times_a, times_b = usual(rng, n), np.where(is_rare, 10_000.0, usual(rng, n))
    failed = is_rare if fails == "a" else np.arange(n) % 500 == 300
    failing = times_a if fails == "a" else times_b
    failing[failed] = 60_000.0
    a, b = run_of(times_a, ok=~(failed & (fails == "a"))), run_of(times_b, ok=~(failed & (fails == "b")))

    verdict = judge_compare(Side("a", [a]), Side("b", [b]), "paired", Metric("p50"))

    said = [note for note in verdict.notes if "or more, and none of" in note]
    assert len(said) == (0 if fails == "a" else 1)
    assert all(note.startswith("8 steps of b took 10 s or more, and none of a more than ") for note in said)


def test_a_pause_of_one_side_is_one_moment_and_no_row_of_slow_steps(rng):
    n = 2_000
    a, b = usual(rng, n), usual(rng, n)
    b[1000:1010] = 900.0

    verdict = judge_compare(Side("a", [run_of(a)]), Side("b", [run_of(b)]), "paired", Metric("p50"))

    assert not any("or more, and none of" in note for note in verdict.notes)


def test_targets_that_are_alike_are_rarely_said_to_have_the_slowest_steps(rng):
    said = 0
    for _ in range(60):
        a, b = (run_of(10 * np.exp(rng.normal(0, 1.5, 400))) for _ in range(2))
        pair_of = pair.Pair(Side("a", [a]), Side("b", [b]), "paired")
        main = judge_difference(Side("a", [a]), Side("b", [b]), "paired", Metric("p50"), 5.0, 0.95)
        said += slowest_of_one_side(pair_of, main) is not None

    assert said <= 60 * 0.05 + 4 * (60 * 0.05) ** 0.5


@pytest.mark.parametrize("metric", ["p50", "mean"])
def test_a_side_that_was_not_asked_for_its_slow_steps_is_not_called_faster(rng, metric):
    """Sessions of a quick and a slow step; a tenth of the slow ones was never sent to b, where all take as long."""
    sessions = 1_500
    session, kind = np.repeat(np.arange(sessions, dtype=np.int32), 2), np.tile([0, 1], sessions)

    def times():
        return np.where(kind, 100.0, 10.0) * np.exp(rng.normal(0, 0.1, 2 * sessions))

    a, b = run_of(times(), kind, session=session), run_of(times(), kind, session=session)
    was_sent = ~(np.repeat(rng.random(sessions) < 0.1, 2) & (kind == 1))
    b = msgspec.structs.replace(b, columns=b.columns.where(was_sent))

    alone = judge_difference(Side("a", [a]), Side("b", [b]), "paired", Metric(metric), 5.0, 0.95)
    verdict = judge_compare(Side("a", [a]), Side("b", [b]), "paired", Metric(metric))

    n = 2 * sessions - int(was_sent.sum())
    assert alone.verdict == "b_faster"
    assert verdict.verdict == "inconclusive"
    assert verdict.reasons == [
        f"the figures say that b is faster, but not those of the steps that both tried: {n} steps were tried at a alone"
    ]


@pytest.mark.parametrize("metric", ["p50", "mean"])
def test_sides_that_each_left_out_as_many_steps_of_one_name_are_not_taken_for_alike(rng, metric):
    """Equal targets: a lacks 400 of the slow steps and b 400 of the quick ones, and all have one name."""
    n = 4_000
    ms = np.where(np.arange(n) % 2, 100.0, 10.0)
    a, b = (run_of(ms * np.exp(rng.normal(0, 0.1, n))) for _ in range(2))
    a = msgspec.structs.replace(a, columns=a.columns.where(np.arange(n) % 10 != 1))
    b = msgspec.structs.replace(b, columns=b.columns.where(np.arange(n) % 10 != 0))

    alone = judge_difference(Side("a", [a]), Side("b", [b]), "paired", Metric(metric), 5.0, 0.95)
    verdict = judge_compare(Side("a", [a]), Side("b", [b]), "paired", Metric(metric))

    apart = "400 steps were tried at a alone and 400 steps were tried at b alone"
    assert alone.verdict == "a_faster"
    assert verdict.verdict == "inconclusive"
    assert verdict.reasons == [
        f"the figures say that a is faster, but not those of the steps that both tried: {apart}"
    ]
    assert apart in verdict.notes


def test_no_other_figure_and_no_slowest_step_is_told_of_steps_that_one_side_tried_alone(rng):
    """The targets are equal. p95 stays where it was and p50 does not; of the ten steps of ten seconds b got none."""
    n = 4_000
    at = np.arange(n)
    ms = np.where(at % 2, 100.0, 10.0)
    ms[at % 400 == 1] = 10_000.0
    a, b = (run_of(ms * np.exp(rng.normal(0, 0.1, n))) for _ in range(2))
    a = msgspec.structs.replace(a, columns=a.columns.where((at % 10 != 1) | (at % 400 == 1)))
    b = msgspec.structs.replace(b, columns=b.columns.where((at % 10 != 0) & (at % 400 != 1)))

    verdict = judge_compare(Side("a", [a]), Side("b", [b]), "paired", Metric("p95"))

    apart = "410 steps were tried at a alone and 390 steps were tried at b alone"
    p50 = next(one for one in verdict.differences if (one.metric, one.series) == ("p50", "response"))
    assert (p50.verdict, p50.reason) == (
        "inconclusive",
        f"it does not hold of the steps that both tried: {apart}",
    )
    assert verdict.notes == [apart]


def test_another_figure_that_holds_of_the_steps_that_both_tried_is_told_all_the_same(rng):
    n = 4_000
    a, b = run_of(usual(rng, n)), run_of(1.5 * usual(rng, n), ok=rng.random(n) >= 0.001)
    b = msgspec.structs.replace(b, columns=b.columns.where(rng.random(n) >= 0.1))

    verdict = judge_compare(Side("a", [a]), Side("b", [b]), "paired", Metric("p99_9"))

    named = [
        one.metric for one in verdict.differences if one.series == "response" and one.verdict == "a_faster"
    ]
    assert {"p50", "p90", "p95", "mean"} <= set(named)
    assert any(note.startswith("b takes longer all the same, by p50, p90, p95") for note in verdict.notes)


def test_a_mean_of_answers_is_not_called_longer_for_the_quick_answers_that_failed(rng):
    n = 3_000
    kind = np.arange(n) % 2
    times = [np.where(kind, 100.0, 10.0) * np.exp(rng.normal(0, 0.1, n)) for _ in range(2)]
    ok = (kind == 1) | (rng.random(n) >= 0.4)

    verdict = judge_compare(
        Side("a", [run_of(times[0], kind)]), Side("b", [run_of(times[1], kind, ok)]), "paired", Metric("mean")
    )

    assert verdict.verdict == "inconclusive"
    assert verdict.reasons == [
        "the figures say that a is faster, but not those of the steps that both tried: some steps failed on one side alone"
    ]


def test_a_side_that_is_slower_is_called_so_though_some_steps_were_tried_at_the_other_alone(rng):
    n = 3_000
    a, b = run_of(usual(rng, n)), run_of(1.5 * usual(rng, n))
    b = msgspec.structs.replace(b, columns=b.columns.where(rng.random(n) >= 0.1))

    verdict = judge_compare(Side("a", [a]), Side("b", [b]), "paired", Metric("p50"))

    assert verdict.verdict == "a_faster"
    assert any("tried at a alone" in note for note in verdict.notes)


@pytest.mark.parametrize("metric", ["p50", "mean", "p99"])
def test_a_slow_first_round_of_one_target_does_not_make_the_other_faster(rng, metric):
    """A-B-B-A where the first to be asked meets a cold cache: the second round shows next to nothing."""
    named = 0
    for _ in range(10):
        rounds = [run_of(factor * usual(rng, 1_500, 0.2)) for factor in (1.5, 1.0, 1.0, 1.0)]
        a, b = Side("a", [rounds[0], rounds[3]]), Side("b", [rounds[1], rounds[2]])
        named += judge_compare(a, b, "sequential", Metric(metric)).verdict in ("a_faster", "b_faster")

    assert named == 0


def test_rounds_that_differ_either_way_are_no_equality(rng):
    rounds = [run_of(factor * usual(rng, 2_000, 0.1)) for factor in (1.0, 1.4, 1.0, 1.4)]

    verdict = judge_compare(
        Side("a", [rounds[0], rounds[3]]), Side("b", [rounds[1], rounds[2]]), "sequential", Metric("mean")
    )

    assert verdict.differences[0].verdict == "no_difference"
    assert verdict.verdict == "inconclusive"
    assert verdict.reasons == ["the rounds differ by more than the margin, one this way and one that"]


@pytest.mark.parametrize(("mode", "is_told"), [("unpaired", True), ("paired", False)])
def test_runs_that_were_made_with_another_load_are_told(rng, mode, is_told):
    a, b = (
        side._replace(runs=[msgspec.structs.replace(side.runs[0], options={"knobs": {"speed": speed}})])
        for side, speed in zip(sides(rng), (1.0, 2.0), strict=True)
    )

    told = [note for note in judge_compare(a, b, mode).notes if "--speed" in note]

    assert told == (
        ["side a had --speed 1.0, and side b 2.0: what differs may be the load, and not the target"]
        if is_told
        else []
    )


def test_whoever_takes_longer_for_its_failures_alone_is_said_to_fail(rng):
    """Refused at once, and as fast as the other where it answers: "b takes longer" was all that was said of its p50."""
    n = 2_000
    times = [10 * np.exp(rng.normal(0, 0.5, n)) for _ in "ab"]
    refused = rng.random(n) < 0.2
    a, b = run_of(times[0]), run_of(np.where(refused, 1.0, times[1]), ok=~refused)

    verdict = judge_compare(Side("a", [a]), Side("b", [b]), "paired", Metric("p50"))

    assert verdict.verdict == "a_faster"
    assert verdict.reasons[0].startswith("b takes longer, and b fails more (")
    assert verdict.reasons[0].endswith(" of its steps against 0%), each of which counts as infinitely slow")


def test_attempts_that_a_side_had_to_repeat_are_told_of_it(rng):
    a, b = (run_of(10 * np.exp(rng.normal(0, 0.5, 500))) for _ in "ab")
    counts = msgspec.structs.replace(b.summary.counts, sent=500, retries=25)
    b = msgspec.structs.replace(b, summary=msgspec.structs.replace(b.summary, counts=counts))

    notes = judge_compare(Side("old", [a]), Side("new", [b]), "paired", Metric("p50")).notes

    told = [note for note in notes if "had another after" in note]
    assert told == [
        "new: 25 attempts failed and had another after it (4.76% of all); errors are of steps, each by its last attempt"
    ]


def sessions_that_fail_whole(rng, sessions, share, steps=20):
    """Of the sessions this share fails, from the first step to the last."""
    n = sessions * steps
    session = np.repeat(np.arange(sessions, dtype=np.int32), steps)
    ok = np.repeat(rng.random(sessions) >= share, steps)
    return queues.evidence_of(queues.Made(np.arange(n) * 10.0, rng.lognormal(2, 0.4, n), session), ok=ok)


@pytest.mark.parametrize("sessions", [20, 100])
def test_a_session_that_fails_whole_on_one_side_is_one_event(rng, sessions):
    """The side without a failure shows nothing of how they cluster: half of the pairs of 20 sessions named a side."""
    runs, named = 60, 0
    for _ in range(runs):
        pair_of = [Side(name, [sessions_that_fail_whole(rng, sessions, 0.03)]) for name in "ab"]
        found = judge_difference(*pair_of, "paired", Metric("errors"), 5.0, 0.95)
        named += found.verdict in ("a_faster", "b_faster")

    assert named / runs <= 0.05


def test_a_third_of_the_sessions_that_fail_on_one_side_alone_are_told(rng):
    a, b = (Side(name, [sessions_that_fail_whole(rng, 100, share)]) for name, share in (("a", 0.0), ("b", 0.3)))

    assert judge_difference(a, b, "paired", Metric("errors"), 5.0, 0.95).verdict == "a_faster"
