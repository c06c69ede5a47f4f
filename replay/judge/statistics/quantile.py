"""How well a quantile is known: order statistics, for values that come in clusters.

The interval is that of fractional order statistics (Hutson 1999, "Calculating nonparametric confidence intervals
for quantiles using fractional order statistics", J. Applied Statistics 26), which needs no distribution and whose
coverage is close to nominal where whole ranks would overshoot. The ranks are those of the effective number of
values (replay/judge/statistics/sample.py), scaled to the real one: Korn and Graubard (1998), "Confidence intervals for
proportions with small expected number of positive counts", turned around from a share at a value to the value at
a share, as Woodruff (1952) did. Coverage is simulated in tests/judge/statistics/test_quantile.py.
"""

from math import ceil, log

import numpy as np

from replay.judge.statistics.distributions import beta_below
from replay.judge.statistics.sample import Floats, Sample, Worth, worth
from replay.judge.types import Interval

FAR = 10.0
"""How many times beyond all that was seen a quantile, or a mean, cannot lie, however alike neighbours are. No
theorem, but what queues up to a load of 0.95 do, from their first hundred steps on: tests/judge/test_queues.py.
"""

# Each move leaves fewer values beyond; of hundreds of simulated spells none took more than five.
_MOST_MOVES = 20


def quantile(sorted_values: Floats, q: float) -> float:
    """The value that at least the share q of the values is at or below: the ceil(q n)-th smallest.

    The definition of HdrHistogram's percentiles, so that verdicts and summaries show the same figure.
    """
    n = len(sorted_values)
    return float(sorted_values[min(n - 1, max(0, ceil(q * n - 1e-9) - 1))])


def quantile_interval(sample: Sample, q: float, confidence: float) -> tuple[Interval, Worth]:
    """Bound the q quantile of what the sample was drawn from, and say what the sample is worth for that.

    Each side holds with probability (1 + confidence) / 2. A side is None where n is too small to bound it: p99 at
    95% needs 368 independent values for its upper side. Where the run was too short to have shown the worst
    (Worth.is_unseen), the upper side is FAR beyond all that was seen. Values may be infinite, and then a side may be,
    too. Raises ValueError for an empty sample.
    """
    found = quantile_worth(sample, q, confidence)
    return quantile_bounds(sample.ordered, found, q, confidence), found


def quantile_worth(sample: Sample, q: float, confidence: float) -> Worth:
    """What the sample is worth for its q quantile. Raises ValueError for an empty sample.

    What slows a target for a while, or a whole session, is only a part of what is beyond the quantile, and more of it
    further out. So the bound is held to what its own exceedances are worth, and moved out until they are worth no less
    than it was drawn with: Woodruff's interval, inverted at the bound instead of at the quantile.
    """
    if not sample.n:
        raise ValueError("a quantile needs at least one value")
    at = quantile(sample.ordered, q)
    # Among failures nothing is larger; what is uncertain then is their own share.
    found = worth(sample.values > at if np.isfinite(at) else np.isinf(sample.values), sample, confidence)
    for _ in range(_MOST_MOVES):
        high = quantile_bounds(sample.ordered, found, q, confidence).high
        if high is None or not at < high < sample.ordered[-1]:
            break
        there = worth(sample.values > high, sample, confidence)
        # How surely that is known is told by the more that lie beyond the quantile, and not once more by these few.
        if there.design_effect <= found.design_effect:
            break
        found = there._replace(
            n_effective=max(1.0, found.n_effective * found.design_effect / there.design_effect)
        )
    return found


def quantile_bounds(ordered: Floats, known: Worth, q: float, confidence: float) -> Interval:
    """Bound the q quantile, by values in order and what they are worth."""
    if known.has_few_sessions:
        return Interval(_by_markov(ordered, q, confidence), None)
    tail = (1 - confidence) / 2
    low = _at_rank(ordered, _rank(known.n_effective, q, 1 - tail), known.n_effective)
    high = None
    if not known.is_unseen:
        high = _at_rank(ordered, _rank(known.n_effective, q, tail), known.n_effective)
    if known.stretches is not None and len(ordered) >= least_n(q, confidence):
        # Of dependent values as many as would do if they were not: what is far from all of them is decided.
        low = float(ordered[0]) / FAR if low is None else low
        high = float(ordered[-1]) * FAR if high is None else high
    return Interval(_largest(low, _by_markov(ordered, q, confidence)), high)


def _by_markov(ordered: Floats, q: float, confidence: float) -> float | None:
    """A lower bound that holds whatever depends on what: a value that the share s of a run is beyond, where on
    average 1 - q is, is that far out in at most (1 - q) / s of all runs. So a target that died is told, though that
    was one event.
    """
    beyond = 2 * (1 - q) / (1 - confidence)
    return quantile(ordered, 1 - beyond) if beyond < 1 else None


def _largest(*values: float | None) -> float | None:
    return max((value for value in values if value is not None), default=None)


def least_n(q: float, confidence: float) -> int:
    """The fewest independent values of which the largest bounds the q quantile from above (and by symmetry, for
    q below one half, the smallest from below): q**n <= (1 - confidence) / 2.
    """
    return ceil(log((1 - confidence) / 2) / log(max(q, 1 - q)))


def _rank(n: float, q: float, p: float) -> float | None:
    """The k at which the k-th of n order statistics lies below the q quantile with probability p; None: beyond n.

    The k-th of n uniform order statistics is Beta(k, n + 1 - k), for k that are no whole numbers as well.
    """

    def excess(k: float) -> float:
        return beta_below(q, k, n + 1 - k) - p

    if excess(n) > 0:
        return None
    smallest = min(1.0, n)
    if excess(smallest) < 0:
        return None if p > 0.5 else smallest
    # Imported here, for it takes a while, and most of what imports this module judges nothing.
    from scipy.optimize import brentq

    return float(brentq(excess, smallest, n))


def _at_rank(ordered: Floats, rank: float | None, n_effective: float) -> float | None:
    """The value at a rank among the effective values, between two of the real ones."""
    if rank is None:
        return None
    n = len(ordered)
    position = min(max(rank * (n + 1) / (n_effective + 1) - 1, 0.0), n - 1.0)
    below = int(position)
    if below + 1 >= n:
        return float(ordered[-1])
    if np.isinf(ordered[below + 1]):
        # Between an answer and a failure there is nothing.
        return float(ordered[below] if position == below else ordered[below + 1])
    return float(ordered[below] + (position - below) * (ordered[below + 1] - ordered[below]))
