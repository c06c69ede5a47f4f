"""A late generator: what its lateness cannot have changed is decided, all else is not."""

import numpy as np
import pytest

from replay.judge.gate.judging import judge_gate
from replay.judge.measures.slo import parse_slo
from replay.results.columns import columns_of
from replay.results.evidence import Evidence
from tests.support.runs import evidence, step, summary


@pytest.fixture
def late(rng):
    """A run of about 100 ms a step, on a machine that was late by 30 ms at most."""
    return evidence(rng.normal(100, 2, 3000), generator="suspect", late_ms=30.0)


def check(text, run):
    (found,) = judge_gate([parse_slo(text)], run).checks
    return found


@pytest.mark.parametrize(
    ("slo", "verdict"),
    [
        ("p99 < 120ms", "pass"),  # with all the lateness in it
        ("mean < 110ms", "pass"),
        ("max(response) < 200ms", "pass"),
        ("share(response < 150ms) >= 99%", "pass"),
        ("rate >= 1/s", "pass"),
        ("max(lag) < 1s", "pass"),
        ("p50 < 60ms", "fail"),  # by 40 ms, of which 30 may be lateness
        ("mean(service) < 60ms", "fail"),
        ("mean(service) < 140ms", "pass"),
        ("mean(service) < 120ms", "inconclusive"),  # what counts from sending may be too short, too
        ("p50 < 80ms", "inconclusive"),  # by 20 ms, which may all be lateness
        ("p50 > 60ms", "inconclusive"),  # perhaps only for being late
        ("share(response < 50ms) >= 99%", "inconclusive"),
        ("max(makespan) < 10ms", "inconclusive"),
        ("errors < 1%", "inconclusive"),
    ],
)
def test_what_lateness_cannot_have_changed_stands(late, slo, verdict):
    assert check(slo, late).verdict == verdict


def test_the_reason_says_why_it_stands(late):
    assert check("max(response) < 200ms", late).reason == (
        "holds in this run; this machine was late by up to 30 ms, which changes nothing"
    )


def test_nothing_stands_where_more_was_wrong_than_lateness(rng):
    values = rng.normal(100, 2, 3000)

    for facts in ({"generator": "suspect"}, {"generator": "saturated", "late_ms": 30.0}):
        assert check("p99 < 120ms", evidence(values, **facts)).verdict == "inconclusive"
        assert check("p50 < 60ms", evidence(values, **facts)).verdict == "inconclusive"


def test_a_pass_that_withstands_lateness_does_not_withstand_an_interruption(rng):
    run = evidence(rng.normal(100, 2, 3000), generator="suspect", late_ms=30.0, status="interrupted")

    assert check("p99 < 120ms", run).reason == (
        "would pass, but the run was interrupted, so the trace was not completed"
    )


@pytest.mark.parametrize(("error", "verdict"), [("status_5xx", "fail"), ("timeout", "inconclusive")])
def test_failures_stand_where_lateness_cannot_have_made_them(rng, error, verdict):
    places = rng.permutation(1000).tolist()
    records = [step(f"s-{n}", 100.0, n) for n in places[100:]]
    records += [step(f"f-{n}", 1.0, n, outcome="failed", error=error) for n in places[:100]]
    facts = summary(generator="suspect", late_ms=30.0, errors={error: 100})

    assert check("errors < 1%", Evidence(facts, columns_of([records]), "r")).verdict == verdict


@pytest.mark.parametrize(("error", "verdict"), [("status_5xx", "fail"), ("reset", "inconclusive")])
@pytest.mark.parametrize(("slo", "failed"), [("p50 < 60s", 1000), ("p99 < 60s", 100), ("max(ttfb) < 60s", 100)])
def test_a_time_without_end_stands_where_the_failures_do(rng, slo, failed, error, verdict):
    places = rng.permutation(1000).tolist()
    records = [step(f"s-{n}", 100.0, n) for n in places[failed:]]
    records += [step(f"f-{n}", 1.0, n, outcome="failed", error=error) for n in places[:failed]]
    facts = summary(generator="suspect", late_ms=30.0, errors={error: failed})

    assert check(slo, Evidence(facts, columns_of([records]), "r")).verdict == verdict


def test_taking_the_whole_lateness_off_every_step_changes_no_fail_that_stands(rng):
    """By simulation: whatever each step's lateness was, below the bound, the target alone fails as well."""
    for _ in range(20):
        own = rng.gamma(4, 20, 2000)
        run = evidence(own + rng.uniform(0, 30, 2000), generator="suspect", late_ms=30.0)
        for limit in np.linspace(40, 300, 14):
            if check(f"p95 < {limit:.0f}ms", run).verdict == "fail":
                assert check(f"p95 < {limit:.0f}ms", evidence(own)).verdict == "fail"


def test_lateness_is_what_a_bound_on_lag_is_about():
    steps = [step(f"s-{n}", 5.0, n, sent_ns=int((n * 10 + 30) * 1e6)) for n in range(100)]
    said = summary(generator="suspect", late_ms=300.0)
    found = [
        judge_gate([parse_slo(text)], Evidence(said, columns_of([steps]), "run")).checks[0]
        for text in ("max(lag) < 50ms", "max(lag) < 5ms")
    ]

    assert [check.verdict for check in found] == ["pass", "fail"]
    assert [check.reason for check in found] == ["holds in this run", "does not hold in this run"]
