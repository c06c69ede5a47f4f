"""What is said of months of money: how long one is, where two planes cost the same, and what moves that.

Money is in the currency that stands beside it. What was not found is null.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

MONTH_H = 730.0


class BreakEvenFound(msgspec.Struct, kw_only=True):
    """Where two planes cost the same. Machines come whole, so that bills may cross more than once."""

    between: Annotated[tuple[str, str], Meta(description="The two planes.")]
    by: Annotated[str, Meta(description="What is varied.")]
    unit: Annotated[str, Meta(description="The unit of it.")] = ""
    at: Annotated[
        float | None,
        Meta(description="Where they cost the same, nearest to now; null: they never do, or it was refused."),
    ] = None
    ci: Annotated[tuple[float, float] | None, Meta(description="The interval of `at`.")] = None
    now: Annotated[float | None, Meta(description="Where this workload stands.")] = None
    reason: Annotated[str | None, Meta(description="Why `at` is null.")] = None
    text: Annotated[str, Meta(description="All this, in a sentence.")] = ""
    curve: Annotated[
        list[tuple[float, float, float]],
        Meta(description="For a chart: what is varied, the cost of the first, the cost of the second."),
    ] = []
    crossings: Annotated[
        list[float], Meta(description="All places where the bills cross, from small to large.")
    ] = []
    cheaper_now: Annotated[
        str | None, Meta(description="Which of them costs less at now; null if neither, to the cent.")
    ] = None


class Sensitive(msgspec.Struct, omit_defaults=True, kw_only=True):
    """How an input moves the answer."""

    input: Annotated[str, Meta(description="The input.")]
    value: Annotated[float | None, Meta(description="What it is.")] = None
    unit: Annotated[str, Meta(description="The unit of value.")] = ""
    elasticity: Annotated[
        float | None,
        Meta(description="Percent of change in the ratio of the bills for a percent of change in the input."),
    ] = None
    flips_at_factor: Annotated[
        float | None,
        Meta(description="Multiplied by this, the other plane is cheaper; absent: no factor does it."),
    ] = None
