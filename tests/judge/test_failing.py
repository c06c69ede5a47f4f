"""Whoever fails more is not called faster, however quick the failures and the answers are."""

from math import inf

import msgspec
import numpy as np
import pytest

from replay.judge.comparison.metric import Metric
from replay.judge.comparison.pair import Side
from replay.judge.comparison.sides import judge_compare
from replay.judge.gate.judging import judge_gate
from replay.judge.measures.figures import figure_of
from replay.judge.measures.slo import parse_slo
from replay.results.columns import columns_of
from replay.results.evidence import Evidence
from tests.support.runs import step, summary


def run(rng, n=1000, failed=0.0, median_ms=50.0, failed_ms=1.0, name="run", **fields):
    """A run whose failures come quickly. fields: of a failed step."""
    fails = rng.random(n) < failed
    broken = {"outcome": "failed", "error": "status_5xx", "status": 503, **fields}
    records = [
        step(f"s-{i}", failed_ms, i, **broken)
        if fails[i]
        else step(f"s-{i}", float(median_ms * np.exp(rng.normal(0, 0.1))), i)
        for i in range(n)
    ]
    return Evidence(summary(failed=int(fails.sum())), columns_of([records]), name)


def compared(a, b, metric="p99"):
    return judge_compare(Side("a", [a]), Side("b", [b]), "paired", Metric(metric))


def test_a_target_that_refuses_everything_at_once_is_no_faster(rng):
    found = compared(run(rng), run(rng, failed=1.0))

    assert found.verdict == "a_faster"
    assert found.reasons == ["b fails: 100% of its steps failed, and its p99 falls among them"]
    assert (found.differences[0].b_ms, found.differences[0].n_failed_b) == (inf, 1000)


@pytest.mark.parametrize("metric", ["p50", "p90", "p99", "mean"])
def test_a_quicker_target_that_fails_more_is_not_called_faster_in_anything(rng, metric):
    found = compared(run(rng), run(rng, failed=0.05, median_ms=20.0), metric)

    assert found.verdict != "b_faster"
    assert not [d for d in found.differences if d.unit == "ms" and d.verdict == "b_faster"]


@pytest.mark.parametrize("failing", ["a", "b"])
def test_times_that_are_alike_are_told_with_who_fails_more(rng, failing):
    runs = {label: run(rng, failed=0.05 if label == failing else 0.0) for label in "ab"}

    found = compared(runs["a"], runs["b"], "p50")

    assert found.verdict == "no_difference"
    assert found.reasons[1].startswith(f"but {failing} fails more (")


def test_times_that_are_alike_where_both_fail_alike_are_told_as_that(rng):
    found = compared(run(rng, failed=0.05), run(rng, failed=0.05), "p50")

    assert found.verdict == "no_difference"
    assert len(found.reasons) == 1


def late(run):
    """The same run, of a machine that was late by 30 ms at most."""
    return msgspec.structs.replace(run, summary=summary(generator="suspect", late_ms=30.0))


@pytest.mark.parametrize("error", ["status_5xx", "protocol", "tool_error", "check", "reset"])
@pytest.mark.parametrize(
    ("metric", "failed"), [("p99", 1.0), ("p50", 1.0), ("errors", 1.0), ("errors", 0.1), ("p99", 0.1)]
)
def test_failures_that_no_lateness_makes_decide_though_this_machine_was_late(rng, metric, failed, error):
    a, b = run(rng), run(rng, failed=failed, error=error, name="b")
    whole = compared(a, b, metric)

    assert whole.verdict == "a_faster"
    for one, other in ((late(a), late(b)), (a, late(b)), (late(a), b)):
        found = compared(one, other, metric)
        assert found.verdict == "a_faster"
        assert found.reasons == [
            f"{whole.reasons[0]}; this machine was late by up to 30 ms, which changes nothing"
        ]
        assert compared(other, one, metric).verdict == "b_faster"


# A connection that was ended before an answer began may have been too old by as much as this machine was late.
IDLE_RESET = {"error": "reset", "first_byte_ns": None}


@pytest.mark.parametrize("fields", [{"error": "timeout"}, {"error": "local"}, {"error": "connect"}, IDLE_RESET])
@pytest.mark.parametrize("metric", ["p99", "errors"])
def test_failures_that_lateness_may_have_made_decide_nothing_then(rng, metric, fields):
    a, b = run(rng), run(rng, failed=0.2, name="b", **fields)

    assert compared(a, b, metric).verdict == "a_faster"
    assert compared(late(a), late(b), metric).verdict == "inconclusive"
    assert compared(late(a), b, metric).verdict == "a_faster"  # b's were on a machine that was in time


def test_those_that_may_be_ours_are_forgiven_only_to_the_side_that_fails_more(rng):
    few, many = {"failed": 0.2, "name": "a"}, {"failed": 0.5, "name": "b"}

    a, b = run(rng, **IDLE_RESET, **few), run(rng, **many)
    assert compared(late(a), late(b), "errors").verdict == "a_faster"
    a, b = run(rng, **few), run(rng, **IDLE_RESET, **many)
    assert compared(late(a), late(b), "errors").verdict == "inconclusive"


def test_nothing_else_stands_on_a_late_machine(rng):
    a, b = late(run(rng)), late(run(rng, median_ms=100.0, name="b"))

    assert compared(a, b).verdict == "inconclusive"
    assert compared(late(run(rng)), late(run(rng)), "errors").verdict == "inconclusive"


