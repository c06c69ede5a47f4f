"""Boots apart from the steps that waited, and how surely the cold tail is known."""

import numpy as np
import pytest

from replay.choice.boots import Life, boots_of
from replay.choice.cold_tail import cold_tail_interval
from replay.choice.planes import Seen, plane_figures
from replay.judge.cold.coldstart import judge_coldstart
from replay.results.columns import columns_of
from replay.results.evidence import Evidence
from tests.support.runs import step, summary


def run_of(records):
    return Evidence(summary(), columns_of([records]), "run")


def three_cold():
    """A boot takes 1.4 s; two of the three steps that waited for it were served by another instance after 30 ms."""
    waits_ms = [1400.0, 30.0, 36.8]
    records = [step(f"c-{n}", 100.0 + wait, n, cold=True, recorded_ms=100.0) for n, wait in enumerate(waits_ms)]
    return records + [step(f"w-{n}", 100.0, 9 + n, cold=False, recorded_ms=100.0) for n in range(50)]


LIVES = [Life(0.0, 0.0), Life(5.0, 6.4, 60.0), Life(100.0, 101.3, 130.0), Life(100.0, None)]


def test_how_long_a_boot_takes_is_not_how_long_steps_waited():
    boots = boots_of(LIVES, run_of(three_cold()), is_as_recorded=True)

    assert (boots.count, boots.finished) == (3, 2)
    assert (boots.p50_s, boots.longest_s) == (1.3, 1.4)
    assert (boots.waited, boots.wait_p50_ms, boots.wait_longest_ms) == (3, 36.8, 1400.0)


def test_what_was_there_when_the_run_began_was_not_booted():
    before = [Life(0.0, 0.0), Life(-30.0, -28.0), Life(-1.3, 0.1)]

    assert boots_of(before, run_of(three_cold()), is_as_recorded=True).count == 0
    assert boots_of([Life(0.0, 1.3)], run_of(three_cold()), is_as_recorded=True).count == 1


def test_boots_are_told_apart_by_what_woke_them():
    lives = [Life(5.0, 6.0, 20.0), Life(5.0, 6.0, 20.0), Life(6.5, 8.0, 30.0), Life(40.0, 41.0)]

    assert boots_of(lives, run_of(three_cold()), is_as_recorded=True).woken_by == {
        "requests to none": 3,
        "load beside others": 1,
    }


def test_without_recorded_times_a_wait_is_what_comes_on_top_of_the_median_warm_step():
    boots = boots_of(LIVES, run_of(three_cold()), is_as_recorded=False)

    assert (boots.wait_p50_ms, boots.wait_longest_ms) == (pytest.approx(36.8), pytest.approx(1400.0))


@pytest.mark.parametrize("is_as_recorded", [True, False])
def test_waits_that_are_not_known_of_each_step_that_waited_are_told_of_none(is_as_recorded):
    # No warm step of its name, and no recorded time: how long it waited is not known, and it may be the longest.
    unknown = [step("u-0", 9000.0, 3, cold=True, name="other")]

    boots = boots_of(LIVES, run_of(three_cold() + unknown), is_as_recorded=is_as_recorded)

    assert (boots.waited, boots.wait_p50_ms, boots.wait_longest_ms) == (4, None, None)


def test_a_plane_that_tells_of_no_instances_has_no_boots():
    assert boots_of([], run_of(three_cold()), is_as_recorded=True) is None


def test_a_cold_start_adds_a_boot_and_no_median_of_waits():
    run = run_of(three_cold())

    found = plane_figures(
        Seen(
            "t",
            "serverless",
            {"representative": run},
            cold=judge_coldstart(run),
            boots=boots_of(LIVES, run, is_as_recorded=True),
        ),
        [],
    )

    assert found.cold_added_ms == 1300.0


def test_figures_and_bill_are_of_the_month_where_one_was_simulated():
    month = run_of([step(f"m-{n}", 900.0, n) for n in range(400)])

    late = Evidence(summary(generator="suspect"), run_of(three_cold()).columns, "run")

    found = plane_figures(Seen("t", "serverless", {"representative": late}, month=month), [])

    assert (found.figures_of, found.generator) == ("month", "ok")
    assert (found.steps, found.p99_ci_ms[0]) == (1, 900.0)


def tail(rng, n, cold_every):
    records = [
        step(
            f"s-{k}",
            float(rng.lognormal(3.0, 0.2)) + (1400.0 if k % cold_every == 0 else 0.0),
            k,
            at_ms=k * 500.0,
            cold=k % cold_every == 0,
        )
        for k in range(n)
    ]
    return run_of(records)


def test_a_cold_tail_of_enough_requests_has_an_interval(rng):
    low, high = cold_tail_interval(tail(rng, 4000, 20))

    assert 1000 < low <= high < 2000


def test_a_warm_plane_is_not_lifted(rng):
    assert cold_tail_interval(tail(rng, 4000, 10_000_000)) == pytest.approx((0.0, 0.0), abs=30)


@pytest.mark.parametrize("n", [20, 300])
def test_a_cold_tail_of_few_requests_has_none(rng, n):
    assert cold_tail_interval(tail(rng, n, 20)) is None


def test_without_cold_marks_there_is_no_cold_tail(rng):
    assert cold_tail_interval(run_of([step(f"s-{n}", 20.0, n) for n in range(1000)])) is None


def test_the_interval_covers_what_cold_starts_lift():
    hits = 0
    for seed in range(40):
        drawn = np.random.default_rng(seed)
        is_cold = drawn.random(1500) < 0.04
        warm = drawn.lognormal(3.0, 0.2, 1500)
        values = np.where(is_cold, warm + drawn.lognormal(7.2, 0.15, 1500), warm)
        records = [
            step(f"s-{k}", float(value), k, at_ms=k * 500.0, cold=bool(is_cold[k]))
            for k, value in enumerate(values)
        ]
        low, high = cold_tail_interval(run_of(records))
        big = np.random.default_rng(10_000)
        many = big.lognormal(3.0, 0.2, 400_000)
        truth = np.quantile(
            np.where(big.random(400_000) < 0.04, many + big.lognormal(7.2, 0.15, 400_000), many), 0.99
        ) - np.quantile(many, 0.99)
        hits += low <= truth <= high

    assert hits >= 34
