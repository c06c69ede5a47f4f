"""The rules of money: the month's bill, the time of staff, and where two planes cost the same."""

from replay.choice.bills import CLEAR_RATIO, Bills, compared, why_not_compared
from replay.choice.case import Case
from replay.choice.staff import staff_line
from replay.choice.standing import (
    standing,
)
from replay.choice.types import Favours, Rule
from replay.money.types import BreakEvenFound
from replay.words.numbers import money, number

# Where one VM of the size of an instance begins to cost less than the instance: 0.27 to 0.40 by list prices.
USUAL_BREAK_EVEN = 0.3


def cost(case: Case) -> Rule:
    """The month's bill at the observed shape, without staff time."""
    represents = standing(case).represents
    bills = compared(represents)
    if bills is None:
        return Rule(
            name="cost",
            favours="neither",
            evidence={},
            text=why_not_compared([plane for kind, plane in represents.items() if kind != "hybrid"])
            or "there are not two bills to compare",
        )
    ratio = bills.ratio
    return Rule(
        name="cost",
        favours=bills.cheaper.plane if bills.is_clear else "neither",
        evidence={
            "cost_month": {plane.target: plane.cost_month for plane in (bills.cheaper, bills.dearer)},
            "currency": bills.cheaper.currency or "",
            "ratio": None if ratio is None else round(ratio, 4),
        },
        text=months_said(bills, case.calendar) + ("" if bills.is_clear else f": {bills.why_open}"),
        flips_at={"cost_month": round(bills.higher / CLEAR_RATIO, 2)},
        source="cost at the observed shape, never at one average",
    )


def months_said(bills: Bills, calendar: str) -> str:
    currency = bills.cheaper.currency or ""
    said = (
        f"{bills.cheaper.target} {money(bills.lower)}, {bills.dearer.target} {money(bills.higher)} {currency}"
    )
    return f"{said.strip()} a month" + (f" ({calendar})" if calendar else "")


def staff_time(case: Case) -> Rule:
    """The month with staff time in it, and how much of it would make the other plane cheaper."""
    line = staff_line(standing(case))
    if line is None:
        return Rule(
            name="staff time", favours="neither", evidence={}, text="there are not two bills to add it to"
        )
    stated = bool(line.month)
    return Rule(
        name="staff time",
        favours="neither" if not stated or line.with_staff == "inconclusive" else line.with_staff,
        evidence={
            "staff_month": line.month,
            "rate": line.rate,
            "is_rate_assumed": line.is_rate_assumed,
            "without": line.without,
            "with_staff": line.with_staff,
        },
        text=line.text,
        flips_at={"staff_hours": line.flips_at_hours},
        source="patching and operations can outweigh the difference of two bills",
    )


def utilisation(case: Case) -> Rule:
    """Which side of the crossings the workload is on, by the bills at the present load."""
    even = _even(case)
    if even is None or even.at is None or even.now is None:
        why = (even.reason if even else None) or "no break-even was found"
        return Rule(name="utilisation", favours="neither", evidence={}, text=why)
    crossings = even.crossings or [even.at]
    low, high = even.ci or (even.at, even.at)
    is_apart = not low <= even.now <= high
    bills = compared(standing(case).represents)
    cheaper: Favours = "neither" if bills is None or not bills.is_clear else bills.cheaper.plane
    at = ", ".join(number(one) for one in crossings)
    side = (
        f"the bills at the present load favour {cheaper}"
        if cheaper != "neither"
        else "the bills at the present load do not decide"
    )
    return Rule(
        name="utilisation",
        favours=cheaper if is_apart and cheaper in _kinds_of(case, even) else "neither",
        evidence={"active_instances": even.now, "crossings": crossings, "ci": list(even.ci or ())},
        text=f"{number(even.now)} instances are active on average; both cost the same at {at}; {side}",
        flips_at={"active_instances": min(crossings, key=lambda one: abs(one - (even.now or 0.0)))},
        source="the break-even utilisation",
    )


def _kinds_of(case: Case, even: BreakEvenFound) -> set[str]:
    """The kinds of the planes that a break-even is between."""
    return {plane.plane for plane in case.planes if plane.target in even.between}


def _even(case: Case) -> BreakEvenFound | None:
    """The break-even by utilisation between targets that stand for their kinds."""
    standing_for = {plane.target for plane in standing(case).represents.values()}
    found = [even for even in case.break_even if even.by == "utilisation" and set(even.between) <= standing_for]
    return found[0] if found else None


def utilisation_at_break_even(case: Case) -> float:
    even = _even(case)
    return USUAL_BREAK_EVEN if even is None or even.at is None else even.at
