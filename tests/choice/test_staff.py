"""Staff time beside the bills: the answer with it and without it, and the hours at which it flips."""

import pytest

from replay.choice.decision import decide
from replay.choice.staff import hours_said
from tests.choice.cases import case

DEAR, MACHINE = {"cost_month": 119.0}, {"cost_month": 30.0}


def favoured(found):
    """Whom the rule of staff time is for."""
    (rule,) = [rule for rule in found.rules if rule.name == "staff time"]
    return rule.favours


def test_a_few_hours_that_would_flip_the_answer_are_a_doubt_with_their_figure():
    found = decide(case(DEAR, MACHINE))

    assert found.choice == "vm"
    assert found.answer == (
        "Run it on VMs or always-on containers, on v: v 30.00, s 119.00 USD a month. With 1 hour of staff a month more "
        "on v than on s, s is cheaper."
    )
    assert found.doubts[0] == (
        "staff time: no staff time is stated; without it v is cheaper, 30.00 against 119.00 USD a month; the turn is at 1 "
        "hour of staff a month more on v than on s, at 90.00 USD an hour (assumed, since no staff_rate is stated); state "
        "staff_hours and staff_rate to have it decided"
    )
    assert favoured(found) == "neither"


def test_staff_that_was_stated_and_outweighs_the_bills_decides_and_says_so():
    stated = MACHINE | {"staff_month": 360.0, "staff_hours": 4.0, "staff_rate": 90.0}

    found = decide(case(DEAR, stated))

    assert found.choice == "serverless"
    assert favoured(found) == "serverless"
    assert [rule.name for rule in found.rules if rule.decides] == ["staff time"]
    assert found.answer.startswith(
        "Run it serverless, on s: with staff time (360.00 on v) s is cheaper, 119.00 against 390.00 USD a month; without "
        "it v is cheaper, 30.00 against 119.00 USD a month; the turn is at 1 hour of staff a month more on v than on s"
    )
    assert found.staff is not None
    assert (found.staff.without, found.staff.with_staff) == ("vm", "serverless")
    assert found.staff.flips_at_hours == pytest.approx(89 / 90, abs=1e-4)


def test_staff_that_was_stated_and_brings_the_months_together_leaves_it_open():
    stated = MACHINE | {"staff_month": 85.0, "staff_hours": 1.0, "staff_rate": 85.0}

    found = decide(case(DEAR, stated))

    assert found.choice == "inconclusive"
    assert favoured(found) == "neither"
    assert (
        "with staff time (85.00 on v) v and s are too close to call, 115.00 and 119.00 USD a month"
        in found.answer
    )


def test_hours_without_a_rate_are_taken_at_the_assumed_one():
    hours = MACHINE | {"staff_month": 0.0, "staff_hours": 4.0}

    found = decide(case(DEAR, hours))

    assert found.choice == "serverless"
    assert "with staff time (360.00 on v)" in found.answer
    assert "at 90.00 USD an hour (assumed" in found.answer


def test_staff_alone_decides_between_equal_bills():
    stated = MACHINE | {"staff_month": 180.0, "staff_hours": 2.0, "staff_rate": 90.0}

    assert decide(case({"cost_month": 30.0}, stated)).choice == "serverless"


def test_staff_on_both_planes_is_held_against_each_other():
    both = {"staff_month": 360.0, "staff_hours": 4.0, "staff_rate": 90.0}

    found = decide(case(DEAR | both, MACHINE | both))

    assert found.choice == "vm"
    assert [rule.name for rule in found.rules if rule.decides] == ["cost", "staff time"]


def test_far_apart_bills_have_no_doubt_of_staff():
    found = decide(case({"cost_month": 900.0}, MACHINE))

    assert not any(doubt.startswith("staff time") for doubt in found.doubts)


def test_that_a_plane_without_machines_takes_more_upkeep_is_no_doubt():
    found = decide(case({"cost_month": 3.0}, MACHINE))

    assert found.choice == "serverless"
    assert not any(doubt.startswith("staff time") for doubt in found.doubts)


def test_intervals_move_with_the_staff_that_is_added():
    wide = DEAR | {"cost_ci": (60.0, 200.0)}
    hour = {"staff_month": 20.0, "staff_hours": 1.0, "staff_rate": 20.0}
    stated = {"cost_month": 50.0, "cost_ci": (50.0, 50.0)} | hour

    assert decide(case(wide, {"cost_month": 50.0, "cost_ci": (50.0, 50.0)})).choice == "vm"
    assert decide(case(wide, stated)).choice == "inconclusive"


def test_an_interval_that_misses_its_own_bill_does_not_set_bills_apart():
    missing = {"cost_month": 273.62, "cost_ci": (260.0, 262.0)}

    assert decide(case({"cost_month": 200.0, "cost_ci": (150.0, 250.0)}, missing)).choice == "serverless"
    assert decide(case({"cost_month": 200.0, "cost_ci": (150.0, 261.0)}, missing)).choice == "inconclusive"
    assert decide(case({"cost_month": 273.62, "cost_ci": (30.0, 31.0)}, {"cost_month": 200.0})).choice != "vm"


def test_hours_are_said_as_people_say_them():
    assert [hours_said(hours) for hours in (0.0, 0.34, 0.97, 1.04, 2.49, 40.0)] == [
        "1 minute",
        "20 minutes",
        "1 hour",
        "1 hour",
        "2.5 hours",
        "40 hours",
    ]


def test_staff_that_changes_nothing_is_said_in_few_words():
    found = decide(
        case({"cost_month": 3.0}, MACHINE | {"staff_month": 360.0, "staff_hours": 4.0, "staff_rate": 90.0})
    )

    assert found.staff is not None
    assert found.staff.text.startswith(
        "with staff time (360.00 on v) s is cheaper, 3.00 against 390.00 USD a month, as it is without; the turn is at "
    )
