"""What kind of load a trace is, from its own profile."""

import numpy as np
import pytest

from replay.trace.profile.activity import MOST_SECONDS, Activity
from replay.trace.profile.pattern import classify
from replay.trace.profile.shape import profile


def test_seconds_are_counted_where_steps_start_and_run():
    activity = Activity()
    activity.step(500.0, 2_000.0)
    activity.step(1_000.0, 0.0)
    activity.step(5_200.0, 100.0)

    assert activity.starts().tolist() == [1, 1, 0, 0, 0, 1]
    assert activity.under_way().tolist() == [1, 2, 1, 0, 0, 1]


def test_a_recording_of_a_month_has_figures_by_time_and_takes_eight_bytes_a_second():
    activity = Activity()
    activity.step(1e3 * (MOST_SECONDS - 2), 0.0)

    assert len(activity.starts()) == MOST_SECONDS - 1
    assert activity.starts()[-1] == activity.under_way()[-1] == 1
    assert activity._starts.itemsize + activity._changes.itemsize == 8


def test_a_recording_of_many_days_has_no_figures_by_time():
    activity = Activity()
    activity.step(1e3 * MOST_SECONDS, 0.0)

    assert activity.starts().tolist() == []


def trace_of(write_trace, starts_ms, delay_ms=10.0):
    get = write_trace.get
    steps = [
        get("a", took_ms=400.0),
        get("b", after=[{"step": "a", "delay_ms": delay_ms}], at_ms=400.0 + delay_ms, took_ms=400.0),
    ]
    return profile(write_trace(*[(float(start), steps) for start in starts_ms])).load


def test_even_load_is_steady(write_trace):
    load = trace_of(write_trace, range(0, 120_000, 250))

    assert load.pattern.name == "steady state"
    assert load.cv_of_gaps == pytest.approx(0.0, abs=1e-9)
    assert load.dispersion["10s"] < 0.1


def test_random_arrivals_have_a_dispersion_and_a_variation_of_about_one(write_trace):
    rng = np.random.default_rng(1)

    load = trace_of(write_trace, np.sort(rng.uniform(0, 600_000, 3_000)))

    assert load.cv_of_gaps == pytest.approx(1.0, abs=0.1)
    assert load.dispersion["10s"] == pytest.approx(2.0, abs=0.6)  # every session brings two steps


def test_bursts_with_nothing_between_are_bursty(write_trace):
    load = trace_of(write_trace, [burst * 20_000 + n * 5 for burst in range(6) for n in range(50)])

    assert load.pattern.name == "bursty background"
    assert load.idle_ratio > 0.5
    assert [bucket.name for bucket in load.buckets] == ["idle", "normal", "peak"]
    assert sum(bucket.time_ratio for bucket in load.buckets) == pytest.approx(1.0)
    assert sum(bucket.events_ratio for bucket in load.buckets) == pytest.approx(1.0)


def held(write_trace, starts_ms, took_ms):
    steps = [write_trace.get("a", took_ms=took_ms)]
    return profile(write_trace(*[(float(start), steps) for start in starts_ms])).load


@pytest.mark.parametrize("took_s", [120, 300, 1800])
def test_a_constant_rate_of_long_requests_is_steady_however_few_begin_in_a_window(write_trace, took_s):
    """About six are under way all along."""
    rng = np.random.default_rng(3)
    span_s = 20 * took_s
    starts_s = np.sort(rng.uniform(0, span_s, 6 * 20))

    load = held(write_trace, 1000 * starts_s, 1000.0 * took_s)

    assert load.pattern.name == "steady state"
    assert load.idle_ratio < 0.05
    assert "as much is in flight all along" in load.pattern.rule


def test_long_requests_that_all_come_at_once_are_not_steady(write_trace):
    many = [hour * 3_600_000 + n for hour in range(4) for n in range(50)]

    load = held(write_trace, many, 900_000.0)

    assert load.pattern.name == "bursty background"


def test_a_base_that_stays_does_not_hide_a_peak_of_many_times_as_much(write_trace):
    base = [n * 10_000 for n in range(360)]
    peak = [1_800_000 + n * 100 for n in range(600)]

    load = held(write_trace, sorted(base + peak), 10_000.0)

    assert load.idle_ratio < 0.05
    assert load.pattern.name == "bursty background"


def test_an_even_trickle_with_nothing_under_way_most_of_the_time_is_not_called_steady(write_trace):
    load = held(write_trace, range(0, 1_200_000, 4_000), 200.0)

    assert load.pattern.name == "bursty background"
    assert load.idle_ratio == pytest.approx(0.75, abs=0.01)
    assert load.pattern.rule.startswith("not steady: 0% of the windows and 74.9% of the seconds empty")


def test_waits_are_no_load(write_trace):
    """A minute of an agent's own time between two short requests keeps no plane busy."""
    get = write_trace.get
    sleeps = {
        "id": "b",
        "kind": "tool",
        "name": "sleep",
        "after": [{"step": "a"}],
        "at_ms": 200.0,
        "took_ms": 59_000.0,
    }
    steps = [get("a", took_ms=200.0), sleeps]

    load = profile(write_trace(*[(60_000.0 * n, steps) for n in range(20)])).load

    assert load.idle_ratio > 0.9
    assert load.under_way_mean == pytest.approx(0.2 / 60, rel=0.1)


def test_a_persons_pauses_make_it_interactive(write_trace):
    rng = np.random.default_rng(2)

    load = trace_of(write_trace, np.sort(rng.uniform(0, 400_000, 30)), delay_ms=6_000.0)

    assert load.pattern.name == "interactive"
    assert load.pattern.rule.startswith("100% of the think times are 2 s or longer")


def test_too_short_a_recording_is_not_classified(write_trace):
    assert trace_of(write_trace, [0, 100]).pattern.name == "not classified"
    assert classify(3, 0.5, 2.0, 1.0, None).rule == "too few windows of load (3); it takes 6"
