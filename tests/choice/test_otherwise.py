"""What a bill takes for granted is said with the answer that does not stand without it, and only there."""

import pytest

from replay.choice.decision import decide
from replay.choice.types import OtherBill
from tests.choice.cases import case

SOLD_OUT = "a billing account has it once for all its services"


def free(month: float) -> list[OtherBill]:
    return [OtherBill(what="without the free tier", why=SOLD_OUT, cost_month=month)]


def test_a_choice_that_the_free_tier_makes_says_so_in_its_answer_and_first_of_its_doubts():
    found = decide(case({"cost_month": 1.31, "otherwise": free(26.31)}, {"cost_month": 10.0}))

    said = (
        f"ithout the free tier s is 26.31 instead of 1.31 USD a month, and v is the cheaper then ({SOLD_OUT})"
    )
    assert found.choice == "serverless"
    assert found.answer == f"Run it serverless, on s: s 1.31, v 10.00 USD a month. W{said}."
    assert found.doubts[0] == f"w{said}"


def test_a_choice_that_would_be_open_without_it_says_so_too():
    found = decide(case({"cost_month": 20.0, "otherwise": free(26.0)}, {"cost_month": 26.0}))

    assert "and neither is clearly cheaper then" in found.answer


@pytest.mark.parametrize("month", [60.0, 100.0])
def test_a_choice_that_stands_without_it_says_nothing(month: float):
    found = decide(case({"cost_month": 1.0, "otherwise": free(month)}, {"cost_month": 130.0}))

    assert found.choice == "serverless"
    assert not [said for said in (found.answer, *found.doubts) if "free tier" in said]


def test_what_the_dearer_plane_takes_for_granted_turns_nothing():
    found = decide(case({"cost_month": 50.0, "otherwise": free(70.0)}, {"cost_month": 30.0}))

    assert found.choice == "vm"
    assert "free tier" not in found.answer


def test_a_bill_that_turns_is_held_beside_the_staff_time_of_both():
    staffed = {"cost_month": 10.0, "staff_month": 90.0, "staff_hours": 1.0, "staff_rate": 90.0}

    found = decide(case({"cost_month": 1.0, "otherwise": free(26.0)}, staffed))

    assert found.choice == "serverless"
    assert "free tier" not in found.answer  # 26 beside 100


def test_a_plane_that_was_not_chosen_by_money_has_no_bill_to_turn():
    found = decide(case({"cost_month": 1.0, "otherwise": free(26.0)}, {"cost_month": 10.0, "error_share": 0.5}))

    assert found.choice == "serverless"
    assert "free tier" not in found.answer


def test_an_interval_moves_with_the_bill():
    """Between 60 and 80 about 70, and without the free tier as far about 130: that is not clear of 140."""
    found = decide(
        case({"cost_month": 70.0, "cost_ci": (50.0, 90.0), "otherwise": free(110.0)}, {"cost_month": 140.0})
    )

    assert "Without the free tier s is 110.00 instead of 70.00 USD a month" not in found.answer
    assert "too" not in found.answer

    wider = decide(
        case({"cost_month": 70.0, "cost_ci": (30.0, 110.0), "otherwise": free(110.0)}, {"cost_month": 140.0})
    )

    assert "and neither is clearly cheaper then" in wider.answer
