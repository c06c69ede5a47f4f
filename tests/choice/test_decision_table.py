"""Every row of the decision table is answered as an engineer would, and what no evidence may do to an answer."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.choice.case import Case
from replay.choice.decision import Decided, decide
from replay.choice.types import PilotPlane, UndecidedSlo
from replay.money.types import BreakEvenFound
from tests.choice.cases import plane, step, workload
from tests.choice.decision_table import TABLE, Row, answered, printed


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_row_is_answered_as_an_engineer_would(row: Row):
    choice, on = answered(row)

    assert choice == row.answer
    assert row.on in (None, on)


def test_the_table_prints_a_row_a_line_and_marks_what_flipped(monkeypatch: pytest.MonkeyPatch):
    assert printed().splitlines()[-1] == f"{len(TABLE)} rows, 0 not answered as they should be"

    monkeypatch.setattr("replay.choice.bills.CLEAR_RATIO", 1.05)
    flipped = [line for line in printed().splitlines() if line.startswith("! ")]

    assert len(flipped) == 1
    assert flipped[0].startswith("! ten percent apart")
    assert flipped[0].endswith("(now serverless on s)")


SLOS = ["p99 < 1s"]
months = st.one_of(st.none(), st.sampled_from([0.0, 10.0, 11.0, 30.0, 31.0, 90.0]), st.floats(0, 1e5))
undecided = st.lists(
    st.builds(
        UndecidedSlo, slo=st.just(SLOS[0]), why=st.just("few"), is_broken=st.booleans(), is_open=st.booleans()
    ),
    max_size=1,
)


@st.composite
def planes(draw: st.DrawFn) -> list[PilotPlane]:
    """Two to five targets of any kind, each with a name of its own; at least one of either main kind."""
    kinds = draw(st.lists(st.sampled_from(["serverless", "vm", "hybrid"]), max_size=3))
    return [_plane(draw, f"t{n}", kind) for n, kind in enumerate(["serverless", "vm", *kinds])]


def _plane(draw: st.DrawFn, name: str, kind: Any) -> PilotPlane:
    month = draw(months)
    width = draw(st.sampled_from([None, 0.0, 0.1, 0.5]))
    return plane(
        name,
        kind,
        cost_month=month,
        cost_ci=None if width is None or month is None else (month * (1 - width), month * (1 + width)),
        staff_month=draw(st.sampled_from([None, None, 45.0, 360.0])),
        budget=draw(st.sampled_from(["pass", "pass", "fail", "inconclusive", None])),
        undecided=draw(undecided),
        error_share=draw(st.sampled_from([0.0, 0.0, 0.01, 0.3])),
        ceiling_rps=draw(st.sampled_from([50.0, 50.0, 1.0])),
        carried_rps=draw(st.sampled_from([None, 3.0, 5.0])),
        answered=draw(st.sampled_from([1500, 1500, 12])),
        machines=draw(st.sampled_from([None, 1, 4])) if kind != "serverless" else None,
        p99_ms=draw(st.sampled_from([None, 100.0, 3000.0])),
        cold_share=draw(st.sampled_from([None, 0.01, 0.6])),
        effort=draw(st.sampled_from([{}, {"timed out (504)": 40}])),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    needs = draw(st.sampled_from([None, None, "browser", "gpu"]))
    bound = step("tool", "click", 90.0, 0.1, needs=needs)
    load = workload(
        pattern=draw(st.sampled_from(["interactive", "bursty background", "steady state"])),
        idle_share=draw(st.sampled_from([None, 0.0, 0.3, 0.9])),
        series=[step("http", "edge", 80.0, 0.9), bound],
    )
    found = draw(planes())
    at, now = draw(st.floats(0.1, 2.0)), draw(st.floats(0.1, 2.0))
    return Case(
        workload=load,
        planes=found,
        break_even=[BreakEvenFound(between=("t0", "t1"), by="utilisation", at=at, now=now, crossings=[at])],
        slos=draw(st.sampled_from([[], SLOS])),
        provides=draw(st.sampled_from([{}, {"t0": ["gpu", "browser"]}])),
    )


def winner(found: Decided) -> str | None:
    return None if found.choice == "inconclusive" else found.represents.get(found.choice, "(a split not run)")


@given(cases())
@settings(max_examples=300, deadline=None)
def test_a_plane_that_is_out_never_wins_and_is_in_no_comparison(given_case: Case):
    found = decide(given_case)

    assert not set(found.out) & set(found.represents.values())
    assert winner(found) not in found.out
    by_name = {rule.name: rule for rule in found.rules}
    assert not set(found.out) & set(by_name["cost"].evidence.get("cost_month", {}))
    if found.staff is not None:
        assert not set(found.out) & {*found.staff.between, *found.staff.month}


@given(cases(), st.data(), st.floats(0.01, 1e4))
@settings(max_examples=300, deadline=None)
def test_raising_a_planes_own_bill_never_makes_it_win(given_case: Case, data: st.DataObject, more: float):
    dearer = data.draw(
        st.sampled_from([one for one in given_case.planes if one.cost_month is not None] or [None])
    )
    if dearer is None:
        return
    before = winner(decide(given_case))
    low, high = dearer.cost_ci or (None, None)
    raised = msgspec.structs.replace(
        dearer,
        cost_month=(dearer.cost_month or 0.0) + more,
        cost_ci=None if low is None or high is None else (low + more, high + more),
    )
    after = winner(
        decide(
            msgspec.structs.replace(
                given_case, planes=[raised if one is dearer else one for one in given_case.planes]
            )
        )
    )

    assert after != dearer.target or before == dearer.target


@given(cases(), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_the_order_in_which_targets_are_named_decides_nothing(given_case: Case, random: Any):
    shuffled = list(given_case.planes)
    random.shuffle(shuffled)

    a, b = decide(given_case), decide(msgspec.structs.replace(given_case, planes=shuffled))

    assert (a.choice, winner(a), a.represents, a.out, a.leans) == (
        b.choice,
        winner(b),
        b.represents,
        b.out,
        b.leans,
    )
    assert set(a.doubts) == set(b.doubts)


@given(cases())
@settings(max_examples=200, deadline=None)
def test_utilisation_and_cost_never_favour_different_planes_and_an_answer_has_a_reason(given_case: Case):
    found = decide(given_case)
    by_name = {rule.name: rule.favours for rule in found.rules}

    assert by_name["utilisation"] in ("neither", by_name["cost"])
    assert found.reasons
    assert any(rule.decides for rule in found.rules)
    msgspec.json.encode(found)
