"""What faults in a run did, on runs with outages of known length."""

import numpy as np
import pytest

from replay.judge.figures import Evidence
from replay.judge.recovery import Event, back_after_s, judge_recovery
from replay.results.columns import columns_of
from tests.judge.conftest import MS, step, summary

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
