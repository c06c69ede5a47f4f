"""Which plane is chosen, by which rule, and what would flip it."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.choice.case import Case
from replay.choice.decision import decide
from replay.choice.dimensions import dimensions
from replay.choice.questionnaire import Answers
from replay.choice.types import Hybrid, PlannedRoute, Recovered, TriedSplit
from replay.choice.words import effort_words
from replay.money.types import BreakEvenFound
from tests.choice.cases import case, plane, step, workload


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
    assert [rule.name for rule in found.rules if rule.decides] == ["cost"]


def test_a_flat_hot_stream_at_a_small_bill_runs_on_machines():
    hot = workload(pattern="steady state", idle_share=0.0)

    found = decide(case({"cost_month": 400.0}, {"cost_month": 120.0}, load=hot))

    assert found.choice == "vm"


BUILDS = workload(
    series=[step("http", "edge", 80.0, 0.05), step("tool", "build", 45_000.0, 0.95, in_flight=4.0)]
)


def test_short_calls_beside_long_steps_are_no_reason_to_split_until_a_split_has_a_price():
    found = decide(case({"cost_month": 400.0}, {"cost_month": 120.0}, load=BUILDS))

    assert found.choice == "vm"
    assert any("a split may fit, but was neither priced nor run" in doubt for doubt in found.doubts)


def test_a_split_is_advised_and_routed_where_its_price_clearly_undercuts_both_planes():
    priced = plane("split", "hybrid", cost_month=60.0)

    found = decide(case({"cost_month": 400.0}, {"cost_month": 120.0}, load=BUILDS, split=priced))

    assert found.choice == "hybrid"
    assert [(route.name, route.to) for route in found.routes] == [("edge", "serverless"), ("build", "vm")]
    assert found.answer.startswith(
        "Split it: tool:build on VMs, the rest serverless: split 60.00, v 120.00 USD a month."
    )


def test_a_split_that_costs_what_a_plane_alone_costs_is_not_advised():
    dear = plane("split", "hybrid", cost_month=115.0)

    assert decide(case({"cost_month": 400.0}, {"cost_month": 120.0}, load=BUILDS, split=dear)).choice == "vm"


def test_a_split_goes_as_it_was_priced():
    priced = plane("split", "hybrid", cost_month=60.0)
    sent = [PlannedRoute(kind="http", name="edge", to="vm", why="saves most")]

    found = decide(
        case({"cost_month": 400.0}, {"cost_month": 120.0}, load=BUILDS, split=priced, routes={"split": sent})
    )

    assert found.routes == sent


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


CLICKS = workload(series=[step("http", "edge", 80.0, 0.9), step("tool", "click", 90.0, 0.1, needs="browser")])


def test_a_step_that_needs_a_machine_moves_alone_where_that_leaves_most_machines_unrented():
    found = decide(case({"cost_month": 3.0}, {"cost_month": 120.0, "machines": 4}, load=CLICKS))

    assert found.choice == "hybrid"
    assert "33.00 USD at most" in found.answer
    assert "needs browser" in {route.why for route in found.routes}
    assert any("the split itself was not run" in doubt for doubt in found.doubts)


def test_a_split_that_needs_the_same_machine_is_not_advised_over_that_machine_alone():
    found = decide(case({"cost_month": 3.0}, {"cost_month": 30.0, "machines": 1}, load=CLICKS))

    assert found.choice == "vm"
    assert "s is not known to have what tool:click needs: browser" in found.answer
    assert found.doubts[-1].startswith("v is taken to have what steps need (browser)")


def test_what_a_machine_is_said_to_provide_is_not_taken_for_granted():
    stated = decide(case({"cost_month": 3.0}, {"cost_month": 30.0}, load=CLICKS, provides={"v": ["browser"]}))

    assert not any("is taken to have" in doubt for doubt in stated.doubts)


def test_a_serverless_plane_that_provides_what_a_step_needs_is_judged_like_any():
    found = decide(
        case({"cost_month": 3.0}, {"cost_month": 30.0}, load=CLICKS, provides={"s": ["Browser"]}),
    )

    assert found.choice == "serverless"


def test_special_hardware_is_not_taken_for_granted_on_a_machine():
    infers = workload(
        series=[step("http", "edge", 80.0, 0.9), step("tool", "infer", 90.0, 0.1, needs="gpu L4")]
    )

    unknown = decide(case(load=infers))
    on_serverless = decide(case(load=infers, provides={"s": ["gpu", "L4"]}))
    another_model = decide(case(load=infers, provides={"s": ["gpu", "T4"]}))

    assert unknown.choice == "inconclusive"
    assert unknown.answer.startswith(
        "Nothing that was tried will do: s is not known to have what tool:infer needs"
    )
    assert on_serverless.choice == "serverless"
    assert another_model.choice == "inconclusive"


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


def test_failures_of_a_few_whole_sessions_leave_it_open():
    together = decide(
        case({"error_share": 0.05, "error_share_ci": (0.008, 0.16), "cost_month": 1.0}, {"cost_month": 90.0})
    )

    assert (together.choice, together.leans, together.out) == ("inconclusive", "serverless", {})
    assert together.answer.startswith(
        "No firm choice: s failed 5% of the requests, where 1% is the most; but its sessions are too few, or its "
        "failures too much together, to tell how often that happens"
    )
    assert together.decides("availability")


def test_a_plane_that_fails_a_fifth_of_its_run_is_out_however_its_failures_come_together():
    """Markov's inequality: of planes that fail one in a hundred no more than one in twenty does so."""
    much = decide(
        case({"error_share": 0.2, "error_share_ci": (0.0, 0.9), "cost_month": 1.0}, {"cost_month": 90.0})
    )

    assert much.choice == "vm"


