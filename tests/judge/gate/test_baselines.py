"""A limit from other runs is as doubtful as they are, and never makes more of a run than the run shows by itself."""

import msgspec
import numpy as np
import pytest

from replay.judge.gate.judging import judge_gate
from replay.judge.measures.slo import parse_slo
from replay.results.columns import columns_of
from replay.results.evidence import Evidence
from tests.judge.queues import Made, evidence_of
from tests.support.runs import evidence, step, summary


def check(text, run, baselines):
    (found,) = judge_gate([parse_slo(text)], run, baselines).checks
    return found


def run_of(values_ms, failed=()):
    records = [step(f"s-{n}", float(ms), n) for n, ms in enumerate(values_ms)]
    for n in failed:
        records[n] = msgspec.structs.replace(records[n], outcome="failed", status=503, error="status_5xx")
    return Evidence(summary(), columns_of([records]), "run")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_session_that_fails_whole_decides_nothing_beside_runs_without_one(rng, count):
    """Of 20 sessions, of which three in a hundred fail whole, a quarter of the runs failed, and as many passed."""
    session = np.repeat(np.arange(20, dtype=np.int32), 20)

    def made():
        ok = np.repeat(rng.random(20) >= 0.03, 20)
        return evidence_of(Made(np.arange(400) * 10.0, rng.lognormal(2, 0.4, 400), session), ok=ok)

    said = [check("errors < baseline", made(), [made() for _ in range(count)]).verdict for _ in range(60)]

    assert said.count("inconclusive") >= 57


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_run_of_a_few_steps_passes_no_percentile_however_many_baselines_there_are(rng, count):
    baselines = [run_of(np.exp(rng.normal(3, 0.5, 2000))) for _ in range(count)]

    found = check("p99 < baseline * 1.1", run_of([10.0]), baselines)

    assert found.verdict == "inconclusive"
    assert found.ci_ms[1] is None
    assert found.reason.startswith("too few samples for a confidence interval")


@pytest.mark.parametrize("count", [3, 5])
def test_baselines_of_a_few_steps_fail_no_run(rng, count):
    baselines = [run_of([10.0, 10.1, 9.9]) for _ in range(count)]

    assert (
        check("p99 < baseline * 1.1", run_of(np.exp(rng.normal(3, 0.5, 2000))), baselines).verdict
        == "inconclusive"
    )


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_mean_is_not_passed_where_steps_failed_however_many_baselines_there_are(rng, count):
    baselines = [run_of(rng.normal(20, 1, 2000)) for _ in range(count)]
    run = run_of(rng.normal(20, 1, 2000), failed=range(0, 2000, 20))

    found = check("mean < baseline * 1.1", run, baselines)

    assert found.verdict == "inconclusive"
    assert found.ci_ms[1] is None
    assert found.reason.startswith("100 of 2,000 steps failed, and a failure has no time to take the mean of")


@pytest.mark.parametrize(
    "text", ["p99 < baseline * 1.1", "p99 > baseline * 0.5", "max < baseline * 1.1", "max <= baseline"]
)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_baseline_whose_figure_falls_among_its_failures_gives_no_limit(rng, text, count):
    baselines = [run_of(np.exp(rng.normal(3, 0.5, 2000))) for _ in range(count)]
    baselines[0] = run_of(np.exp(rng.normal(3, 0.5, 2000)), failed=range(0, 2000, 40))

    found = check(text, run_of(np.exp(rng.normal(3, 0.5, 2000))), baselines)

    assert found.verdict == "inconclusive"
    assert (
        found.reason
        == "the baseline's figure falls among its own failures, so there is no limit to compare this run with"
    )
    assert (found.limit_ms, found.ci_ms) == (None, None)


@pytest.mark.parametrize("count", [1, 2])
def test_only_the_steps_that_are_asked_for_are_held_to_those_of_a_baseline(rng, count):
    def made(failed_ms):
        values = 50 + rng.random(3000)
        values[::3] = failed_ms + rng.random(1000)
        return run_of(values, failed=range(0, 3000, 3))

    slow = check("p50(failed) < baseline * 2", made(40), [made(1)] * count)
    alike = check("p50(failed) < baseline * 2", made(40), [made(40)] * count)
    answered = check("p99(answered) < baseline * 1.3", made(40), [made(1)] * count)

    assert (slow.verdict, alike.verdict, answered.verdict) == ("fail", "pass", "pass")
    assert 40 < slow.ci_ms[0] <= slow.ci_ms[1] < 41
    assert 50 < answered.ci_ms[0] <= answered.ci_ms[1] < 51


