"""What faults in a run did, on runs with outages of known length."""

import numpy as np
import pytest

from replay.judge.load.recovery import Event, back_after_s, judge_recovery
from replay.results.columns import columns_of
from replay.results.evidence import Evidence
from tests.support.runs import MS, step, summary

AT_NS = 10_000 * MS


def run_of(records):
    return Evidence(summary(), columns_of([records]), "run")


def steady(rng, seconds=30, per_s=20, took_ms=lambda at_ms, drawn: drawn, ok=lambda at_ms: True):
    """So many steps a second of about 20 ms, changed by when they are due."""
    found = []
    for n in range(seconds * per_s):
        at_ms = n * 1000 / per_s
        fields = {} if ok(at_ms) else {"outcome": "failed", "error": "status_5xx", "status": 503}
        found.append(step(f"s-{n}", took_ms(at_ms, float(rng.lognormal(3.0, 0.2))), n, at_ms=at_ms, **fields))
    return found


def only_fault(records, what="kill", at_ns=AT_NS):
    (fault,) = judge_recovery(run_of(records), [Event(at_ns, what)]).faults
    return fault


def test_an_outage_is_felt_counted_and_over_when_it_is(rng):
    fault = only_fault(steady(rng, ok=lambda at_ms: not 10_000 <= at_ms < 14_000))

    assert fault.errors == {"status_5xx": 80}
    assert fault.failed_steps == fault.sessions_lost == 80
    assert fault.detect_s == pytest.approx(0.02, abs=0.05)
    assert fault.recovered_s == pytest.approx(4.0, abs=0.1)


def test_a_fault_that_another_follows_at_once_has_no_time_of_its_own_even_at_the_start(rng):
    records = steady(rng, ok=lambda at_ms: at_ms >= 4_000)

    first, second = judge_recovery(run_of(records), [Event(0, "deploy"), Event(0, "kill")]).faults

    assert (first.failed_steps, second.failed_steps) == (0, 80)


def test_slowness_alone_is_felt_too(rng):
    fault = only_fault(
        steady(rng, took_ms=lambda at_ms, drawn: drawn * (10 if 10_000 <= at_ms < 12_000 else 1))
    )

    assert (fault.failed_steps, fault.errors) == (0, {})
    assert fault.recovered_s == pytest.approx(2.0, abs=0.1)


def test_a_fault_that_nobody_feels_is_over_at_once(rng):
    fault = only_fault(steady(rng))

    assert (fault.failed_steps, fault.recovered_s) == (0, 0.0)


def test_a_target_that_stays_away_is_not_said_to_have_recovered(rng):
    fault = only_fault(steady(rng, ok=lambda at_ms: at_ms < 10_000))

    assert fault.recovered_s is None


def test_what_was_under_way_and_lost_counts_though_all_that_came_later_was_well(rng):
    records = steady(rng)
    records.append(step("victim", 1200.0, 9_999, at_ms=9_000.0, outcome="failed", error="reset", status=None))

    fault = only_fault(records)

    assert fault.errors == {"reset": 1}
    assert fault.recovered_s == pytest.approx(0.2, abs=0.01)


def test_retries_are_counted_with_their_success_and_by_name(rng):
    records = steady(rng)
    for n, record in enumerate(records):
        if 10_000 * MS <= record.intended_ns < 11_000 * MS:
            record.attempt, record.name = 2, "crm"
            if n % 2 == 0:
                record.outcome, record.error = "failed", "reset"

    fault = only_fault(records)

    assert fault.retried_steps == pytest.approx(20, abs=1)
    assert fault.retried_ok == 9  # the last of them came when the target was back
    assert set(fault.retried) == {"crm"}
    assert fault.amplification.before == 1.0
    assert fault.amplification.during == pytest.approx(2.0, abs=0.2)
    assert fault.amplification.after == pytest.approx(1.0, abs=0.01)


def test_each_of_several_faults_has_what_followed_it(rng):
    records = steady(rng, ok=lambda at_ms: not (5_000 <= at_ms < 6_000 or 20_000 <= at_ms < 22_000))

    first, second = judge_recovery(run_of(records), [Event(20_000 * MS, "b"), Event(5_000 * MS, "a")]).faults

    assert (first.what, second.what) == ("a", "b")
    assert (first.failed_steps, second.failed_steps) == (20, 40)