def test_more_failures_on_the_cheaper_plane_leave_it_open_unless_the_bill_is_twice_as_high():
    troubled = {"cost_month": 30.0, "effort": {"timed out (504)": 40}}

    near = decide(case(troubled, {"cost_month": 45.0}))
    far = decide(case(troubled, {"cost_month": 70.0}))

    assert (near.choice, far.choice) == ("inconclusive", "serverless")
    assert near.answer.startswith("The evidence contradicts itself: cost favours serverless")
    assert far.doubts[0].startswith("operational surprises favours vm")


def test_the_name_of_a_pattern_does_not_outweigh_a_clear_bill_and_is_a_doubt():
    found = decide(case({"cost_month": 30.0}, {"cost_month": 45.0}, load=workload(pattern="steady state")))

    assert found.choice == "serverless"
    assert any("variability favours vm" in doubt for doubt in found.doubts)


@pytest.mark.parametrize("pattern", ["bursty background", "steady state", "interactive"])
@pytest.mark.parametrize("prices", [(30.0, 30.0), (30.0, 32.0), (0.4, 0.9)])
def test_bills_too_near_each_other_are_open_whatever_the_habit_of_the_load(
    pattern: str, prices: tuple[float, float]
):
    found = decide(case({"cost_month": prices[0]}, {"cost_month": prices[1]}, load=workload(pattern=pattern)))

    assert found.choice == "inconclusive"
    assert found.answer.startswith("No clear choice")


def test_where_no_plane_has_a_price_the_habit_of_the_load_is_a_lean_and_no_answer():
    bursts = workload(pattern="bursty background", idle_share=0.9)

    found = decide(case({"cost_month": None}, {"cost_month": None}, load=bursts))

    assert (found.choice, found.leans) == ("inconclusive", "serverless")
    assert found.answer == (
        "No choice without bills to compare: s and v have no price. It leans to serverless."
    )


def test_bills_in_two_currencies_are_not_compared():
    found = decide(case({"cost_month": 3.0, "currency": "EUR"}, {"cost_month": 30.0}))

    assert found.choice == "inconclusive"
    assert "different currencies (s in EUR, v in USD)" in found.answer


def test_bills_whose_intervals_overlap_are_not_clearly_different():
    found = decide(
        case({"cost_month": 30.0, "cost_ci": (10.0, 60.0)}, {"cost_month": 50.0, "cost_ci": (45.0, 55.0)})
    )

    assert next(rule for rule in found.rules if rule.name == "cost").favours == "neither"


