"""The difference of two figures, from the interval of each: where too little is independent for drawing it again.

The distances of each figure to its own limits are added in quadrature, less what the two sides have in common (MOVER:
Zou and Donner 2008, "Construction of confidence limits about effect measures", Statistics in Medicine 27; for shares
Newcombe 1998, method 10). That asks nothing of the shape of either side, and no error in n steps is not taken for
none at all. The p-value is one minus the confidence at which the interval just touches zero, so the two never
contradict each other.
"""

from collections.abc import Callable, Iterable
from math import inf, isinf
from typing import NamedTuple

from replay.judge.types import Interval

_HALVINGS = 24
_LEAST_P = 1e-6


class Known(NamedTuple):
    """A figure, and the interval that it has at a confidence."""

    figure: float
    interval: Callable[[float], Interval]


class OwnIntervals(NamedTuple):
    """Two figures. correlation: of their errors, where they come of the same sessions."""

    a: Known
    b: Known
    correlation: float = 0.0

    def interval(self, confidence: float) -> tuple[float, float]:
        """Of b minus a. Infinite where a side of either is not known, or lies among failures."""
        a, b = self.a.interval(confidence), self.b.interval(confidence)
        low = _below(self.b.figure, b.low, self.a.figure, a.high, self.correlation)
        high = -_below(self.a.figure, a.low, self.b.figure, b.high, self.correlation)
        return low, high

    @property
    def p_value(self) -> float:
        """Of no difference against one, two-sided."""
        return p_value_of(self.interval)


def p_value_of(interval: Callable[[float], tuple[float, float]]) -> float:
    """One minus the confidence at which the interval of a difference just touches zero."""

    def leaves_out_zero(confidence: float) -> bool:
        low, high = interval(confidence)
        return low > 0 or high < 0

    sure, unsure = 0.0, 1 - _LEAST_P
    if leaves_out_zero(unsure):
        return _LEAST_P
    for _ in range(_HALVINGS):
        middle = (sure + unsure) / 2
        sure, unsure = (middle, unsure) if leaves_out_zero(middle) else (sure, middle)
    return 1 - sure


def widened(
    own: Interval,
    observed: float,
    others: Iterable[tuple[float, Interval]],
    factor: float = 1.0,
    apart: float = 0.0,
) -> Interval:
    """A figure's interval with the doubt of a limit in it that is the sum of other figures, each times the factor.

    apart: a standard error of the limit's own, in its unit. A side is None where it, or what it is held to,
    has no bound.
    """
    below = apart**2 + (0.0 if own.low is None else (observed - own.low) ** 2)
    above = apart**2 + (0.0 if own.high is None else (own.high - observed) ** 2)
    for value, theirs in others:
        # A side that the other does not bound bounds nothing of the difference.
        below += inf if theirs.high is None else (factor * (theirs.high - value)) ** 2
        above += inf if theirs.low is None else (factor * (value - theirs.low)) ** 2
    return Interval(
        None if own.low is None or isinf(below) else observed - below**0.5,
        None if own.high is None or isinf(above) else observed + above**0.5,
    )


def _below(
    more: float, more_low: float | None, less: float, less_high: float | None, correlation: float
) -> float:
    """The lower limit of more minus less."""
    if more_low is None or less_high is None or isinf(less_high):
        return -inf
    if isinf(more):
        # Among failures there is no distance: the corner of both intervals.
        return more_low - less_high
    below, above = more - more_low, less_high - less
    squares = below**2 + above**2 - 2 * correlation * below * above
    return float(more - less - max(0.0, squares) ** 0.5)
