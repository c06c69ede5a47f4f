"""Runs whose load and drift are known by how they were made."""

import re

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


def test_a_target_that_is_slow_for_a_while_and_fast_for_another_does_not_drift():
    """For some five seconds of 30 each. Were its times independent, one such run in five would drift."""
    drifting = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        level, levels = 0.0, []
        for drawn in rng.normal(0, (1 - 0.998**2) ** 0.5, 3000).tolist():
            level = 0.998 * level + drawn
            levels.append(level)
        drifting += find_drift(run_of(20 * np.exp(0.6 * np.array(levels))).columns).trend in (
            "slower",
            "faster",
        )

    assert drifting <= 3


def under_load(rng, rates_per_s):
    """A target that takes the longer the more it is asked for a second."""
    at_ms = np.cumsum(rng.exponential(1, len(rates_per_s)) * 1000 / rates_per_s)
    took_ms = rates_per_s * rng.lognormal(0, 0.3, len(rates_per_s))
    return columns_of(
        [
            [
                step(f"s-{n}", took, n, at_ms=at)
                for n, (at, took) in enumerate(zip(at_ms.tolist(), took_ms.tolist(), strict=True))
            ]
        ]
    )


def test_times_that_rise_with_the_load_say_nothing_of_the_target(rng):
    drift = find_drift(under_load(rng, np.linspace(30, 60, 4000)))

    assert drift.trend == "unknown"
    assert drift.change_percent > 10
    assert re.fullmatch(
        r"response times rise, and so does the load, from \d+(\.\d+)? to \d+(\.\d+)? requests a second: "
        r"a run at a steady one would tell",
        drift.why,
    )


def test_times_that_fall_with_the_load_say_nothing_of_it_either(rng):
    drift = find_drift(under_load(rng, np.linspace(60, 30, 4000)))

    assert drift.trend == "unknown"
    assert drift.why.startswith("response times fall, and so does the load")


def test_a_target_that_grows_slower_while_it_is_asked_less_does(rng):
    at_ms = np.cumsum(np.linspace(10, 30, 3000))
    records = [
        step(f"s-{n}", took, n, at_ms=at)
        for n, (at, took) in enumerate(
            zip(
                at_ms.tolist(),
                (np.linspace(100, 150, 3000) * rng.lognormal(0, 0.3, 3000)).tolist(),
                strict=True,
            )
        )
    ]

    assert find_drift(columns_of([records])).trend == "slower"


def test_a_short_run_cannot_tell():
    drift = saturation(run_of([50.0] * 30)).drift

    assert (drift.trend, drift.why) == ("unknown", "80 steps are needed to tell, and the run has 30")


def test_a_run_that_sent_nothing_was_not_full():
    found = saturation(Evidence(summary(), columns_of([]), "run"))

    assert (found.in_flight, found.little_ratio, found.drift.trend) == ([], None, "unknown")


def test_a_leak_that_begins_late_is_not_called_steady_though_chance_may_do_so_too(rng):
    values = [20 * (1 + 5 * max(0.0, n / 3000 - 0.6)) * rng.lognormal(0, 0.2) for n in range(3000)]

    drift = find_drift(run_of(values).columns)

    assert drift.trend == "unknown"
    assert drift.why.startswith("response times rise, or are slow for a while by chance")
