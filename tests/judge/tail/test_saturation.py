"""Runs whose load and drift are known by how they were made."""

import numpy as np
import pytest

from replay.judge.tail.saturation import find_drift, saturation
from replay.results.columns import columns_of
from tests.support.runs import Evidence, step, summary


def run_of(took_ms, every_ms=10.0, names=("search",), kinds=("tool",)):
    records = [
        step(f"s-{n}", float(ms), n, at_ms=n * every_ms, name=names[n % len(names)], kind=kinds[n % len(kinds)])
        for n, ms in enumerate(took_ms)
    ]
    return Evidence(summary(), columns_of([records]), "run")


def test_littles_law_holds_for_what_was_in_flight():
    found = saturation(run_of(np.full(2000, 50.0)))

    assert found.in_flight[0].mean == pytest.approx(5.0, rel=0.01)
    assert found.in_flight[0].peak == 5
    assert found.little_ratio == pytest.approx(1.0, abs=0.01)
    assert found.little_holds


def test_kinds_are_told_apart_and_add_up():
    run = run_of(np.tile([50.0, 150.0], 1000), names=("search", "plan"), kinds=("tool", "llm"))

    every, llm, tool = saturation(run).in_flight

    assert [every.kind, llm.kind, tool.kind] == ["all", "llm", "tool"]
    assert llm.mean == pytest.approx(7.5, rel=0.02)
    assert tool.mean == pytest.approx(2.5, rel=0.02)
    assert np.array(llm.by_time) + np.array(tool.by_time) == pytest.approx(np.array(every.by_time), abs=0.01)


def test_a_target_that_falls_behind_leaves_a_backlog():
    found = saturation(run_of(np.linspace(10, 10_000, 2000)))

    # due at t it takes t / 2, so of 20 s the last third is still under way at the end
    assert found.backlog == pytest.approx(2000 / 3, rel=0.01)


def test_a_target_that_grows_slower_by_half_is_found_with_its_slope(rng):
    rising = np.linspace(100, 150, 5000) * rng.lognormal(0, 0.3, 5000)

    drift = saturation(run_of(rising)).drift

    assert drift.trend == "slower"
    assert drift.ci_percent[0] < drift.change_percent < drift.ci_percent[1]
    # from the middle of the first part to that of the last, of twenty
    assert drift.change_percent == pytest.approx(100 * 0.475 / 1.0125, abs=8)
    assert drift.slope_percent_per_min == pytest.approx(drift.change_percent / 47.5 * 60, rel=0.01)


def test_a_target_that_warms_up_over_the_run_grows_faster(rng):
    falling = np.linspace(150, 100, 5000) * rng.lognormal(0, 0.3, 5000)

    assert find_drift(run_of(falling).columns).trend == "faster"


def test_a_change_of_the_mix_is_no_drift(rng):
    slow = rng.random(5000) < np.linspace(0.1, 0.9, 5000)
    records = [
        step(
            f"s-{n}",
            float(rng.normal(500 if is_slow else 50, 5)),
            n,
            name="plan" if is_slow else "search",
            at_ms=n * 10,
        )
        for n, is_slow in enumerate(slow)
    ]

    assert find_drift(columns_of([records])).trend == "steady"


def test_a_steady_target_is_called_drifting_no_more_often_than_the_test_allows(rng):
    trends = [find_drift(run_of(rng.lognormal(4, 0.5, 600)).columns).trend for _ in range(100)]

    assert sum(trend != "steady" for trend in trends) <= 4  # 1 expected


def test_a_short_run_cannot_tell():
    drift = saturation(run_of([50.0] * 30)).drift

    assert (drift.trend, drift.why) == ("unknown", "80 steps are needed to tell, and the run has 30")


def test_a_run_that_sent_nothing_was_not_full():
    found = saturation(Evidence(summary(), columns_of([]), "run"))

    assert (found.in_flight, found.little_ratio, found.drift.trend) == ([], None, "unknown")
