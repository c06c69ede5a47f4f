"""Staff time as money that may decide: totals with it, and the hours at which the cheaper plane flips. Pure."""

from typing import Annotated

import msgspec
from msgspec import Meta

from replay.money.cost import Bill, CostError
from replay.words.numbers import money, number


class StaffFlip(msgspec.Struct, kw_only=True):
    """Of two planes the cheaper one by the bills, and how much time of staff it may take."""

    cheaper: Annotated[str, Meta(description="The plane with the lower bill.")]
    dearer: Annotated[str, Meta(description="The other.")]
    difference: Annotated[float, Meta(description="By how much a month.")]
    currency: Annotated[str, Meta(description="The currency of the money.")]
    rate: Annotated[float, Meta(description="What an hour of staff costs.")]
    hours: Annotated[
        float | None,
        Meta(
            description=(
                "Hours of staff a month that the cheaper may take more than the other until it is the dearer; "
                "null: no rate is known."
            )
        ),
    ]
    text: Annotated[str, Meta(description="All this, in a sentence.")]


def with_staff(bill: Bill, hours: float, rate: float) -> Bill:
    """The bill with its second total. rate: of an hour, in the bill's currency."""
    return msgspec.structs.replace(bill, total_with_staff=bill.total + hours * rate)


def hours_at_which_it_flips(bill_a: Bill, bill_b: Bill, rate: float) -> float | None:
    """Hours a month that the cheaper one may take beyond the other until both cost the same; 0 where they do already.

    rate: of an hour, in the currency of both. None if that is 0: then no time of anyone flips it. Raises CostError if
    the bills are in different currencies.
    """
    if bill_a.currency != bill_b.currency:
        raise CostError(f"one bill is in {bill_a.currency}, the other in {bill_b.currency}")
    return abs(bill_a.total - bill_b.total) / rate if rate > 0 else None


def staff_flip(a: tuple[str, Bill], b: tuple[str, Bill], rate: float) -> StaffFlip:
    """The same for two planes by name, in words. Raises CostError if the bills are in different currencies."""
    (cheaper, less), (dearer, more) = sorted((a, b), key=lambda one: one[1].total)
    hours = hours_at_which_it_flips(less, more, rate)
    difference = more.total - less.total
    text = f"{cheaper} is cheaper than {dearer} by {money(difference, less.currency)} a month without staff"
    if hours is not None:
        text += (
            f"; {number(hours)} hours of staff a month more than {dearer} takes, at {number(rate)} an hour, make it "
            "the dearer"
        )
    return StaffFlip(
        cheaper=cheaper,
        dearer=dearer,
        difference=difference,
        currency=less.currency,
        rate=rate,
        hours=hours,
        text=text,
    )