@pytest.mark.parametrize("facts", [{"late_ms": None}, {"generator": "saturated"}, {"status": "interrupted"}])
def test_failures_decide_nothing_where_more_was_wrong_than_lateness(rng, facts):
    broken = run(rng, failed=1.0, name="b")
    said = summary(**{"generator": "suspect", "late_ms": 30.0, **facts})
    b = msgspec.structs.replace(broken, summary=said)

    assert compared(run(rng), b).verdict == "inconclusive"
    assert compared(late(run(rng)), b).verdict == "inconclusive"


def test_it_says_which_of_the_two_it_is(rng):
    found = compared(run(rng), run(rng, failed=0.05, median_ms=20.0), "p50")

    assert found.verdict == "inconclusive"
    assert found.reasons[0].startswith("b is quicker where it answers, but b fails more (")


def test_percentiles_among_failures_on_both_sides_are_no_equality(rng):
    limit = {"error": "timeout", "phase": "first_byte", "censored": True, "status": None}

    found = compared(
        run(rng, failed=0.05, failed_ms=300.0, **limit), run(rng, failed=0.05, failed_ms=300.0, **limit)
    )

    assert found.verdict == "inconclusive"
    assert found.reasons == ["both fall among failures, so there are no times to compare"]


def test_targets_that_fail_alike_are_called_different_no_more_often_than_stated(rng):
    named = sum(
        compared(run(rng, 600, failed=0.01), run(rng, 600, failed=0.01)).verdict in ("a_faster", "b_faster")
        for _ in range(60)
    )

    assert named <= 60 * 0.05 + 4 * (60 * 0.05 * 0.95) ** 0.5


@pytest.mark.parametrize("error", ["connect", "timeout", "tool_error", "cut_short"])
def test_a_session_in_which_a_step_failed_has_no_makespan(rng, error):
    evidence = run(rng, 1000, failed=0.05, error=error)

    assert figure_of(parse_slo("p99(makespan) < 1s"), evidence, 0.95).observed == inf
    assert figure_of(parse_slo("p99(makespan, answered) < 1s"), evidence, 0.95).observed < 100


def test_a_stream_that_never_began_is_infinitely_late_with_its_first_token(rng):
    def stream(n, ms=None):
        fields = {"stream": True, "kind": "llm"}
        if ms is None:
            return step(
                f"s-{n}", 300.0, n, outcome="failed", error="timeout", phase="first_byte", censored=True,
                first_byte_ns=None, status=None, **fields,
            )  # fmt: skip
        first = int((n * 10 + ms) * 1e6)
        return step(
            f"s-{n}", ms + 20, n, first_token_ns=first, last_token_ns=first + 10_000_000, tokens=11, **fields
        )

    records = [stream(n, None if n % 5 == 0 else 5.0) for n in range(500)]
    evidence = Evidence(summary(), columns_of([records]), "r")
    slos = [
        "p95(ttft) < 400ms",
        "share(ttft < 400ms) >= 95%",
        "p95(tpot) < 400ms",
        "p95(ttfb) < 400ms",
        "max < 400ms",
    ]

    assert [c.verdict for c in judge_gate([parse_slo(slo) for slo in slos], evidence).checks] == ["fail"] * 5


def test_a_mean_with_failures_in_it_never_passes(rng):
    (check,) = judge_gate([parse_slo("mean < 80ms")], run(rng, 1000, failed=0.02)).checks

    assert check.verdict == "inconclusive"
    assert check.reason.endswith(
        "failed, and a failure has no time to take the mean of; bound errors, and write mean(answered)"
    )
    assert judge_gate([parse_slo("mean(answered) < 80ms")], run(rng, 1000, failed=0.02)).verdict == "pass"


def test_a_target_that_died_shows_what_it_answered():
    records = [step(f"s-{n}", 1.0, n, at_ms=n * 8) for n in range(450)]
    records += [
        step(
            f"s-{n}", 0.1, n, at_ms=n * 8, outcome="failed", error="connect", phase="connect", status=None,
            sent_ns=None, first_byte_ns=None,
        )
        for n in range(450, 1500)
    ]  # fmt: skip
    evidence = Evidence(summary(), columns_of([records]), "r")

    assert figure_of(parse_slo("rate >= 100/s"), evidence, 0.95).observed == pytest.approx(37.44, abs=0.01)


def test_tokens_are_timed_to_the_last_one_and_by_usage_where_events_carry_several():
    first = 10_000_000
    records = [
        step(
            f"s-{n}", 500.0, n, at_ms=0, kind="llm", first_token_ns=first, last_token_ns=first + 100_000_000,
            tokens=6, output_tokens=21,
        )
        for n in range(100)
    ]  # fmt: skip
    evidence = Evidence(summary(), columns_of([records]), "r")

    assert figure_of(parse_slo("p50(tpot) < 1s"), evidence, 0.95).observed == 5.0


def test_tokens_that_were_thought_and_not_shown_came_in_no_event():
    first = 10_000_000
    records = [
        step(
            f"s-{n}", 500.0, n, at_ms=0, kind="llm", first_token_ns=first, last_token_ns=first + 100_000_000,
            tokens=21, output_tokens=1021, hidden_tokens=1000,
        )
        for n in range(100)
    ]  # fmt: skip
    evidence = Evidence(summary(), columns_of([records]), "r")

    # By the usage alone it would be 0.1 ms: fifty times as fast as a reader sees them come.
    assert figure_of(parse_slo("p50(tpot) < 1s"), evidence, 0.95).observed == 5.0
