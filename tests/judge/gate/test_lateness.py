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


SLOS_THAT_FAILURES_BREAK = [
    ("p50 < 60s", 1000),
    ("p99 < 60s", 100),
    ("max(ttfb) < 60s", 100),
    ("errors < 1%", 100),
]


def failing(rng, failed, late_ms, **fields):
    """A run of 1,000 steps, of which so many failed, on a machine that was late by so much at most."""
    places = rng.permutation(1000).tolist()
    records = [step(f"s-{n}", 100.0, n) for n in places[failed:]]
    records += [step(f"f-{n}", 1.0, n, outcome="failed", **fields) for n in places[:failed]]
    facts = summary(generator="suspect", late_ms=late_ms, errors={fields["error"]: failed})
    return Evidence(facts, columns_of([records]), "r")


@pytest.mark.parametrize(("error", "verdict"), [("status_5xx", "fail"), ("timeout", "inconclusive")])
@pytest.mark.parametrize(("slo", "failed"), SLOS_THAT_FAILURES_BREAK)
def test_a_time_without_end_stands_where_the_failures_do(rng, slo, failed, error, verdict):
    assert check(slo, failing(rng, failed, 30.0, error=error)).verdict == verdict


@pytest.mark.parametrize(
    ("timeouts", "slow", "verdict"),
    [
        (0, 45, "fail"),
        # Had the steps that timed out been quick, one in 150 would have been slow.
        (25, 20, "inconclusive"),
        (25, 60, "fail"),
    ],
)
def test_a_time_that_failures_push_beyond_the_limit_stands_if_it_is_there_without_them(
    rng, timeouts, slow, verdict
):
    """The figure is an answer's, and would be another one's without failures that lateness may have made."""
    places = rng.permutation(3000).tolist()
    records = [step(f"f-{n}", 30_000.0, n, outcome="failed", error="timeout") for n in places[:timeouts]]
    records += [step(f"m-{n}", 500.0, n) for n in places[timeouts : timeouts + slow]]
    records += [step(f"s-{n}", 100.0, n) for n in places[timeouts + slow :]]
    facts = summary(generator="suspect", late_ms=30.0, errors={"timeout": timeouts})

    assert check("p99 < 300ms", Evidence(facts, columns_of([records]), "r")).verdict == verdict


@pytest.mark.parametrize(
    ("late_ms", "fields", "verdict"),
    [
        (30.0, {}, "fail"),
        (30.0, {"first_byte_ns": None, "connection": "new"}, "fail"),
        # A connection that was about to be closed for being idle may have been a moment too old.
        (30.0, {"first_byte_ns": None}, "inconclusive"),
        # A time limit of the target's may have passed.
        (3_000.0, {}, "inconclusive"),
    ],
)
@pytest.mark.parametrize(("slo", "failed"), SLOS_THAT_FAILURES_BREAK)
def test_an_answer_that_is_cut_off_is_the_targets_fault_unless_this_machine_was_very_late(
    rng, slo, failed, late_ms, fields, verdict
):
    """A target that cut off all of its answers was no fail on a machine that was late by 20 ms."""
    assert check(slo, failing(rng, failed, late_ms, error="reset", **fields)).verdict == verdict


@pytest.mark.parametrize("slo", ["errors < 1%", "p95 < 60s"])
def test_one_step_that_timed_out_does_not_excuse_a_hundred_others(rng, slo):
    places = rng.permutation(1000).tolist()
    records = [step(f"s-{n}", 100.0, n) for n in places[101:]]
    records += [step(f"f-{n}", 1.0, n, outcome="failed", error="status_5xx") for n in places[1:101]]
    records.append(step("late", 1.0, places[0], outcome="failed", error="timeout"))
    facts = summary(generator="suspect", late_ms=30.0, errors={"status_5xx": 100, "timeout": 1})

    assert check(slo, Evidence(facts, columns_of([records]), "r")).verdict == "fail"


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
