"""Staff and free tiers: second totals by hand, and the hours at which the cheaper plane flips."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.money.cost import Bill, CostError, Size, free_tier_words, serverless_bill
from replay.money.staff import hours_at_which_it_flips, staff_flip, with_staff
from replay.money.usage import MONTH_S, Usage
from replay.trials.prices import price_table

RUN = price_table("cloud-run-us-central1")
amounts = st.floats(0, 1e6)


def a_bill(total: float, currency: str = "USD") -> Bill:
    return Bill(currency=currency, lines=[], total=total)


def test_an_hour_of_staff_decides_between_bills_that_are_89_dollars_apart():
    flip = staff_flip(("vm", a_bill(30.11)), ("sls", a_bill(119.45)), 90.0)

    assert (flip.cheaper, flip.dearer) == ("vm", "sls")
    assert flip.hours == pytest.approx(89.34 / 90)
    assert flip.text == (
        "vm is cheaper than sls by 89.34 USD a month without staff; 0.993 hours of staff a month more than sls takes, at "
        "90 an hour, make it the dearer"
    )


def test_without_a_rate_no_time_of_anyone_flips_it():
    assert hours_at_which_it_flips(a_bill(1), a_bill(2), 0.0) is None
    assert staff_flip(("a", a_bill(1)), ("b", a_bill(2)), 0.0).text == (
        "a is cheaper than b by 1.00 USD a month without staff"
    )


def test_bills_in_two_currencies_have_no_hours():
    with pytest.raises(CostError, match="one bill is in USD, the other in EUR"):
        hours_at_which_it_flips(a_bill(1), a_bill(2, "EUR"), 90.0)


@given(amounts, amounts, st.floats(1, 1000), st.floats(0, 100))
def test_at_that_many_hours_more_both_cost_the_same(a: float, b: float, rate: float, hours: float):
    cheap, dear = sorted((a_bill(a), a_bill(b)), key=lambda bill: bill.total)
    more = hours_at_which_it_flips(cheap, dear, rate)

    assert more is not None
    assert with_staff(cheap, hours + more, rate).total_with_staff == pytest.approx(
        with_staff(dear, hours, rate).total_with_staff, abs=1e-6
    )
    assert with_staff(cheap, hours, rate).total == cheap.total


def test_a_bill_that_rests_on_the_free_tier_says_so_with_what_it_were_without():
    # All of the free tier of Cloud Run: 180,000 vCPU-s, 360,000 GiB-s and 2 M requests are 4.32 + 0.90 + 0.80.
    bill = serverless_bill(
        Usage(seconds=MONTH_S, active_s=180_000, billed_s=180_000, requests=2e6), RUN, Size(1.0, 2.0)
    )

    assert bill.total == 0.0
    assert bill.without_free == pytest.approx(6.02)
    assert free_tier_words(bill) == (
        "0.00 USD by the free tier, which a billing account has once for all its services; without it 6.02 USD"
    )


@given(st.floats(0, 1e8), st.floats(0, 1e8), st.floats(0, 1e13))
def test_a_bill_without_its_free_tier_is_what_each_unit_costs(active: float, requests: float, egress: float):
    month = Usage(seconds=MONTH_S, active_s=active, billed_s=active, requests=requests, egress_bytes=egress)
    bill = serverless_bill(month, RUN, Size(1.0, 0.5))

    assert bill.without_free == pytest.approx(sum(line.quantity * line.unit_price for line in bill.lines))
    assert bill.total <= bill.without_free * (1 + 1e-9)
    # What a month costs twice over is never more than two months, without the free tier just that.
    twice = serverless_bill(month.times(2), RUN, Size(1.0, 0.5))
    assert twice.without_free == pytest.approx(2 * bill.without_free)
    assert twice.total >= 2 * bill.total * (1 - 1e-9)
    if (bill.without_free or 0.0) > 20:
        assert free_tier_words(bill) is None
