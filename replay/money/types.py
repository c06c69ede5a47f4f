"""What is said of months of money: how long one is, where two planes cost the same, and what moves that.

Money is in the currency that stands beside it. What was not found is null.
"""

import msgspec

MONTH_H = 730.0


class BreakEvenFound(msgspec.Struct, kw_only=True):
    """Where two planes cost the same. at None: they never do, or it was refused; `reason` says why. now: where this
    workload stands. curve: (x, cost of the first, cost of the second) for a chart.

    Machines come whole, so that the bills may cross more than once: crossings has all of them, from small to large, and
    `at` is the one nearest to now. cheaper_now: which of `between` costs less at now; None if neither, to the cent.
    """

    between: tuple[str, str]
    by: str
    unit: str = ""
    at: float | None = None
    ci: tuple[float, float] | None = None
    now: float | None = None
    reason: str | None = None
    text: str = ""
    curve: list[tuple[float, float, float]] = []
    crossings: list[float] = []
    cheaper_now: str | None = None


class Sensitive(msgspec.Struct, omit_defaults=True, kw_only=True):
    """How an input moves the answer. flips_at_factor: multiplied by this, the other plane is cheaper; None: no factor
    does it. elasticity: percent of change in the ratio of the bills for a percent of change in the input.
    """

    input: str
    value: float | None = None
    unit: str = ""
    elasticity: float | None = None
    flips_at_factor: float | None = None
