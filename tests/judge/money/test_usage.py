"""What a run used: the union of requests by instance, by window, rounded as it is billed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.judge.figures import Evidence
from replay.judge.money.usage import Usage, active_intervals, usage_by_window
from replay.results.columns import columns_of
from replay.results.types import PlaneFigures
from tests.judge.conftest import step, summary

requests = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5_000), st.integers(1, 2_000)), min_size=1, max_size=40
)


def run_of(drawn, elapsed_s=10.0, plane=None, **fields):
    """Requests as (instance, sent at ms, took ms)."""
    records = [
        step(f"s-{n}", float(took), n, at_ms=at, instance=f"i-{instance}", **fields)
        for n, (instance, at, took) in enumerate(drawn)
    ]
    facts = summary(elapsed_s=elapsed_s)
    facts.plane = plane
    return Evidence(facts, columns_of([records]), "run")


def brute_force_ms(drawn):
    """Milliseconds in which an instance has a request, summed over instances."""
    busy = np.zeros((4, 10_000), np.bool_)
    for instance, at, took in drawn:
        busy[instance, at : at + took] = True
    return busy


@given(requests)
def test_active_time_is_the_union_of_an_instance_s_requests(drawn):
    run = run_of(drawn)
    starts, ends = active_intervals(run.columns, np.ones(run.columns.n, np.bool_))

    assert float((ends - starts).sum()) == pytest.approx(brute_force_ms(drawn).sum() / 1000, abs=1e-6)


@given(requests, st.sampled_from([0.5, 1.0, 2.5]))
def test_windows_share_it_out_without_loss(drawn, window_s):
    windows = usage_by_window(run_of(drawn), window_s, int(10 / window_s))
    busy = brute_force_ms(drawn).sum(axis=0).reshape(-1, int(1000 * window_s)).sum(axis=1) / 1000

    assert windows.active_s == pytest.approx(busy, abs=1e-6)
    assert windows.requests.sum() == len(drawn)


@given(requests)
def test_what_is_billed_is_active_time_rounded_up_interval_by_interval(drawn):
    usage = usage_by_window(run_of(drawn), 10.0, 1, granularity_ms=100.0).whole()

    assert usage.billed_s >= usage.active_s - 1e-9
    assert usage.billed_s <= usage.active_s + 0.1 * len(drawn) + 1e-9
    assert usage.billed_s * 10 == pytest.approx(round(usage.billed_s * 10), abs=1e-6)


def test_an_instance_that_is_busy_all_along_is_billed_in_every_window_alike():
    held = run_of([(0, 0, 9_950)])

    windows = usage_by_window(held, 1.0, 10, granularity_ms=100.0)

    assert windows.billed_s == pytest.approx([1.05, *[1.0] * 8, 0.95])


@given(requests)
def test_the_first_instances_have_the_most_of_it_and_all_together_everything(drawn):
    usage = usage_by_window(run_of(drawn), 10.0, 1).whole()
    together = brute_force_ms(drawn).sum(axis=0)

    assert usage.active_of_kept_s(1) == pytest.approx((together >= 1).sum() / 1000, abs=1e-6)
    assert usage.active_of_kept_s(2) == pytest.approx(np.minimum(together, 2).sum() / 1000, abs=1e-6)
    assert usage.active_of_kept_s(16) == pytest.approx(usage.active_s, abs=1e-6)


def test_without_the_target_s_word_for_its_instances_nothing_is_known():
    run = run_of([(0, 0, 100)])
    run = Evidence(run.summary, columns_of([[step("s", 100.0)]]), "run")

    assert usage_by_window(run, 10.0, 1).whole().basis == "missing"


def test_a_wait_for_a_boot_is_not_counted_beside_the_boot():
    plane = PlaneFigures(
        instances=1,
        most_instances=1,
        cold=1,
        refused=0,
        timed_out=0,
        instance_s=10.0,
        busy_s=0.5,
        booting_s=1.5,
    )

    usage = usage_by_window(run_of([(0, 0, 2_000)], plane=plane), 10.0, 1).whole()

    assert usage.active_s == pytest.approx(0.5)
    assert usage.boot_s == pytest.approx(1.5)


def test_requests_that_share_an_instance_are_its_concurrency():
    usage = usage_by_window(run_of([(0, 0, 1000), (0, 0, 1000), (0, 0, 1000)]), 10.0, 1).whole()

    assert usage.concurrency == pytest.approx(3.0)
    assert usage.active_instances == pytest.approx(0.1)


def test_two_parts_of_a_month_mix_their_ranks_by_their_active_time():
    a = Usage(seconds=10.0, active_s=9.0, ranks=(1.0,))
    b = Usage(seconds=10.0, active_s=3.0, ranks=(0.5, 0.5))

    assert a.plus(b).ranks == pytest.approx((10.5 / 12, 1.5 / 12))
