"""What a bill takes for granted, and whether the choice would be another without it. Pure.

A free tier may be used up by something else, a spot machine be taken away, a fleet that is smaller than the one that
was measured not do. Where the answer hangs on one of these it is no detail of a bill: it is said with the answer.
"""

from collections.abc import Iterator

import msgspec

from replay.choice.bills import Amount, compared
from replay.choice.standing import Standing
from replay.choice.types import Choice, PilotPlane
from replay.words.numbers import money

_OPEN = "neither is clearly cheaper then"


def what_turns(stand: Standing, choice: Choice, amount: Amount) -> Iterator[str]:
    """A clause for each thing that is taken for granted in a bill and without which months would not favour the choice.

    amount: what months are compared by.
    """
    for kind, plane in stand.represents.items():
        for other in plane.otherwise:
            changed = _changed(plane, other.cost_month)
            bills = compared({**stand.represents, kind: changed}, amount)
            if bills is None or (bills.is_clear and bills.cheaper.plane == choice):
                continue
            leads = f"{bills.cheaper.target} is the cheaper then" if bills.is_clear else _OPEN
            was, month = money(plane.cost_month or 0.0), money(other.cost_month)
            months = f"{month} instead of {was} {plane.currency or ''}".rstrip()
            yield f"{other.what} {plane.target} is {months} a month, and {leads} ({other.why})"


def _changed(plane: PilotPlane, month: float) -> PilotPlane:
    """The plane with that bill, of which as much is uncertain as before."""
    moved = month - (plane.cost_month or 0.0)
    ends = plane.cost_ci
    return msgspec.structs.replace(
        plane, cost_month=month, cost_ci=None if ends is None else (ends[0] + moved, ends[1] + moved)
    )
