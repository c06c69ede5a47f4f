"""Which plane's month is clearly the cheapest, by the bill alone or with staff time in it. Pure.

A plane is clearly cheaper if its month is lower by a fifth and by a unit of the currency, and no figure within the 95 %
intervals says otherwise. A hybrid is two planes to keep, so it is only ever the cheapest where it clearly undercuts
each plane that could do it alone; otherwise it is left out of the comparison.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from replay.choice.types import PilotPlane, PlaneName
from replay.words.numbers import money

CLEAR_RATIO = 1.2
LEAST_GAP = 1.0
# Nobody's payroll: an hour of an engineer with what it costs beside the wage, where a target file states no rate.
ASSUMED_RATE = 90.0

Amount = Callable[[PilotPlane], float | None]


class Bills(NamedTuple):
    """Two months, the lower first, each with its 95 % interval (itself alone, where there is none)."""

    cheaper: PilotPlane
    dearer: PilotPlane
    lower: float
    higher: float
    lower_ci: tuple[float, float]
    higher_ci: tuple[float, float]

    @property
    def gap(self) -> float:
        return self.higher - self.lower

    @property
    def ratio(self) -> float | None:
        """Of the second to the first; None where the first is free."""
        return self.higher / self.lower if self.lower > 0 else None

    @property
    def are_near(self) -> bool:
        return self.higher < CLEAR_RATIO * self.lower or self.gap < LEAST_GAP

    @property
    def overlap(self) -> bool:
        return self.lower_ci[1] >= self.higher_ci[0]

    @property
    def is_clear(self) -> bool:
        return not self.are_near and not self.overlap

    @property
    def why_open(self) -> str:
        """What keeps the first from being clearly lower."""
        if self.are_near or not self.overlap:
            return "too close to call"
        ends = " and ".join(
            f"{money(low)} to {money(high)}" if high > low else money(low)
            for low, high in (self.lower_ci, self.higher_ci)
        )
        return f"which is lower is undecided, since their 95% intervals overlap ({ends})"


def bill(plane: PilotPlane) -> float | None:
    """The month, without staff."""
    return plane.cost_month


def bill_and_staff(plane: PilotPlane) -> float | None:
    """The month with the staff time that the target states; none stated counts as none."""
    return None if plane.cost_month is None else plane.cost_month + (staff_of(plane) or 0.0)


def staff_of(plane: PilotPlane) -> float | None:
    """What the stated hours cost a month, at the stated rate or the assumed one; None where no hours are stated."""
    if plane.staff_hours and not plane.staff_rate:
        return plane.staff_hours * ASSUMED_RATE
    return plane.staff_month


def compared(represents: Mapping[PlaneName, PilotPlane], amount: Amount = bill) -> Bills | None:
    """The two months that the choice is between; None where it is not between months, or they cannot be compared."""
    singles = [plane for kind, plane in represents.items() if kind != "hybrid"]
    between = _pair(singles, amount) if why_not_compared(singles) is None else None
    hybrid = represents.get("hybrid")
    if hybrid is None or not singles or why_not_compared([*singles, hybrid]) is not None:
        return between
    undercut = [_pair([hybrid, single], amount) for single in singles]
    if not all(pair.is_clear and pair.cheaper is hybrid for pair in undercut):
        return between
    return min(undercut, key=lambda pair: (pair.higher, pair.dearer.target))


def why_not_compared(planes: Sequence[PilotPlane]) -> str | None:
    """What keeps these planes' months from being compared; None where nothing does."""
    unpriced = [plane.target for plane in planes if plane.cost_month is None]
    if unpriced:
        return f"{' and '.join(unpriced)} {'has' if len(unpriced) == 1 else 'have'} no price"
    if len(planes) < 2:
        return "fewer than two planes are left to compare"
    if not _is_one_currency(planes):
        named = ", ".join(f"{plane.target} in {plane.currency}" for plane in planes)
        return f"the bills are in different currencies ({named}), so they were not compared"
    return None


def _is_one_currency(planes: Sequence[PilotPlane]) -> bool:
    return len({plane.currency for plane in planes if plane.currency is not None}) <= 1


def _pair(planes: Sequence[PilotPlane], amount: Amount) -> Bills:
    """The two lowest; of equal ones the order of their names, so that no order of targets decides."""
    known = [(found, plane.target, plane) for plane in planes if (found := amount(plane)) is not None]
    (lower, _, cheaper), (higher, _, dearer) = sorted(known, key=lambda item: item[:2])[:2]
    return Bills(cheaper, dearer, lower, higher, _interval(lower, cheaper), _interval(higher, dearer))


def _interval(amount: float, plane: PilotPlane) -> tuple[float, float]:
    """The bill's, moved by what is added to the bill; it holds its own figure whatever was resampled."""
    if plane.cost_ci is None or plane.cost_month is None:
        return amount, amount
    added = amount - plane.cost_month
    low, high = plane.cost_ci
    return min(low + added, amount), max(high + added, amount)
