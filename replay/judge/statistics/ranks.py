"""Ranks, and what they tell of two samples whatever their values are distributed like.

scipy.stats has them too, and takes as long to import as most verdicts. Tests hold these to it.
"""

from typing import NamedTuple

import numpy as np

from replay.judge.statistics.distributions import normal_above, student_above
from replay.judge.statistics.sample import Floats
from replay.results.histogram import Int64s

# With more values on either side, and with ties, U is near enough to normal.
_FEW = 8


class Relation(NamedTuple):
    """How far two things rise and fall together. rho: from -1 to 1. p_value: of no relation against one, either way."""

    rho: float
    p_value: float


def ranks(values: Floats | Int64s) -> Floats:
    """The place of each value in their order, from 1; equal ones share the mean of theirs."""
    _, code, count = np.unique(values, return_inverse=True, return_counts=True)
    shared: Floats = np.cumsum(count) - (count - 1) / 2
    return shared[code]


def ranks_in_rows(rows: Floats | Int64s) -> Floats:
    """The same within each row, shape (rows, columns); it takes memory by the square of the columns."""
    own, other = rows[:, :, None], rows[:, None, :]
    found: Floats = (other < own).sum(axis=2) + ((other == own).sum(axis=2) + 1) / 2
    return found


def chance_of_larger(values: Floats, others: Floats) -> float:
    """The chance of values as much larger than others, or more, if both are drawn alike: Mann and Whitney's U (1947).

    Exact where there are at most eight on one side and no two are equal; else by its normal approximation, with ties
    and continuity allowed for. Both need a value at least.
    """
    n, m = len(values), len(others)
    both = np.concatenate((values, others))
    u = float(ranks(both)[:n].sum()) - n * (n + 1) / 2
    ties = np.unique(both, return_counts=True)[1].astype(np.float64)
    if min(n, m) <= _FEW and ties.max() == 1:
        return _exactly_at_least(round(u), n, m)
    all_ = n + m
    variance = n * m / 12 * (all_ + 1 - float((ties**3 - ties).sum()) / (all_ * (all_ - 1)))
    return normal_above((u - n * m / 2 - 0.5) / variance**0.5) if variance > 0 else 1.0


def _exactly_at_least(u: int, n: int, m: int) -> float:
    """The share of the orders of n and m different values in which U is u or more.

    As many have a U of k as a Gaussian binomial coefficient has at its kth power, the same from either end: the product
    of (1 - q^(m + i)) / (1 - q^i) for i = 1 to n. Only the shorter end is counted.
    """
    n, m = min(n, m), max(n, m)
    from_above = n * m - u
    is_above = from_above < u
    end = from_above if is_above else u - 1
    if end < 0:
        return 0.0 if is_above else 1.0
    ways = np.zeros(end + 1)
    ways[0] = share = 1.0
    for i in range(1, n + 1):
        ways[m + i :] -= ways[: max(0, end + 1 - m - i)].copy()
        for first in range(min(i, end + 1)):
            ways[first::i] = np.cumsum(ways[first::i])
        share *= i / (m + i)
    reached = min(1.0, float(ways.sum()) * share)
    return reached if is_above else 1.0 - reached


def relation(one: Floats | Int64s, other: Floats | Int64s) -> Relation:
    """Of three pairs of values at least, by Spearman's rank correlation (1904) and Student's t.

    Where all are equal on one side there is no relation.
    """
    a, b = (ranked - ranked.mean() for ranked in (ranks(one), ranks(other)))
    spread = float((a**2).sum() * (b**2).sum()) ** 0.5
    if not spread:
        return Relation(0.0, 1.0)
    rho = min(1.0, max(-1.0, float((a * b).sum()) / spread))
    degrees = len(a) - 2
    if abs(rho) == 1.0:
        return Relation(rho, 0.0)
    t = abs(rho) * (degrees / (1 - rho**2)) ** 0.5
    return Relation(rho, min(1.0, 2 * student_above(t, degrees)))