def test_what_decides_is_of_the_limit_that_is_shown_where_two_baselines_differ(rng):
    times = np.exp(rng.normal(3, 0.2, 3000))
    baselines = [run_of(times), run_of(times * 10)]

    beyond = check("p99 < baseline * 1.1", run_of(times * 8), baselines)
    far_beyond = check("p99 < baseline * 1.1", run_of(times * 30), baselines)

    assert beyond.observed_ms > beyond.limit_ms
    assert beyond.verdict == "inconclusive"
    assert far_beyond.verdict == "fail"


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("statistic", ["p95", "mean"])
def test_at_the_figure_of_its_baselines_a_run_is_rarely_decided(rng, statistic, count):
    def made():
        return evidence(np.exp(rng.normal(3, 0.5, 400)))

    decided = [
        check(f"{statistic} < baseline", made(), [made() for _ in range(count)]).verdict for _ in range(60)
    ]

    for side in ("pass", "fail"):
        assert decided.count(side) <= 60 * 0.025 + 4 * (60 * 0.025) ** 0.5


@pytest.mark.parametrize(
    ("slo", "run_ms", "verdict"),
    [
        ("p50 < baseline * 1.1", 200, "fail"),
        ("mean < baseline + 20ms", 200, "fail"),
        (
            "p50 < baseline * 1.1",
            100,
            "inconclusive",
        ),  # the limit may be too high by what the baseline was late
        ("p50(service) < baseline * 1.1", 200, "inconclusive"),  # a late stamp makes it shorter as well
        ("p50(answered) < baseline * 1.1", 200, "inconclusive"),
        ("p50 > baseline * 0.9", 50, "inconclusive"),
    ],
)
def test_a_fail_beside_a_late_baseline_stands_since_that_is_only_too_slow(rng, slo, run_ms, verdict):
    late = evidence(rng.normal(100, 2, 2000), generator="suspect", late_ms=30.0)

    assert check(slo, evidence(rng.normal(run_ms, 2, 2000)), [late]).verdict == verdict


def test_what_a_late_baseline_sent_all_at_once_may_have_come_apart_so_its_failures_may_be_too_few(rng):
    run = run_of([100.0] * 2000, failed=range(0, 2000, 5))
    late = evidence([100.0] * 2000, generator="suspect", late_ms=30.0)

    assert check("errors < baseline + 1%", run, [run_of([100.0] * 2000)]).verdict == "fail"
    assert check("errors < baseline + 1%", run, [late]).verdict == "inconclusive"


def test_a_baseline_of_which_more_is_in_doubt_than_lateness_decides_nothing(rng):
    run, values = evidence(rng.normal(200, 2, 2000)), rng.normal(100, 2, 2000)

    for facts in (
        {"generator": "suspect"},
        {"generator": "saturated", "late_ms": 30.0},
        {"generator": "suspect", "late_ms": 30.0, "status": "interrupted"},
    ):
        assert check("p50 < baseline * 1.1", run, [evidence(values, **facts)]).verdict == "inconclusive"


def test_beside_several_baselines_a_late_one_may_have_hidden_how_they_scatter(rng):
    baselines = [evidence(rng.normal(100, 2, 2000), generator="suspect", late_ms=30.0) for _ in range(3)]

    assert (
        check("p50 < baseline * 1.1", evidence(rng.normal(200, 2, 2000)), baselines).verdict == "inconclusive"
    )


def test_what_fails_beside_a_late_baseline_fails_beside_the_same_on_time(rng):
    for _ in range(40):
        own, run = rng.normal(100, 5, 1000), evidence(rng.normal(rng.uniform(100, 180), 5, 1000))
        late = evidence(own + rng.uniform(0, 30, 1000), generator="suspect", late_ms=30.0)
        if check("p90 < baseline * 1.1", run, [late]).verdict == "fail":
            assert check("p90 < baseline * 1.1", run, [evidence(own)]).verdict == "fail"