def rule_named(name: str, given_case: Case) -> Any:
    return next(rule for rule in decide(given_case).rules if rule.name == name)


def test_utilisation_favours_what_the_bills_favour_now_and_lists_every_crossing():
    even = BreakEvenFound(
        between=("s", "v"),
        by="utilisation",
        at=0.6,
        ci=(0.58, 0.62),
        now=0.475,
        crossings=[0.31, 0.38, 0.6, 0.79, 0.87],
    )

    found = rule_named("utilisation", case({"cost_month": 49.0}, {"cost_month": 60.0}, break_even=[even]))

    assert found.favours == "serverless"
    assert found.evidence["crossings"] == [0.31, 0.38, 0.6, 0.79, 0.87]
    assert "0.31, 0.38, 0.6, 0.79, 0.87" in found.text


@pytest.mark.parametrize(
    ("prices", "now"), [((30.0, 30.0), 0.05), ((10.0, 60.0), 0.31)], ids=["a tie", "within the interval"]
)
def test_utilisation_says_nothing_where_the_bills_do_not_decide_or_the_crossing_may_be_here(
    prices: tuple[float, float], now: float
):
    even = BreakEvenFound(between=("s", "v"), by="utilisation", at=0.32, ci=(0.3, 0.34), now=now)

    found = rule_named(
        "utilisation", case({"cost_month": prices[0]}, {"cost_month": prices[1]}, break_even=[even])
    )

    assert found.favours == "neither"


def test_a_break_even_with_a_target_that_is_out_is_not_looked_at():
    even = BreakEvenFound(between=("s", "v"), by="utilisation", at=0.32, now=0.05)
    broken = {"budget": "fail", "cost_month": 1.0}

    found = rule_named("utilisation", case(broken, break_even=[even], slos=["p99 < 1s"]))

    assert found.favours == "neither"
    assert found.text == "no break-even was found"


COLD = {"p99_ms": 2228.0, "p95_ms": 2100.0, "cold_share": 0.51, "p99_without_cold_ms": 100.0}
WARM = {"p99_ms": 100.0, "p95_ms": 95.0}


def test_cold_starts_that_make_the_tail_favour_machines():
    slow = {"p99_ms": 2400.0, "p99_ci_ms": (2000.0, 2700.0), "p99_without_cold_ms": 910.0, "cold_share": 0.03}

    found = rule_named("cold tail", case(slow))

    assert found.favours == "vm"
    assert "2.67 times as long" in found.text


def test_a_tail_without_an_interval_cannot_be_told_says_how_much_and_is_in_doubt():
    unknown = {"p99_ci_ms": None, "p95_ci_ms": None}

    decided = decide(case(COLD | unknown | {"cost_month": 3.0}, WARM | unknown))
    found = next(rule for rule in decided.rules if rule.name == "cold tail")

    assert (decided.choice, found.favours) == ("serverless", "neither")
    assert found.text == (
        "p99 2.23 s on s, 100 ms on v, 22.3 times as long; 51% of the requests to s were cold: most of its requests "
        "waited for a boot; cannot tell how much that adds at p99, since the runs are too short for an interval of p99"
    )
    assert decided.doubts[0] == f"cold tail: {found.text}"


def test_a_p95_that_is_apart_tells_where_p99_has_no_interval():
    found = rule_named(
        "cold tail",
        case(
            COLD | {"p99_ci_ms": (2100.0, None), "p95_ci_ms": (1900.0, 2200.0)},
            WARM | {"p99_ci_ms": (90.0, None), "p95_ci_ms": (90.0, 99.0)},
        ),
    )

    assert found.favours == "vm"
    assert found.text.startswith("p95 2.1 s on s, 95 ms on v, 22.1 times as long; 51%")


@pytest.mark.parametrize("share", [0.02, 0.6])
def test_overlapping_intervals_wave_nothing_through_that_is_many_times_slower_or_mostly_cold(share: float):
    wide = {"p99_ms": 1900.0, "p99_ci_ms": (880.0, 4000.0), "cold_share": share}

    found = rule_named("cold tail", case(wide))

    assert found.evidence["told"] == "cannot tell"
    assert "not clearly slower" not in found.text


