"""Machines that follow the load, counted by hand, and against a fleet for the peak."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from replay.money.breakeven import Change, Offer, break_evens, costs
from replay.money.cost import CostError, Fleet, Group, Size, group_bill, machine_bill
from replay.money.following import Follows, following_of, follows, kept, stretched
from replay.money.month_load import followed
from replay.money.sizing import machines_for
from replay.money.usage import MONTH_S, Usage
from replay.results.columns import columns_of
from replay.results.evidence import Evidence
from replay.trials.prices import price_table
from tests.support.runs import step, summary

# Without a load balancer but where a test is about it.
GCE = msgspec.structs.replace(price_table("gce-e2-us-central1"), balancer_month=0.0, balancer_gib=0.0)
EACH = 730 * 0.033506 + 2.00 + 3.65
DAY = 1440


def test_what_a_minute_needed_is_kept_for_ten_more():
    # A minute of 8 requests/s in an hour of one, two to a machine: four machines in eleven minutes, one in forty-nine.
    rps = np.ones(60)
    rps[20] = 8.0

    there = kept(follows(rps), 2.0, 0.0)

    assert there.most == 4
    assert there.mean == pytest.approx((11 * 4 + 49) / 60)


def test_the_end_of_the_month_is_kept_into_its_beginning():
    rps = np.ones(60)
    rps[59] = 8.0

    assert kept(follows(rps), 2.0, 0.0).mean == pytest.approx((11 * 4 + 49) / 60)


def test_a_week_with_two_hours_of_release_costs_a_group_a_small_part_of_a_fleet_for_the_peak():
    # 4 requests/s all week, 320 in two hours of it, four to a machine, thirty percent free: 2 machines, and 104 for two
    # hours and ten minutes.
    rps = np.full(7 * DAY, 4.0)
    rps[2000:2120] = 320.0
    there = kept(follows(rps), 4.0, 0.3)

    group = group_bill(Usage(seconds=MONTH_S), GCE, Group("e2-medium", there.mean * MONTH_S, there.most))
    fleet = machine_bill(Usage(seconds=MONTH_S), GCE, Fleet("e2-medium", machines_for(320.0, 4.0, 0.3)))

    assert there.most == 104
    assert there.mean == pytest.approx((2 * (7 * DAY - 130) + 104 * 130) / (7 * DAY))
    assert group.total == pytest.approx(there.mean * EACH)
    assert (round(group.total), round(fleet.total)) == (100, 3131)


def test_a_group_pays_for_disks_and_addresses_in_the_mean_and_for_a_balancer_from_two_machines_on():
    table = msgspec.structs.replace(GCE, balancer_month=18.0)
    month = Usage(seconds=MONTH_S)

    def amounts(most: int) -> dict[str, float]:
        return {
            line.name: line.amount
            for line in group_bill(month, table, Group("e2-medium", 1.5 * MONTH_S, most)).lines
        }

    assert amounts(2) == pytest.approx(
        {
            "machines, e2-medium": 1.5 * 730 * 0.033506,
            "disk, 20 GB pd-balanced": 3.0,
            "external IPv4 address": 1.5 * 3.65,
            "load balancer": 18.0,
        }
    )
    assert "load balancer" not in amounts(1)
    assert "load balancer" in {line.name for line in machine_bill(month, table, Fleet("e2-medium", 2)).lines}
    assert "load balancer" not in {
        line.name for line in machine_bill(month, table, Fleet("e2-medium", 1)).lines
    }


def test_no_load_is_nothing_to_follow():
    with pytest.raises(CostError, match="no load"):
        follows(np.zeros(0))


loads = arrays(np.float64, st.integers(1, 200), elements=st.floats(0, 1e4))


@given(loads, st.floats(0.1, 100), st.floats(0, 2), st.floats(1, 100))
def test_machine_hours_are_at_least_the_need_and_at_most_a_fleet_s(
    rps, each: float, headroom: float, more: float
):
    load = follows(rps)
    there = kept(load, each, headroom)

    assert there.mean >= float(rps.mean()) * (1 + headroom) / each * (1 - 1e-6)
    assert there.most == machines_for(float(rps.max()), each, headroom)
    assert 1 - 1e-9 <= there.mean <= there.most + 1e-9
    assert kept(load, each, headroom, more).mean >= there.mean - 1e-9
    assert kept(stretched(load, 1.0), each, headroom) == pytest.approx(there)


@given(
    st.lists(st.tuples(st.floats(0, 50), st.floats(0.01, 1), st.integers(1, 8)), min_size=1, max_size=20),
    st.floats(0.5, 5),
    st.floats(0, 60),
)
def test_machines_follow_a_load_that_those_which_are_always_there_hide(windows, each: float, mean: float):
    """A mean a hair below them, by the sampling of windows, was taken for machines that follow no load at all."""
    rps, weights, least = (np.array(values, np.float64) for values in zip(*windows, strict=True))
    load = Follows(rps, weights / weights.sum(), least)
    floors = kept(load, each, 0.0, following=0.0).mean

    following = following_of(load, each, 0.0, mean)

    there = kept(load, each, 0.0, following=following).mean
    most = kept(load, each, 0.0, following=1.0).mean
    # So many as are known of, but for those that are always there.
    assert there <= max(mean, floors) * (1 + 1e-6) + 1e-9
    if mean <= most:
        assert there == pytest.approx(max(mean, floors), rel=1e-6)
    assert following_of(load, each, 0.0, floors * (1 - 1e-3)) == pytest.approx(
        following_of(load, each, 0.0, floors)
    )


def test_three_machines_that_are_always_there_leave_it_open_how_the_load_is_followed():
    load = Follows(np.array([1.0, 1.0]), np.array([0.5, 0.5]), np.array([3.0, 3.0]))

    for mean in (3.0, 2.999):
        following = following_of(load, 1.0, 0.0, mean)
        assert kept(load, 1.0, 0.0, 20.0, following).mean == pytest.approx(20.0)


def an_offer(rps, **changed) -> Offer:
    mean = float(rps.mean())
    month = Usage(
        seconds=MONTH_S,
        requests=mean * MONTH_S,
        active_s=0.2 * mean * MONTH_S,
        billed_s=0.2 * mean * MONTH_S,
        request_s=0.4 * mean * MONTH_S,
    )
    fixed = Offer(
        month,
        price_table("cloud-run-us-central1"),
        Size(1.0, 2.0),
        GCE,
        Fleet("e2-medium", 1),
        4.0,
        float(rps.max()),
        0.3,
        ("s", "v"),
    )
    return fixed._replace(**changed)


def test_at_a_thousand_times_the_load_a_group_is_not_billed_as_a_fleet_for_the_peak():
    rps = np.full(7 * DAY, 0.04)
    rps[2000:2120] = 3.2
    fixed, group = an_offer(rps), an_offer(rps, follows=follows(rps))

    (_, fleet), (serverless, scaled) = (costs(one, Change(load=1000)) for one in (fixed, group))

    # 13 machines all week, and 1,040 for two hours and ten minutes.
    assert fleet == pytest.approx(1040 * EACH)
    assert scaled == pytest.approx((13 * (7 * DAY - 130) + 1040 * 130) / (7 * DAY) * EACH)
    assert scaled < serverless < fleet
    assert break_evens(group, ways=("requests",))[0].at is not None
    assert break_evens(fixed, ways=("requests",))[0].cheaper_now == "s"


@given(loads.filter(lambda rps: rps.sum() > 0.01), st.floats(1e-3, 1e3))
def test_a_group_never_costs_more_than_a_fleet_for_its_peak(rps, factor: float):
    fixed, group = an_offer(rps), an_offer(rps, follows=follows(rps))

    assert costs(group, Change(load=factor))[1] <= costs(fixed, Change(load=factor))[1] * (1 + 1e-9)


def test_a_burst_in_the_last_seconds_of_a_run_is_no_rate_for_a_minute():
    """Two minutes and three seconds: what came in the three belongs to the second minute."""
    at_s = [*(n * 1.0 for n in range(120)), *([121.0] * 30)]
    records = [step(f"s-{n}", 5.0, n, at_ms=1000 * at) for n, at in enumerate(at_s)]
    run = Evidence(summary(elapsed_s=123.0), columns_of([records]), "run")

    load = followed(run)

    assert load.held_rps.max() == pytest.approx((60 + 30) / 63)
    assert load.weights.sum() == pytest.approx(1.0)
