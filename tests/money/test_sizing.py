"""What a machine carries: stated, measured or seen, in this order, and machines by hand for each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.money.cost import CostError, Fleet, machine_bill
from replay.money.sizing import Bursts, Held, Load, Searched, Stated, capacity_of, sized, times_at_once
from replay.money.usage import MONTH_S, Usage
from replay.trials.prices import price_table

rates = st.floats(0.01, 1e5)


def test_a_stated_rate_comes_before_a_ceiling_and_that_before_what_was_seen():
    load, ceiling, held = Load(100.0), Searched(120.0, 2), Held(100.0, 4)

    stated = capacity_of(load, stated=Stated(rps=50.0), ceiling=ceiling, held=held)
    measured = capacity_of(load, ceiling=ceiling, held=held)
    seen = capacity_of(load, held=held)

    assert [(one.how, one.rps) for one in (stated, measured, seen)] == [
        ("stated", 50.0),
        ("measured", 60.0),
        ("seen", 25.0),
    ]
    assert [sized(load, one, 0.3).machines for one in (stated, measured, seen)] == [3, 3, 4]


def test_a_search_that_says_less_than_the_run_carried_is_thrown_out():
    # 306 machines carried 2,459 requests/s at the peak; a search on them ended at 61.2.
    load, held = Load(2459.0), Held(2459.0, 306)

    capacity = capacity_of(load, ceiling=Searched(61.2, 306), held=held)
    machines, text = sized(load, capacity, 0.3)

    assert (capacity.how, machines) == ("seen", 306)
    assert text == (
        "306 for 2,459 requests/s at the peak, as 306 held 2,459 requests/s in the run with no failure; what they had "
        "left is not known"
    )
    # 306 x (730 h x 0.033506 + 2.00 + 3.65), and a load balancer.
    bill = machine_bill(Usage(seconds=MONTH_S), price_table("gce-e2-us-central1"), Fleet("e2-medium", machines))
    assert bill.total == pytest.approx(306 * 30.10938 + 18.25)


@pytest.mark.parametrize("held", [None, Held(9.0, 2, failed=1), Held(9.0, 2, broke_budget=True), Held(0.0, 0)])
def test_a_run_that_did_not_hold_neither_sizes_a_fleet_nor_refutes_a_search(held: Held | None):
    assert capacity_of(Load(9.0), ceiling=Searched(1.0, 2), held=held).rps == 0.5
    with pytest.raises(CostError, match="neither stated nor measured"):
        capacity_of(Load(9.0), held=held)


def test_slots_take_the_requests_that_are_under_way_at_once_however_long_they_last():
    # Thirty streams of half an hour, of which a new one begins every minute: sixteen slots take two and a half machines.
    load = Load(peak_rps=0.1, in_flight=30)

    machines, text = sized(load, capacity_of(load, stated=Stated(slots=16)), 0.3)

    assert machines == 3
    assert text == (
        "3 for 0.1 requests/s at the peak and 30% more, where one has 16 requests at once, as stated, of 30 at the peak"
    )


def test_slots_say_nothing_of_a_load_whose_requests_at_once_are_not_known():
    with pytest.raises(CostError, match="slots say nothing"):
        capacity_of(Load(1.0), stated=Stated(slots=8))


@given(rates, st.integers(1, 5000), st.floats(0, 2), rates)
def test_what_was_seen_is_never_priced_with_more_machines_than_it_had(
    peak: float, machines: int, headroom: float, searched: float
):
    load, held = Load(peak), Held(peak, machines)
    capacity = capacity_of(load, ceiling=Searched(searched, machines), held=held)

    assert capacity.rps * machines >= peak * (1 - 1e-6)
    if capacity.how == "seen":
        assert sized(load, capacity, headroom).machines == machines


@given(rates, st.floats(1, 1e4), st.integers(1, 1000), st.floats(0, 1), st.floats(1, 10))
def test_more_load_never_takes_fewer_machines(
    peak: float, at_once: float, slots: int, headroom: float, more: float
):
    load = Load(peak, at_once)
    busier = Load(peak * more, at_once * more)

    less, most = (
        sized(one, capacity_of(one, stated=Stated(slots=slots)), headroom).machines for one in (load, busier)
    )

    assert less <= most
    assert less * slots >= at_once * (1 + headroom) * (1 - 1e-6)


def test_machines_bear_a_burst_by_what_one_was_seen_to_bear_at_once():
    # Fifty calls that come together every minute are 0.85 requests/s. Five machines of ten places bear 28/s of them.
    load = Load(peak_rps=0.85, at_once=48.0)
    held = Held(0.85, 5, at_once=48.0)

    by_what_held = capacity_of(load, ceiling=Searched(28.3, 5, at_once=47.0), held=held)
    by_the_ceiling = capacity_of(load, ceiling=Searched(28.3, 5, at_once=80.0), held=held)
    one_by_one = capacity_of(Load(0.85, at_once=1.0), ceiling=Searched(28.3, 5, at_once=1.0), headroom=0.3)

    assert sized(load, by_what_held, 0.0) == (
        5,
        "5 for 0.85 requests/s at the peak, where one was seen to bear 9.6 requests at once, of 48 that come together",
    )
    assert sized(load, by_the_ceiling, 0.0).machines == 3
    assert (sized(load, one_by_one, 0.3).machines, one_by_one.rps) == (1, 28.3 / 5)
    assert sized(load, capacity_of(load, ceiling=Searched(28.3, 5), held=held), 0.0).machines == 1  # not known


def test_what_a_run_that_did_not_hold_had_at_once_says_nothing():
    held = Held(0.85, 1, at_once=300.0, broke_budget=True)

    capacity = capacity_of(Load(0.85, at_once=48.0), ceiling=Searched(28.3, 1, at_once=12.0), held=held)

    assert sized(Load(0.85), capacity, 0.0).machines == 4


def test_machines_for_a_larger_load_and_headroom_bear_larger_bursts():
    # A request is alone with itself at any load; the nineteen that it finds beside itself are more of them.
    load = Load(1.0, at_once=times_at_once(20.0, 2.0))

    capacity = capacity_of(load, ceiling=Searched(100.0, 1, at_once=10.0), headroom=0.3)

    assert load.at_once == 39.0
    assert sized(load, capacity, 0.3).machines == 6  # (1 + 38 x 1.3) / 10
    assert times_at_once(1.0, 4.0) == 1.0


def test_the_calls_of_a_session_are_as_many_however_many_sessions_there_are():
    assert times_at_once(40.0, 3.0, 40.0) == 40.0
    assert times_at_once(50.0, 3.0, 40.0) == 70.0
    assert times_at_once(50.0, 0.1, 40.0) == 41.0
    assert times_at_once(30.0, 3.0, 40.0) == 30.0


def test_machines_that_held_a_burst_keep_nothing_free_beyond_it():
    """Where they give in was not seen, as with any other load that they held."""
    load = Load(1.0, at_once=50.0, of_a_session=1.0)

    held = capacity_of(load, ceiling=Searched(100.0, 5, 20.0), held=Held(1.0, 5, at_once=50.0), headroom=0.3)
    searched = capacity_of(load, ceiling=Searched(100.0, 5, 50.0), headroom=0.3)

    assert sized(load, held, 0.3).machines == 5
    assert sized(load, searched, 0.3).machines == 7  # (1 + 49 x 1.3) / 10


@given(st.floats(1, 100), st.floats(1, 100), st.floats(1, 50), st.floats(0, 1))
def test_a_fleet_is_full_just_where_the_next_machine_is_needed(at_once, of_a_session, borne, headroom):
    bursts = Bursts(at_once, of_a_session, borne, headroom)

    for factor in bursts.full(20):
        assert bursts.machines(factor) == pytest.approx(round(bursts.machines(factor)), abs=1e-6)


@given(rates, rates, st.floats(1, 1e4), st.floats(1, 1e4), st.integers(1, 50))
def test_what_is_known_of_bursts_never_takes_machines_away(
    peak: float, searched: float, together: float, borne: float, machines: int
):
    by_rate = capacity_of(Load(peak), ceiling=Searched(searched, machines))
    by_both = capacity_of(Load(peak, at_once=together), ceiling=Searched(searched, machines, borne))

    assert by_both.rps <= by_rate.rps
    assert sized(Load(peak), by_both, 0.0).machines >= sized(Load(peak), by_rate, 0.0).machines


def test_where_no_load_comes_bursts_ask_for_no_machine():
    known = capacity_of(Load(0.0, at_once=50.0), ceiling=Searched(100.0, 5, 50.0))

    assert known.rps == 20.0
