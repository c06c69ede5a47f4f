"""Rules that end a run: how they are written, and when they hold."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.judge.gate.abort import LEAST_STEPS, AbortCheck, parse_abort
from replay.judge.measures.slo import parse_slo
from replay.judge.measures.slo_tokens import SloError
from replay.results.types import StepRecord

S = 1_000_000_000


def record(end_s, took_s=0.1, outcome="ok", **fields):
    end_ns = int(end_s * S)
    begun_ns = end_ns - int(took_s * S)
    known = {"session": "s", "step": "a", "kind": "tool", "name": "x", "target": "t", "intended_ns": begun_ns}
    return StepRecord(**{**known, "sent_ns": begun_ns, "end_ns": end_ns, "outcome": outcome, **fields})


def failed(end_s, error="status_5xx", **fields):
    return record(end_s, outcome="failed", error=error, **fields)


def seen(rule, records, now_s):
    check = AbortCheck(parse_abort(rule))
    check.add(records)
    return check.holds(int(now_s * S))


@pytest.mark.parametrize(
    ("text", "slo", "window_s"),
    [
        ("errors > 20% over 10s", "errors > 20%", 10.0),
        ("  p99(llm)>30s   OVER 1 min ", "p99(llm)>30s", 60.0),
        ('p95(tool:"one over two") > 2s over 5000ms', 'p95(tool:"one over two") > 2s', 5.0),
        ("rate < 1/s over 30s", "rate < 1/s", 30.0),
    ],
)
def test_a_rule_is_an_slo_and_the_time_that_it_looks_back_over(text, slo, window_s):
    rule = parse_abort(text)

    assert (rule.slo, rule.window_s) == (parse_slo(slo), window_s)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "errors > 20%",
            'a rule that ends a run needs a time to look back over, for example "errors > 20% over 10s".',
        ),
        (
            "errors > 20% over 10",
            'over "10" is not a valid duration. Write it with a unit, for example over 10s.',
        ),
        ("errors > 20% over 500ms", "the time that a rule looks back over lies between 1s and 10min."),
        ("errors > 20% over 11min", "the time that a rule looks back over lies between 1s and 10min."),
        ("p99 > baseline * 2 over 10s", "a rule that ends a run has a limit of its own, not one of baseline."),
        ("p99 > 1s after 30s over 10s", 'a rule that ends a run has no other window than "over 10s".'),
        (
            "p99(makespan) > 1s over 10s",
            "a rule that ends a run is about steps; a makespan is of whole sessions.",
        ),
    ],
)
def test_what_is_no_rule_is_told_plainly(text, message):
    with pytest.raises(SloError) as error:
        parse_abort(text)

    assert str(error.value) == message


def test_what_is_no_slo_is_pointed_at():
    with pytest.raises(
        SloError, match=r'unknown metric "eros"; known are|unknown metric "eros" \(did you mean'
    ):
        parse_abort("eros > 20% over 10s")


@given(st.text(max_size=80))
def test_any_text_is_a_rule_or_an_error_in_words(text):
    with contextlib.suppress(SloError):
        assert 1.0 <= parse_abort(text).window_s <= 600.0


def test_a_share_of_failures_holds_over_the_steps_that_ended_in_the_window():
    calm = [record(n / 10) for n in range(100)]
    bad = [failed(10 + n / 10) if n % 2 else record(10 + n / 10) for n in range(50)]

    assert seen("errors > 20% over 5s", calm, 10.0) is None
    assert (
        seen("errors > 20% over 5s", calm + bad, 14.95) == "errors 50% of 50 steps that ended in the last 5 s"
    )
    # The failures lie behind.
    assert seen("errors > 20% over 5s", calm + bad + [record(16 + n / 10) for n in range(50)], 20.95) is None


def test_nothing_holds_before_the_run_is_as_old_as_the_window():
    bad = [failed(n / 10) for n in range(90)]

    assert seen("errors > 20% over 10s", bad, 9.0) is None
    assert seen("rate < 100/s over 10s", bad, 9.0) is None
    assert seen("errors > 20% over 10s", bad, 10.0) is not None


def test_of_fewer_than_ten_steps_nothing_is_said_but_a_rate_may_be_of_none():
    few = [failed(20 + n / 10) for n in range(LEAST_STEPS - 1)]

    assert seen("errors > 20% over 5s", few, 22.0) is None
    assert seen("p50 > 1ms over 5s", few, 22.0) is None
    assert seen("rate < 1/s over 5s", [], 22.0) == "rate 0/s of 0 steps that ended in the last 5 s"


@pytest.mark.parametrize("per_s", [100, 2_000])
def test_a_rate_is_of_the_whole_window_however_many_steps_ended_in_it(per_s):
    steps = [record(n / per_s) for n in range(70 * per_s)]

    assert seen(f"rate < {0.9 * per_s:g}/s over 1min", steps, 69.0) is None
    assert seen(f"rate < {1.1 * per_s:g}/s over 1min", steps, 69.0) is not None
    assert seen(f"rate(tool:y) < {0.9 * per_s:g}/s over 1min", steps, 69.0) is not None
    assert seen(f"rate < {0.9 * per_s:g}/s over 1min", steps, 90.0) is not None


def test_a_share_is_of_the_whole_window_however_many_steps_ended_in_it(monkeypatch):
    """Half of what ended in the last twelve seconds failed, and none of what ended before."""
    monkeypatch.setattr("replay.judge.gate.abort.MOST_STEPS", 2_000)
    calm = [record(n / 100) for n in range(4_800)]
    bad = [failed(48 + n / 100) if n % 2 else record(48 + n / 100) for n in range(1_200)]

    assert seen("errors > 20% over 1min", calm + bad, 60.0) is None
    assert seen("errors > 20% over 20s", calm + bad, 60.0) is not None
    holds = seen("errors > 8% over 1min", calm + bad, 60.0)
    assert holds.endswith(" steps, drawn from those that ended in the last 60 s")


def test_a_failure_is_infinitely_slow_as_in_verdicts():
    steps = [record(10 + n / 10, took_s=0.1) for n in range(40)] + [failed(14 + n / 10) for n in range(10)]

    assert seen("p90 > 1s over 10s", steps, 15.0) == (
        "p90 response infinite, by failures of 50 steps that ended in the last 10 s"
    )
    assert seen("p50 > 1s over 10s", steps, 15.0) is None
    assert seen("p90(answered) > 50ms over 10s", steps, 15.0) is not None


def test_only_the_steps_that_are_named_count():
    steps = [failed(10 + n / 10, name="crm") for n in range(20)] + [record(10 + n / 10) for n in range(20)]

    assert seen("errors(tool:x) > 20% over 10s", steps, 12.5) is None
    assert seen("errors(tool:crm) > 20% over 10s", steps, 12.5) is not None
    assert seen("errors(timeout) > 20% over 10s", steps, 12.5) is None


def test_waits_retried_attempts_and_what_was_never_sent_are_no_steps_that_ended():
    beside = [
        record(11.0, sent_ns=None),
        failed(11.0, final=False),
        failed(11.0, "interrupted"),
        record(11.0, outcome="unsent", error="late", end_ns=None),
    ] * 20

    assert seen("errors > 1% over 10s", beside, 12.0) is None
    assert seen("rate < 1/s over 10s", beside, 12.0) == "rate 0/s of 0 steps that ended in the last 10 s"
