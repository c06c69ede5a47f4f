"""Who is out, who stands for a kind of plane, and that nobody who is out is heard of again."""

from typing import Any

import pytest

from replay.choice.case import Case
from replay.choice.decision import decide
from replay.choice.dimensions import dimensions
from replay.choice.standing import breaks_below_the_peak, may_break_below_the_peak, represented, standing
from replay.choice.types import UndecidedSlo
from tests.choice.cases import case, plane, step, workload

SLOS = ["p99 < 800ms"]


def three(sv1: dict[str, Any] | None = None, vm1: dict[str, Any] | None = None) -> Case:
    """A plane at zero that breaks the budget, the same with one warm instance, and a machine."""
    planes = [
        plane("sv0", "serverless", cost_month=0.0, budget="fail", p99_ms=1400.0),
        plane("sv1", "serverless", **({"cost_month": 9.85, "budget": "pass", "p99_ms": 415.0} | (sv1 or {}))),
        plane("vm1", "vm", **({"cost_month": 30.11, "budget": "pass", "p99_ms": 300.0} | (vm1 or {}))),
    ]
    return Case(workload=workload(), planes=planes, slos=SLOS)


def test_the_target_that_broke_the_budget_is_not_the_answer_and_the_others_are_judged_by_money():
    found = decide(three())

    assert found.choice == "serverless"
    assert found.answer.startswith("Run it serverless, on sv1: sv1 9.85, vm1 30.11 USD a month.")
    assert found.out == {"sv0": "broke p99 < 800ms (its p99 is 1.4 s)"}
    assert found.represents == {"serverless": "sv1", "vm": "vm1"}


def test_where_the_warm_instance_is_dearer_than_the_machine_the_machine_is_the_answer():
    found = decide(three({"cost_month": 71.04}))

    assert (found.choice, found.represents["serverless"]) == ("vm", "sv1")
    assert found.answer.startswith("Run it on VMs or always-on containers, on vm1: vm1 30.11, sv1 71.04")


def test_a_budget_that_boots_alone_broke_has_the_price_of_warmth_for_its_first_doubt():
    cold = {"budget": "fail", "p99_ms": 1400.0, "p99_without_cold_ms": 415.0}
    by_boots = decide(case(cold, {"budget": "pass", "p99_ms": 400.0}, slos=SLOS))
    anyway = decide(
        case(cold | {"p99_without_cold_ms": 1300.0}, {"budget": "pass", "p99_ms": 400.0}, slos=SLOS)
    )

    assert (by_boots.choice, anyway.choice) == ("vm", "vm")
    assert by_boots.doubts[0] == (
        "without cold starts s's p99 is 415 ms instead of 1.4 s, so warm instances (min_instances) may keep the SLOs "
        "for less: give them as another target"
    )
    assert not any("min_instances" in doubt for doubt in anyway.doubts)


def test_a_kind_that_is_out_whole_leaves_the_other():
    found = decide(three({"budget": "fail"}))

    assert found.choice == "vm"
    assert [rule.name for rule in found.rules if rule.decides] == ["latency budget"]
    assert next(rule for rule in found.rules if rule.name == "latency budget").favours == "vm"


def test_a_kind_that_is_left_is_the_answer_for_what_is_wrong_with_the_other_not_with_one_of_its_own():
    given = three({"budget": "fail"})
    small = plane("vm0", "vm", ceiling_rps=1.0)
    found = decide(Case(workload=given.workload, planes=[small, *given.planes], slos=SLOS))

    assert found.answer == (
        "Run it on VMs or always-on containers, on vm1: sv0 broke p99 < 800ms (its p99 is 1.4 s); sv1 broke "
        "p99 < 800ms (its p99 is 415 ms)."
    )
    assert [rule.name for rule in found.rules if rule.decides] == ["latency budget"]


def test_where_all_are_out_each_with_its_reason_nothing_is_chosen():
    found = decide(three({"error_share": 0.2}, {"ceiling_rps": 1.0}))

    assert found.choice == "inconclusive"
    assert found.answer == (
        "Nothing that was tried will do: sv0 broke p99 < 800ms (its p99 is 1.4 s); sv1 failed 20% of the "
        "requests, where 1% is the most; vm1 takes 1 requests/s, below the trace's peak of 4."
    )


def test_two_of_a_kind_that_are_out_by_different_rules_are_out():
    found = decide(three({"error_share": 0.2}))

    assert found.choice == "vm"
    assert set(found.out) == {"sv0", "sv1"}


def test_of_a_kind_one_that_is_known_to_keep_the_slos_goes_before_a_cheaper_one_that_is_not():
    unsure = plane("sv2", "serverless", cost_month=1.0, budget="inconclusive")
    more = Case(workload=workload(), planes=[*three().planes, unsure], slos=SLOS)

    assert represented(more)["serverless"] == "sv1"
    assert "known to keep the SLOs" in standing(more).why["serverless"]


def test_of_a_kind_the_cheapest_stands_with_its_staff_time():
    kept = [
        plane("diy", "vm", cost_month=30.0, staff_month=360.0),
        plane("managed", "vm", cost_month=60.0),
        plane("s", "serverless"),
    ]

    assert represented(Case(workload=workload(), planes=kept))["vm"] == "managed"


def test_of_a_kind_that_has_not_all_its_bills_the_fastest_stands():
    some = [
        plane("a", "vm", cost_month=None, p99_ms=100.0),
        plane("b", "vm", cost_month=3.0, p99_ms=900.0),
        plane("s", "serverless"),
    ]
    found = standing(Case(workload=workload(), planes=some))

    assert found.represents["vm"].target == "a"
    assert found.why["vm"] == "a is the fastest of a and b that stand; not all of them have a bill to compare"