def test_a_tail_that_is_as_long_on_both_planes_is_not_clearly_slower():
    found = rule_named("cold tail", case({"cold_share": 0.01}))

    assert found.text.endswith("not clearly slower")


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
    assert list(found.out) == ["s"]


def test_answers_that_rule_nothing_out_leave_the_choice_as_it_was():
    with_answers, without = decide(case(CHEAP, DEAR, answers=ASKED)), decide(case(CHEAP, DEAR))

    assert with_answers.choice == without.choice == "serverless"
    assert with_answers.answer == without.answer
    assert not any("bound to a machine" in doubt or "not asked" in doubt for doubt in with_answers.doubts)


def test_zones_that_no_plane_satisfies_leave_none():
    found = decide(case(answers=Answers(zones=("dedicated tenancy",), zone_allows=("somewhere else",))))

    assert found.choice == "inconclusive"
    assert found.answer == (
        "Nothing that was tried will do: s does not satisfy dedicated tenancy; v does not satisfy dedicated tenancy."
    )


def test_vms_that_fail_and_sockets_that_need_them_leave_nothing():
    found = decide(case(vm={"error_share": 0.2}, answers=Answers(sockets="hours")))

    assert found.choice == "inconclusive"
    assert found.answer.startswith("Nothing that was tried will do: s ends a request within the hour")


def test_who_was_not_asked_is_told_what_was_not():
    assert any(
        one.startswith("what no trace can tell was not asked") for one in decide(case(CHEAP, DEAR)).doubts
    )


def test_compliance_is_not_measured_until_it_is_answered():
    row = dimensions(case())[-1]
    told = dimensions(case(answers=Answers(zones=("data residency",), zone_allows=("vm",))))[-1]

    assert (row.better, told.better) == ("not measured", "v")
    assert told.by_plane["s"] == "does not satisfy data residency"


@pytest.mark.parametrize(
    ("lost", "back_s", "better"),
    [
        ((8, 8), (1.9, 46.5), "s"),
        ((8, 8), (1.9, 4.0), "even"),
        ((8, 8), (1.9, None), "s"),
        ((8, 8), (None, None), "even"),
        ((8, 1), (1.9, 46.5), "v"),
    ],
)
def test_where_as_many_sessions_are_lost_who_is_back_sooner_has_the_better(lost, back_s, better):
    one, other = (
        {"recovery": Recovered(target=name, what="killed", recovered_s=s, failed=n, sessions_lost=n)}
        for name, n, s in zip(("s", "v"), lost, back_s, strict=True)
    )

    row = next(row for row in dimensions(case(one, other)) if row.name == "state and recovery")

    assert row.better == better


@pytest.mark.parametrize(
    ("lost", "shortened", "better"),
    [((8, 1), None, "v"), ((8, 1), 0.125, "even"), ((8, 8), 0.125, "even"), ((1, 8), 0.125, "s")],
)
def test_boots_that_were_shortened_win_a_plane_nothing(lost, shortened, better):
    one, other = (
        {"recovery": Recovered(target=name, what="killed", recovered_s=s, sessions_lost=n, boots_share=share)}
        for name, n, s, share in zip(("s", "v"), lost, (40.0, 5.6), (None, shortened), strict=True)
    )

    row = next(row for row in dimensions(case(one, other)) if row.name == "state and recovery")

    assert row.better == better
    assert ("shortened to 12.5%" in row.by_plane["v"]) == (shortened is not None)


def rule_of(found: Any, name: str) -> Any:
    return next(rule for rule in found.rules if rule.name == name)


def test_a_request_that_is_too_long_for_a_target_which_is_out_already_says_so():
    long = workload(longest_ms=400_000.0, series=[step("http", "crawl", 200_000.0, 1.0)])

    found = decide(case({"answered": 3}, load=long, request_limit_s={"s": 300.0, "v": 900.0}))

    rule = rule_of(found, "request length")
    assert rule.favours == "neither"
    assert rule.text == (
        "the longest request took 6.67 min; s, which ends a request after 5 min, is out already (enough evidence)"
    )
    assert rule.flips_at is None


