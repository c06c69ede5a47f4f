"""The rule of mixed steps: whether some belong on another plane than the rest."""

from collections.abc import Sequence

from replay.choice.bills import compared
from replay.choice.case import Case
from replay.choice.rules.bills import months_said, utilisation_at_break_even
from replay.choice.split import LEAST_LONG_MS, LONG_RATIO, forced_split, long_steps
from replay.choice.standing import (
    standing,
    step_name,
    step_names,
)
from replay.choice.types import Favours, Hybrid, PilotPlane, Rule, StepClass
from replay.words.numbers import money, number, percent
from replay.words.phrases import counted

LONG_BUSY_SHARE = 0.5
SHORT_STEPS_SHARE = 0.3


def mixed_steps(case: Case) -> Rule:
    """Short edge calls beside long, heavy steps: whether each belongs on another plane, and whether that pays."""
    source = "mixed behaviour: short and user-facing to serverless; long, local and heavy to VMs"
    if case.hybrid is not None:
        return _tried(case, case.hybrid, source)
    workload, long, stand = case.workload, long_steps(case), standing(case)
    forced = forced_split(case, stand)
    if not forced and (not long or len(long) == len(workload.series)):
        kinds = "long" if long else "short"
        return Rule(
            name="mixed steps",
            favours="neither",
            evidence={"long": [step_name(step) for step in long], "fits": False},
            text=f"the steps are of one sort: all {kinds}, or model calls",
            flips_at={"longest_ms": LEAST_LONG_MS, "times_the_short": LONG_RATIO},
            source=source,
        )
    steps = sum(step.steps for step in workload.series)
    short_share = 1 - sum(step.steps for step in long) / max(1, steps)
    own = sum(step.busy_share for step in workload.series if step.kind != "llm" or step.needs)
    busy = sum(step.busy_share for step in long) / own if own else 0.0
    in_flight = sum(step.in_flight for step in long)
    least_in_flight = min(1.0, utilisation_at_break_even(case))
    is_bound = any(step.needs for step in long)
    fits = is_bound or (
        busy >= LONG_BUSY_SHARE and short_share >= SHORT_STEPS_SHARE and in_flight >= least_in_flight
    )
    text = (
        f"{step_names(long)} makes up {percent(busy)} of the time outside of model calls and keeps {number(in_flight)} "
        f"in flight, while {percent(short_share)} of the requests are short"
    )
    bills = compared(stand.represents)
    favours: Favours = "neither"
    evidence = {
        "long": [step_name(step) for step in long],
        "fits": fits,
        "long_busy_share": round(busy, 4),
        "long_in_flight": round(in_flight, 4),
        "short_steps_share": round(short_share, 4),
    }
    if bills is not None and bills.cheaper.plane == "hybrid":
        favours = "hybrid"
        text += f"; split, {months_said(bills, case.calendar)}"
    elif forced is not None:
        evidence["split_at_most_month"] = forced.at_most_month
        favours = "hybrid" if forced.pays else "neither"
        text = _forced_said(forced.steps, forced.machines, forced.at_most_month, forced.vm, pays=forced.pays)
    return Rule(
        name="mixed steps",
        favours=favours,
        evidence=evidence,
        text=text,
        flips_at={"long_in_flight": round(least_in_flight, 4), "long_busy_share": LONG_BUSY_SHARE},
        source=source,
    )


def _tried(case: Case, hybrid: Hybrid, source: str) -> Rule:
    """What came of looking for a split, where that was done."""
    stand = standing(case)
    bills, chosen = compared(stand.represents), stand.represents.get("hybrid")
    is_alone = chosen is not None and len(stand.represents) == 1
    pays = is_alone or (bills is not None and bills.cheaper.plane == "hybrid")
    out = None if hybrid.target is None else stand.out.get(hybrid.target)
    return Rule(
        name="mixed steps",
        favours="hybrid" if pays else "neither",
        evidence={
            "month": {
                f"{' and '.join(one.steps)} on {counted(one.machines, 'machine')}": (
                    one.estimated_month if one.cost_month is None else one.cost_month
                )
                for one in hybrid.tried
            },
        },
        text=hybrid.text if out is None else f"{hybrid.text}; but {hybrid.target} {out.why}",
        source=source,
    )


def _forced_said(steps: Sequence[StepClass], machines: int, month: float, vm: PilotPlane, *, pays: bool) -> str:
    does = "pays" if pays else "does not pay"
    return (
        f"{step_names(steps)} cannot run serverless; with {machines} of {counted(vm.machines or 0, 'machine')} for it "
        f"and the rest serverless a month is {money(month)} {vm.currency or ''} at most, beside "
        f"{money(vm.cost_month or 0.0)} for {vm.target} alone, so a split {does}"
    )