def test_a_target_with_hardly_a_request_is_set_aside_while_another_of_its_kind_was_tried_enough():
    few = plane("sv9", "serverless", cost_month=0.0, answered=12)
    found = decide(Case(workload=workload(), planes=[few, *case({"cost_month": 3.0}).planes]))

    assert found.choice == "serverless"
    assert found.represents["serverless"] == "s"
    assert found.out == {"sv9": "answered 12 requests; it takes 100"}


def test_a_kind_of_which_all_have_hardly_a_request_is_no_evidence_against_it():
    found = decide(case({"answered": 12}))

    assert found.choice == "inconclusive"
    assert "s answered 12 requests; it takes 100" in found.answer


def test_a_ceiling_below_what_the_run_itself_carried_rules_nothing_out():
    low = {"ceiling_rps": 1.0, "cost_month": 3.0}

    assert decide(case(low)).choice == "vm"
    assert decide(case(low | {"carried_rps": 4.2})).choice == "serverless"


def test_a_run_that_carried_more_than_its_ceiling_but_not_the_peak_is_out_all_the_same():
    assert decide(case({"ceiling_rps": 1.0, "carried_rps": 3.0, "cost_month": 3.0})).out == {
        "s": "takes 3 requests/s, below the trace's peak of 4"
    }


def test_a_plane_is_out_only_if_what_broke_it_is_below_the_peak():
    low = {"ceiling_rps": 3.5, "cost_month": 3.0}
    around, below = (
        decide(case(low | {"ceiling_ci_rps": (3.5, 4.5)})),
        decide(case(low | {"ceiling_ci_rps": (3.5, 3.9)})),
    )

    assert around.choice == "serverless"
    assert "s takes 3.5 requests/s and breaks at 4.5; the trace's peak of 4 is in between" in around.doubts
    assert below.choice == "vm"
    assert below.out == {"s": "takes 3.5 requests/s, below the trace's peak of 4"}


def test_a_peak_that_a_plane_carries_by_chance_alone_is_a_doubt():
    near = {"ceiling_rps": 4.5, "ceiling_ci_rps": (3.5, 6.0), "cost_month": 3.0}

    found, carried = decide(case(near)), decide(case(near | {"carried_rps": 4.2}))

    said = "s takes 4.5 requests/s, of which 3.5 are beyond chance; the trace's peak of 4 is in between"
    assert found.choice == "serverless"
    assert said in found.doubts
    assert said not in carried.doubts


def test_of_more_machines_than_were_measured_both_ends_of_the_bracket_count_as_often():
    # Measured on one, which holds 1.2 and breaks at 1.5; three are priced, which the peak of 4 may break.
    three = {
        "ceiling_rps": 1.2,
        "ceiling_ci_rps": (1.2, 1.5),
        "capacity_rps": 1.2,
        "machines": 3,
        "cost_month": 1.0,
    }

    assert may_break_below_the_peak(case(vm=three), plane("v", "vm", **three)) == (
        "v takes 3.6 requests/s and breaks at 4.5; the trace's peak of 4 is in between"
    )
    assert may_break_below_the_peak(case(vm=three), plane("v", "vm", **(three | {"machines": 4}))) is None
    assert breaks_below_the_peak(case(vm=three), plane("v", "vm", **(three | {"machines": 2})))


def test_a_limit_on_requests_holds_for_the_target_that_has_it():
    long = workload(longest_ms=900_000.0, series=[step("http", "stream", 500_000.0, 1.0, longest_ms=900_000.0)])
    planes = [
        plane("short", "serverless", cost_month=1.0),
        plane("long", "serverless", cost_month=8.0),
        plane("v", "vm", cost_month=30.0),
    ]
    found = decide(Case(workload=long, planes=planes, request_limit_s={"short": 300.0, "long": 3600.0}))

    assert found.choice == "serverless"
    assert found.represents["serverless"] == "long"
    assert found.out == {"short": "ends a request after 5 min, and http:stream takes up to 15 min"}


def test_what_the_agent_did_itself_is_no_request_that_a_platform_would_end():
    own = workload(series=[step("tool", "think", 4e6, 1.0, is_local=True)], longest_ms=100.0)

    assert decide(case({"cost_month": 1.0}, load=own, request_limit_s={"s": 3600.0})).out == {}


def test_no_row_of_the_table_names_a_target_that_is_out_as_the_better():
    rows = {row.name: row for row in dimensions(three())}

    assert rows["cost of this load"].better == "sv1"
    assert rows["cost of this load"].by_plane["sv0"] == "0.00 USD a month"


def unsure(**how: bool) -> dict[str, Any]:
    return {"budget": "inconclusive", "undecided": [UndecidedSlo(slo=SLOS[0], why="too few steps", **how)]}


@pytest.mark.parametrize("how", [{"is_broken": True}, {"is_open": True}])
def test_an_slo_that_cannot_be_told_leaves_the_answer_open_where_its_figure_is_no_comfort(how: dict[str, bool]):
    found = decide(three(unsure(**how)))

    assert (found.choice, found.leans) == ("inconclusive", "serverless")
    assert found.answer.startswith(
        "No firm choice: whether sv1 keeps p99 < 800ms is undecided (too few steps); vm1 keeps the SLOs"
    )
    assert found.doubts[0] == "whether sv1 keeps p99 < 800ms is undecided: too few steps"


def test_an_slo_that_cannot_be_told_is_the_first_doubt_where_the_interval_has_both_ends_and_the_figure_keeps_it():
    found = decide(three(unsure()))

    assert found.choice == "serverless"
    assert found.doubts[0] == "whether sv1 keeps p99 < 800ms is undecided: too few steps"


def test_a_target_that_was_never_held_to_the_slos_is_not_chosen():
    assert decide(three({"budget": None})).choice == "inconclusive"
