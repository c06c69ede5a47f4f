"""What staff time does to a choice by money: the answer without it and with it, and the hours at which it flips. Pure.

Staff is a line of its own, so that a bill stays what a provider sends; but where a few hours of upkeep a month are more
than what lies between two bills, the bills alone do not say which plane is cheaper.
"""

from replay.choice.bills import ASSUMED_RATE, Bills, bill, bill_and_staff, compared, staff_of
from replay.choice.standing import Standing
from replay.choice.types import Choice, StaffLine
from replay.words.numbers import money, number

# So much upkeep a month more for one plane than for another surprises nobody: an hour a week.
FEW_HOURS = 4.0


def staff_line(stand: Standing) -> StaffLine | None:
    """Both answers by money. None where the choice is not between two months of one currency."""
    bills, with_staff = compared(stand.represents, bill), compared(stand.represents, bill_and_staff)
    if bills is None or with_staff is None:
        return None
    first, second = bills.cheaper, bills.dearer
    month = {
        plane.target: amount for plane in stand.represents.values() if (amount := staff_of(plane)) is not None
    }
    stated = next((plane.staff_rate for plane in (first, second) if plane.staff_rate), None)
    rate = stated or ASSUMED_RATE
    hours = bills.gap / rate
    return StaffLine(
        between=(first.target, second.target),
        without=_choice(bills),
        with_staff=_choice(with_staff),
        month=month,
        rate=rate,
        is_rate_assumed=stated is None,
        flips_at_hours=round(hours, 4),
        text=_said(bills, with_staff, month, rate, hours, is_assumed=stated is None),
    )


def flips_soon(line: StaffLine) -> bool:
    """Whether an amount of upkeep that surprises nobody would make the other plane the cheaper, and none was stated."""
    return not line.month and line.without != "inconclusive" and line.flips_at_hours <= FEW_HOURS


def hours_said(hours: float) -> str:
    """`20 minutes`, `1 hour`, `2.5 hours`."""
    if hours < 0.95:
        return f"{max(1, round(60 * hours))} minutes" if hours * 60 >= 1.5 else "1 minute"
    rounded = round(hours, 1)
    return f"{number(rounded)} hour{'' if rounded == 1 else 's'}"


def _choice(bills: Bills) -> Choice:
    return bills.cheaper.plane if bills.is_clear else "inconclusive"


def _said(
    bills: Bills, with_staff: Bills, month: dict[str, float], rate: float, hours: float, *, is_assumed: bool
) -> str:
    hour = money(rate, bills.cheaper.currency)
    assumed = " (assumed, since no staff_rate is stated)" if is_assumed else ""
    flip = (
        f"the turn is at {hours_said(hours)} of staff a month more on {bills.cheaper.target} than on "
        f"{bills.dearer.target}, at {hour} an hour{assumed}"
    )
    if not month:
        return f"no staff time is stated; without it {_leads(bills)}; {flip}"
    stated = ", ".join(f"{money(amount)} on {target}" for target, amount in month.items())
    is_same = bills.is_clear and with_staff.is_clear and bills.cheaper is with_staff.cheaper
    without = ", as it is without" if is_same else f"; without it {_leads(bills)}"
    return f"with staff time ({stated}) {_leads(with_staff)}{without}; {flip}"


def _leads(bills: Bills) -> str:
    """Which month is the lower, with both amounts."""
    currency = bills.cheaper.currency or ""
    if bills.is_clear:
        amounts = f"{money(bills.lower)} against {money(bills.higher)} {currency}".rstrip()
        return f"{bills.cheaper.target} is cheaper, {amounts} a month"
    why = "are too close to call" if bills.are_near else "cannot be told apart"
    amounts = f"{money(bills.lower)} and {money(bills.higher)} {currency}".rstrip()
    return f"{bills.cheaper.target} and {bills.dearer.target} {why}, {amounts} a month"