def test_a_run_in_which_nothing_was_sent_after_the_fault_says_nothing_of_recovery(rng):
    fault = only_fault(steady(rng, seconds=5, ok=lambda at_ms: at_ms < 4_000), at_ns=4_900 * MS)

    assert fault.recovered_s is None


def test_an_overload_is_over_when_response_times_are_what_they_were(rng):
    def took(at_ms, drawn):
        return drawn + max(0.0, 8_000 - abs(at_ms - 12_000)) / 10

    columns = columns_of([steady(rng, took_ms=took)])

    assert back_after_s(columns, 4_000 * MS, 12_000 * MS) == pytest.approx(8.0, abs=0.6)
    assert back_after_s(columns_of([steady(rng)]), 4_000 * MS, 12_000 * MS) == 0.0


def test_outages_of_any_length_are_measured_within_a_tenth_of_a_second():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        length_ms = float(rng.uniform(500, 8_000))
        fault = only_fault(steady(rng, ok=lambda at_ms, until=10_000 + length_ms: not 10_000 <= at_ms < until))

        assert fault.recovered_s == pytest.approx(length_ms / 1000, abs=0.1)


def of_two_kinds(rng, wait_ms):
    """Quick tool calls, and model calls of about 3 s; for wait_ms after the fault the few tool calls wait."""
    found = [step(f"m-{n}", 3000.0 + n % 9, n, kind="llm", name="ask", at_ms=n * 100.0) for n in range(300)]
    for n in range(60):
        at_ms = n * 500.0 + 10
        waits_ms = max(0.0, 10_000 + wait_ms - at_ms) if at_ms >= 10_000 else 0.0
        found.append(
            step(f"t-{n}", 60.0 + waits_ms + float(rng.uniform(0, 40)), 1000 + n, name="crm", at_ms=at_ms)
        )
    return found


def test_a_step_is_late_by_those_of_its_own_kind_and_name(rng):
    fault = only_fault(of_two_kinds(rng, wait_ms=1200.0))

    # Two in twenty-four are late, and none takes as long as any model call: a yardstick of all together sees nothing.
    assert fault.detect_s == pytest.approx(1.25, abs=0.06)
    assert fault.recovered_s == pytest.approx(1.25, abs=0.3)


def test_a_silence_of_two_steps_is_none_of_no_time(rng):
    records = [step(f"s-{n}", 20.0 + n % 5, n, at_ms=n * 1000.0) for n in range(10)]
    records += [
        step("a", 1180.0, 10, at_ms=10_020.0),
        step("b", 1100.0, 11, at_ms=10_100.0),
        *(step(f"t-{n}", 20.0 + n % 5, 12 + n, at_ms=11_500.0 + n * 1000.0) for n in range(10)),
    ]

    assert only_fault(records).recovered_s == pytest.approx(1.2, abs=0.01)


def test_after_failures_a_target_is_back_with_its_first_answer(rng):
    records = [step(f"s-{n}", 20.0 + n % 5, n, at_ms=n * 1000.0) for n in range(10)]
    records += [
        step("a", 4.0, 10, at_ms=10_000.0, outcome="failed", error="reset", status=None),
        *(step(f"t-{n}", 20.0 + n % 5, 12 + n, at_ms=12_500.0 + n * 1000.0) for n in range(10)),
    ]

    assert only_fault(records).recovered_s == pytest.approx(2.5, abs=0.01)


def test_a_kind_seen_too_seldom_before_is_held_to_all_of_them(rng):
    records = steady(rng)
    records += [step(f"r-{n}", 30.0, 2000 + n, name="rare", at_ms=11_000.0 + n) for n in range(3)]

    assert only_fault(records).recovered_s == 0.0


def test_a_fault_that_meets_nothing_says_nothing_of_recovery(rng):
    fault = only_fault(steady(rng, seconds=5), at_ns=9_000 * MS)

    assert (fault.under_way, fault.sent_after, fault.recovered_s) == (0, 0, None)


def test_what_the_fault_met_is_counted(rng):
    records = [step("long", 3_000.0, 0, at_ms=9_000.0), step("next", 20.0, 1, at_ms=11_000.0)]
    fault = only_fault(records)

    assert (fault.under_way, fault.sent_after) == (1, 1)