def test_requests_that_are_short_enough_flip_at_the_shortest_limit():
    rule = rule_of(decide(case(request_limit_s={"s": 300.0, "v": 900.0})), "request length")

    assert rule.text == "the longest request took 900 ms, and each target lets one take 5 min or longer"
    assert rule.flips_at == {"longest_s": 300.0}


@pytest.mark.parametrize(
    ("serverless", "vm", "flips_at"),
    [
        # Faster: it flips where it is a fifth slower.
        ({"p99_ms": 900.0}, {"p99_ms": 1000.0, "p99_ci_ms": (900.0, 1100.0)}, {"p99_ms": 1200.0}),
        # Slower in its figure, with intervals that overlap: where it is slower for certain.
        (
            {"p99_ms": 1500.0, "p99_ci_ms": (1000.0, 2000.0)},
            {"p99_ms": 1000.0, "p99_ci_ms": (900.0, 1300.0)},
            {"p99_is_at_least_ms": 1300.0},
        ),
        # No interval: no figure would tell.
        ({"p99_ms": 1500.0, "p99_ci_ms": None}, {"p99_ms": 1000.0, "p99_ci_ms": None}, None),
        # Slower for certain, and not by cold starts.
        (
            {"p99_ms": 1500.0, "p99_ci_ms": (1400.0, 1600.0), "p99_without_cold_ms": 1500.0},
            {"p99_ms": 1000.0, "p99_ci_ms": (900.0, 1100.0)},
            None,
        ),
    ],
)
def test_the_cold_tail_flips_at_no_figure_that_it_has_passed(serverless, vm, flips_at):
    rule = rule_of(decide(case(serverless, vm)), "cold tail")

    assert rule.favours == "neither"
    assert rule.flips_at == flips_at


@pytest.mark.parametrize(
    ("there", "priced", "says"),
    [
        (2, 1, "back after 3 s; that was one of 2 machines, and 1 is priced."),
        (1, 4, "back after 3 s; that was one of 1 machine, and 4 are priced."),
        (2, 2, "back after 3 s."),
        (None, 2, "back after 3 s."),
    ],
)
def test_a_recovery_says_of_how_many_machines_it_is(there, priced, says):
    recovery = Recovered(target="v", what="a machine was killed", recovered_s=3.0, failed=2, machines=there)

    assert effort_words([plane("v", "vm", machines=priced, recovery=recovery)])[0].endswith(says)


@pytest.mark.parametrize(
    ("serverless", "machines", "split", "favours"),
    [
        ({"cost_month": 400.0}, {"cost_month": 120.0}, {"cost_month": 61.0}, "hybrid"),
        ({"cost_month": 400.0}, {"cost_month": 60.22}, {"cost_month": 63.0}, "neither"),
        ({"cost_month": 400.0}, {"cost_month": 120.0}, {"cost_month": 61.0, "budget": "fail", "broken": ["p99 < 1s"]}, "neither"),
        # Neither alone keeps the budget: nothing is left to be cheaper than.
        ({"cost_month": 3.0, "budget": "fail"}, {"cost_month": 9.0, "budget": "fail"}, {"cost_month": 33.0}, "hybrid"),
    ],
)  # fmt: skip
def test_a_split_that_was_tried_is_spoken_for_where_it_is_the_cheaper_or_alone(
    serverless, machines, split, favours
):
    tried = TriedSplit(steps=["tool:build"], machines=1, estimated_month=60.0)
    hybrid = Hybrid(serverless="s", vm="v", text="a split was tried", tried=[tried], target="split")
    load = workload(series=[step("http", "edge", 80.0, 0.05), step("tool", "build", 45_000.0, 0.95)])
    budget = {"budget": "pass"}

    found = decide(
        case(
            budget | serverless,
            budget | machines,
            load=load,
            hybrid=hybrid,
            split=plane("split", "hybrid", **(budget | split)),
            slos=["p99 < 1s"],
        )
    )

    (mixed,) = [rule for rule in found.rules if rule.name == "mixed steps"]
    assert mixed.favours == favours
