"""Which plane is chosen, by which rule, and what would flip it."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.judge.choice.decision import decide
from replay.judge.choice.dimensions import dimensions
from replay.judge.choice.questionnaire import Answers
from replay.judge.choice.rules import Case
from replay.judge.choice.types import BreakEvenFound, Bucket, PilotPlane, StepClass, Workload


def workload(**changed: Any) -> Workload:
    known: dict[str, Any] = {
        "trace": "t",
        "sessions": 200,
        "steps": 1000,
        "span_s": 600.0,
        "pattern": "interactive",
        "pattern_rule": "by its think times",
        "window_s": 60,
        "mean_rps": 1.7,
        "peak_rps": 4.0,
        "mean_in_flight": 1.0,
        "peak_in_flight": 9,
        "idle_share": 0.2,
        "longest_ms": 900.0,
        "series": [step("tool", "search", 100.0, 0.4), step("llm", "answer", 900.0, 0.6)],
        "buckets": [Bucket(name="peak", weight=0.1, cost_month={"s": 5.0, "v": 3.0})],
    }
    return Workload(**(known | changed))


def step(kind: str, name: str, p50_ms: float, busy: float, **changed: Any) -> StepClass:
    known: dict[str, Any] = {"steps": 500, "longest_ms": 2 * p50_ms, "busy_share": busy, "in_flight": busy}
    return StepClass(kind=kind, name=name, p50_ms=p50_ms, **(known | changed))


def plane(target: str, kind: Any, **changed: Any) -> PilotPlane:
    known: dict[str, Any] = {
        "steps": 1000,
        "answered": 1500,
        "error_share": 0.0,
        "p99_ms": 900.0,
        "p99_ci_ms": (850.0, 950.0),
        "cost_month": 30.0,
        "currency": "USD",
        "cost_basis": "measured",
        "ceiling_rps": 50.0,
        "ceiling_verdict": "found",
    }
    return PilotPlane(target=target, plane=kind, **(known | changed))


def case(
    serverless: dict[str, Any] | None = None,
    vm: dict[str, Any] | None = None,
    *,
    load: Workload | None = None,
    **changed: Any,
) -> Case:
    planes = [plane("s", "serverless", **(serverless or {})), plane("v", "vm", **(vm or {}))]
    return Case(workload=load or workload(), planes=planes, **changed)


def test_a_thin_trace_is_not_enough_evidence_whatever_it_costs():
    found = decide(case({"cost_month": 1.0}, {"cost_month": 900.0}, load=workload(sessions=3, steps=12)))

    assert found.choice == "inconclusive"
    assert [rule.name for rule in found.rules if rule.decides] == ["enough evidence"]
    assert "3 sessions" in found.answer


def test_a_plane_that_was_not_tried_is_not_chosen_against():
    only = Case(workload=workload(), planes=[plane("s", "serverless")])

    assert decide(only).choice == "inconclusive"
    assert "no vm plane was tried" in decide(only).answer


def test_rare_bursts_at_a_small_bill_run_serverless():
    bursts = workload(pattern="bursty background", idle_share=0.97)

    found = decide(case({"cost_month": 2.0}, {"cost_month": 49.0}, load=bursts))

    assert found.choice == "serverless"
    assert {rule.name for rule in found.rules if rule.decides} == {"cost", "variability"}


def test_a_flat_hot_stream_at_a_small_bill_runs_on_machines():
    hot = workload(pattern="steady state", idle_share=0.0)

    found = decide(case({"cost_month": 400.0}, {"cost_month": 120.0}, load=hot))

    assert found.choice == "vm"


def test_short_calls_beside_long_local_steps_are_split_and_routed():
    mixed = workload(
        series=[step("http", "edge", 80.0, 0.05), step("tool", "build", 45_000.0, 0.95, in_flight=4.0)]
    )

    found = decide(case({"cost_month": 400.0}, {"cost_month": 120.0}, load=mixed))

    assert found.choice == "hybrid"
    assert [(route.name, route.to) for route in found.routes] == [("edge", "serverless"), ("build", "vm")]


def test_long_model_calls_beside_short_tools_are_no_reason_to_split():
    waits = workload(
        series=[step("tool", "search", 80.0, 0.05), step("llm", "think", 45_000.0, 0.95, in_flight=4.0)]
    )

    assert decide(case({"cost_month": 3.0}, {"cost_month": 120.0}, load=waits)).choice == "serverless"


def test_long_steps_that_are_rare_do_not_pay_for_a_machine_of_their_own():
    rare = workload(
        series=[step("http", "edge", 80.0, 0.3), step("tool", "build", 45_000.0, 0.7, in_flight=0.02)]
    )

    assert decide(case({"cost_month": 3.0}, {"cost_month": 120.0}, load=rare)).choice == "serverless"


def test_a_step_that_needs_a_machine_goes_to_one_however_short_it_is():
    bound = workload(
        series=[step("http", "edge", 80.0, 0.9), step("tool", "click", 90.0, 0.1, needs="browser")]
    )

    found = decide(case({"cost_month": 3.0}, {"cost_month": 120.0}, load=bound))

    assert found.choice == "hybrid"
    assert "needs browser" in {route.why for route in found.routes}


def test_a_request_longer_than_the_platform_allows_decides():
    long = workload(
        longest_ms=4_000_000.0, series=[step("http", "crawl", 3_000_000.0, 1.0, longest_ms=4_000_000.0)]
    )

    assert decide(case(load=long, request_limit_s={"s": 3600.0})).choice == "vm"


def test_a_plane_that_breaks_the_latency_budget_is_out_though_it_is_cheaper():
    found = decide(
        case(
            {"cost_month": 1.0, "budget": "fail"}, {"cost_month": 90.0, "budget": "pass"}, slos=["p99 < 500ms"]
        )
    )

    assert found.choice == "vm"
    assert [rule.name for rule in found.rules if rule.decides] == ["latency budget"]


def test_no_plane_is_chosen_if_both_break_the_budget():
    found = decide(case({"budget": "fail"}, {"budget": "fail"}, slos=["p99 < 500ms"]))

    assert found.choice == "inconclusive"


def test_a_plane_that_breaks_below_the_peak_is_out_but_machines_are_added_as_they_are_priced():
    low = {"ceiling_rps": 3.0, "cost_month": 1.0}

    alone = decide(case(low, {"cost_month": 90.0}))
    added = decide(case({"cost_month": 500.0}, {**low, "capacity_rps": 3.0, "machines": 2, "cost_month": 60.0}))

    assert [rule.name for rule in alone.rules if rule.decides] == ["capacity"]
    assert alone.choice == "vm"
    assert added.choice == "vm"


def test_a_few_failures_do_not_rule_a_plane_out_and_many_do():
    few = decide(case({"error_share": 0.012, "cost_month": 1.0}, {"cost_month": 90.0}))
    many = decide(case({"error_share": 0.05, "cost_month": 1.0}, {"cost_month": 90.0}))

    assert few.choice == "serverless"
    assert many.choice == "vm"


def test_rules_that_contradict_each_other_leave_it_open_unless_the_bill_is_twice_as_high():
    steady = workload(pattern="steady state")

    near = decide(case({"cost_month": 30.0}, {"cost_month": 45.0}, load=steady))
    far = decide(case({"cost_month": 30.0}, {"cost_month": 70.0}, load=steady))

    assert (near.choice, far.choice) == ("inconclusive", "serverless")
    assert any("variability favours vm" in doubt for doubt in far.doubts)


def test_bills_too_near_each_other_leave_it_to_the_habit_of_the_load():
    bursts = workload(pattern="bursty background")

    assert decide(case({"cost_month": 30.0}, {"cost_month": 32.0}, load=bursts)).choice == "serverless"


def test_bills_whose_intervals_overlap_are_not_clearly_different():
    found = decide(
        case({"cost_month": 30.0, "cost_ci": (10.0, 60.0)}, {"cost_month": 50.0, "cost_ci": (45.0, 55.0)})
    )

    assert next(rule for rule in found.rules if rule.name == "cost").favours == "neither"


def test_the_break_even_says_how_far_the_workload_is_from_flipping():
    even = BreakEvenFound(between=("s", "v"), by="utilisation", at=0.32, ci=(0.3, 0.34), now=0.05)

    rule = next(rule for rule in decide(case(break_even=[even])).rules if rule.name == "utilisation")

    assert rule.favours == "serverless"
    assert rule.flips_at == {"active_instances": 0.32}


def test_cold_starts_that_make_the_tail_favour_machines():
    slow = {"p99_ms": 2400.0, "p99_ci_ms": (2000.0, 2700.0), "p99_without_cold_ms": 910.0, "cold_share": 0.03}

    rule = next(rule for rule in decide(case(slow)).rules if rule.name == "cold tail")

    assert rule.favours == "vm"


def test_a_generator_that_was_late_leaves_it_open():
    assert decide(case({"generator": "saturated"})).choice == "inconclusive"


def test_the_table_has_its_eight_rows_and_says_what_was_not_measured():
    rows = dimensions(case({"cost_month": 10.0}))

    assert len(rows) == 8
    assert rows[1].better == "s"
    assert rows[-1].better == "not measured"


costs = st.one_of(st.none(), st.floats(0, 1e6))


@given(
    a=costs,
    b=costs,
    pattern=st.sampled_from(["interactive", "bursty background", "steady state", "not classified"]),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    budget=st.sampled_from([None, "pass", "fail", "inconclusive"]),
)
def test_every_case_gets_an_answer_with_a_reason_that_can_be_written_down(
    a: float | None, b: float | None, pattern: str, shares: tuple[float, float], budget: Any
):
    found = decide(
        case(
            {"cost_month": a, "error_share": shares[0], "budget": budget},
            {"cost_month": b, "error_share": shares[1]},
            load=workload(pattern=pattern),
            slos=["p99 < 1s"] if budget else [],
        )
    )

    assert found.choice in ("serverless", "vm", "hybrid", "inconclusive")
    assert found.reasons
    assert any(rule.decides for rule in found.rules)
    msgspec.json.encode(found.rules)


@pytest.mark.parametrize("cheaper", ["serverless", "vm"])
def test_the_same_figures_with_the_names_exchanged_give_the_other_answer(cheaper: str):
    low, high = {"cost_month": 5.0}, {"cost_month": 50.0}

    found = decide(case(low, high) if cheaper == "serverless" else case(high, low))

    assert found.choice == cheaper


ASKED = Answers(memory="nothing", sockets="none", local=("none",), zones=("none",))
CHEAP, DEAR = {"cost_month": 2.0}, {"cost_month": 49.0}


@pytest.mark.parametrize(
    ("answers", "by"),
    [
        (Answers(memory="sessions", state_external="no", lost_sessions="seldom"), "state"),
        (Answers(zones=("data residency",), zone_allows=("v",)), "compliance"),
        (Answers(sockets="hours"), "open sockets"),
        (Answers(local=("vpn",)), "local tools"),
    ],
)
def test_what_was_answered_comes_before_the_price(answers, by):
    found = decide(case(CHEAP, DEAR, answers=answers))

    assert found.choice == "vm"
    assert [rule.name for rule in found.rules if rule.decides] == [by]
    assert "cost favours serverless" in found.doubts[0]


def test_answers_that_rule_nothing_out_leave_the_choice_as_it_was():
    with_answers, without = decide(case(CHEAP, DEAR, answers=ASKED)), decide(case(CHEAP, DEAR))

    assert with_answers.choice == without.choice == "serverless"
    assert with_answers.answer == without.answer
    assert not any("bound to a machine" in doubt or "not asked" in doubt for doubt in with_answers.doubts)


def test_zones_that_no_plane_satisfies_leave_none():
    found = decide(case(answers=Answers(zones=("dedicated tenancy",), zone_allows=("somewhere else",))))

    assert found.choice == "inconclusive"
    assert "s and v do not satisfy them, so none is left" in found.answer


def test_vms_that_fail_and_sockets_that_need_them_are_a_contradiction():
    found = decide(case(vm={"error_share": 0.2}, answers=Answers(sockets="hours")))

    assert found.choice == "inconclusive"
    assert found.answer.startswith("The evidence contradicts itself")


def test_who_was_not_asked_is_told_what_was_not():
    assert decide(case(CHEAP, DEAR)).doubts[-1].startswith("what no trace can tell was not asked")


def test_compliance_is_not_measured_until_it_is_answered():
    row = dimensions(case())[-1]
    told = dimensions(case(answers=Answers(zones=("data residency",), zone_allows=("vm",))))[-1]

    assert (row.better, told.better) == ("not measured", "v")
    assert told.by_plane["s"] == "does not satisfy data residency"
