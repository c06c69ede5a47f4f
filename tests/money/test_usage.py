"""What a run used: the union of requests by instance, by window, rounded as it is billed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.money.usage import Plane, Usage, active_intervals, usage_by_window
from replay.results.columns import columns_of
from replay.results.evidence import Evidence
from replay.results.manifest_types import PlaneFigures
from replay.results.types import InstanceRecord
from tests.support.runs import step, summary

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


@given(requests, st.lists(st.integers(0, 9), max_size=12))
def test_each_window_by_itself_is_that_window(drawn, numbers):
    windows = usage_by_window(run_of(drawn, elapsed_s=7.3), 1.0, 8)

    assert windows.each(np.array(numbers, np.intp)) == [
        windows.of(np.array([number])) for number in numbers if number < len(windows.requests)
    ]


@given(requests)
def test_what_is_billed_is_active_time_rounded_up_interval_by_interval(drawn):
    usage = usage_by_window(run_of(drawn), 10.0, 1, Plane(granularity_ms=100.0)).whole()

    assert usage.billed_s >= usage.active_s - 1e-9
    assert usage.billed_s <= usage.active_s + 0.1 * len(drawn) + 1e-9
    assert usage.billed_s * 10 == pytest.approx(round(usage.billed_s * 10), abs=1e-6)


def test_an_instance_that_is_busy_all_along_is_billed_in_every_window_alike():
    held = run_of([(0, 0, 9_950)])

    windows = usage_by_window(held, 1.0, 10, Plane(granularity_ms=100.0))

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


def lives(*told):
    """Instances as (name, requested, ready, gone) in seconds, and the sum of their requests' seconds."""
    return [
        InstanceRecord(
            name,
            round(requested * 1e9),
            None if ready is None else round(ready * 1e9),
            gone_ns=None if gone is None else round(gone * 1e9),
            request_ns=round(request * 1e9),
        )
        for name, requested, ready, gone, request in told
    ]


def test_a_request_that_waited_for_its_own_boot_is_on_its_instance_from_when_that_was_ready():
    # Two requests sent at once, each to an instance of its own that boots for a second, and then takes a fifth of one.
    drawn = [(0, 0, 1_200), (1, 0, 1_200)]
    told = lives(("i-0", 0, 1.0, None, 0.2), ("i-1", 0, 1.0, None, 0.2))
    plane = PlaneFigures(
        instances=2,
        most_instances=2,
        cold=2,
        refused=0,
        timed_out=0,
        instance_s=20.0,
        busy_s=0.4,
        booting_s=2.0,
    )

    for is_unshared in (False, True):
        how = Plane(0.0, is_unshared, told)
        usage = usage_by_window(run_of(drawn, plane=plane), 10.0, 1, how).whole()

        assert usage.active_s == usage.billed_s == usage.request_s == pytest.approx(0.4)
        assert usage.boot_s == pytest.approx(2.0)
        assert usage.concurrency == pytest.approx(1.0)


@given(requests)
def test_unshared_requests_have_their_own_seconds_whatever_they_shared(drawn):
    usage = usage_by_window(run_of(drawn), 10.0, 1, Plane(0.0, is_unshared=True)).whole()

    assert usage.active_s == pytest.approx(sum(took for _, _, took in drawn) / 1000)
    assert usage.concurrency == pytest.approx(1.0)


def test_a_plane_without_sharing_needs_no_word_of_its_instances():
    run = Evidence(summary(), columns_of([[step("s", 100.0)]]), "run")

    assert usage_by_window(run, 10.0, 1, Plane(0.0, is_unshared=True)).whole().basis == "measured"


life = st.tuples(st.floats(-1, 12), st.floats(0, 5), st.floats(0, 20))


@given(st.lists(life, min_size=1, max_size=20), st.sampled_from([0.5, 1.0, 2.5, 10.0]), st.floats(0, 60))
def test_lives_and_boots_are_shared_out_over_the_windows_without_loss(drawn, window_s, minimum_s):
    told = lives(*[(f"i-{n}", at, at + boot, at + boot + more, 0) for n, (at, boot, more) in enumerate(drawn)])

    windows = usage_by_window(
        run_of([(0, 0, 100)]), window_s, round(10 / window_s), Plane(0.0, instances=told, minimum_s=minimum_s)
    )

    def within(at):
        return min(max(at, 0.0), 10.0)

    boots = sum(within(at + boot) - within(at) for at, boot, _ in drawn)
    alive = [(within(at), within(at + boot + more) - within(at)) for at, boot, more in drawn]
    assert windows.boot_s.sum() == pytest.approx(boots, abs=1e-6)
    assert windows.live_s.sum() == pytest.approx(
        sum(max(length, minimum_s) if at < 10 else length for at, length in alive), abs=1e-6
    )
    assert (windows.boot_s >= -1e-9).all()
    assert (windows.live_s >= -1e-9).all()


def brute_force_beyond(drawn, told, kept):
    """Tenths of a second of lives beyond so many that are kept, and those of them awake without a request."""
    there, awake, busy = np.zeros(100), np.zeros(100), np.zeros((3, 100))
    for instance, at, took in drawn:
        busy[instance, at : at + took] = 1
    for at, boot, more in told:
        there[at : at + boot + more] += 1
        awake[at + boot : at + boot + more] += 1
    beyond = np.maximum(there - kept, 0)
    waiting = np.maximum(awake - np.maximum(busy.sum(axis=0), kept), 0)
    return beyond, waiting


tenths = st.integers(0, 99)


@given(
    st.lists(st.tuples(st.integers(0, 2), tenths, st.integers(1, 30)), min_size=1, max_size=20),
    st.lists(st.tuples(tenths, st.integers(0, 20), st.integers(0, 90)), min_size=1, max_size=8),
    st.integers(0, 3),
    st.sampled_from([1, 25, 100]),
)
def test_what_lives_beyond_those_that_are_kept_and_waits_is_counted_instant_by_instant(
    drawn, told, kept, tenths_in_window
):
    instances = lives(
        *[
            (f"life-{n}", at / 10, (at + boot) / 10, (at + boot + more) / 10, 0)
            for n, (at, boot, more) in enumerate(told)
        ]
    )

    windows = usage_by_window(
        run_of([(instance, at * 100, took * 100) for instance, at, took in drawn]),
        tenths_in_window / 10,
        100 // tenths_in_window,
        Plane(0.0, instances=instances, kept=kept),
    )

    expected = brute_force_beyond(drawn, told, kept)
    for found, brute in zip((windows.beyond_kept_s, windows.waiting_s), expected, strict=True):
        assert found == pytest.approx(brute.reshape(-1, tenths_in_window).sum(axis=1) / 10, abs=1e-6)


def test_a_plane_that_tells_sums_alone_has_lives_beyond_those_that_are_kept():
    # One kept for ten seconds and busy for two; another there for three, a half of it booting, and busy for one.
    plane = PlaneFigures(
        instances=2,
        most_instances=2,
        cold=1,
        refused=0,
        timed_out=0,
        instance_s=13.0,
        busy_s=3.0,
        booting_s=0.5,
    )

    usage = usage_by_window(
        run_of([(0, 0, 2000), (1, 1000, 1000)], plane=plane), 10.0, 1, Plane(0.0, kept=1)
    ).whole()

    assert (usage.live_s, usage.beyond_kept_s, usage.waiting_s) == pytest.approx((13.0, 3.0, 1.5))
