"""Whether values rise or fall over time, and how fast, where neighbours may be alike.

The test is Mann and Kendall's (Mann 1945, two-sided), the slope Sen's (1968), with his interval. Both take values for
independent; of what stays high for a while, and low for a while, they find a trend in one run of four. So the variance
of Kendall's statistic is that of correlated ranks (Hamed and Rao 1998, "A modified Mann-Kendall trend test for
autocorrelated data", J. Hydrology 204), with the autocorrelation of the ranks beside a parabola, taken to fall off
geometrically, as Yue and Wang (2004) do: "The Mann-Kendall test modified by effective sample size", Water Resources
Management 18. Where all but a few pairs are in order they are taken for independent: beside a parabola any other shape
leaves much that is alike, and of likeness alone so much order hardly ever comes. Error rates are simulated in
tests/judge/statistics/test_trend.py.
"""

from typing import NamedTuple

import numpy as np

from replay.judge.statistics.distributions import normal_above, normal_quantile
from replay.judge.statistics.ranks import ranks
from replay.judge.statistics.sample import Floats

_MOST_ALIKE = 0.95
_LEAST_TO_TELL = 8
# Where nearly all pairs are in order, what is left beside a curve is the shape of the trend, and not likeness.
_IN_ORDER = 0.85


class Trend(NamedTuple):
    """slope: a unit of time, with the interval low to high. first: the value of Sen's line at the first time.

    p_value: of no trend against one, in either direction. p_value_unlike: the same, were neighbours not alike.
    """

    slope: float
    low: float
    high: float
    first: float
    p_value: float
    p_value_unlike: float

    @property
    def p_value_of_rise(self) -> float:
        """Of no trend against one that rises."""
        return self.p_value / 2 if self.slope > 0 else 1 - self.p_value / 2


def find_trend(at: Floats, values: Floats, confidence: float = 0.95) -> Trend:
    """The trend of values at times, which rise. Raises ValueError for fewer than three, or all at one time."""
    n = len(values)
    if n < 3 or at[0] == at[-1]:
        raise ValueError("a trend needs three values, and not all at one time")
    earlier, later = np.triu_indices(n, 1)
    apart = at[later] - at[earlier]
    known = apart > 0
    rises = values[later] - values[earlier]
    slopes = np.sort(rises[known] / apart[known])
    slope = float(np.median(slopes))
    score = float(np.sign(rises[known]).sum())
    is_in_order = abs(score) >= _IN_ORDER * np.count_nonzero(known)
    unlike = _variance(values) ** 0.5
    deviation = unlike if is_in_order else unlike * _inflation(values) ** 0.5
    reach = normal_quantile((1 + confidence) / 2) * deviation
    low, high = (len(slopes) - reach) / 2, (len(slopes) + reach) / 2
    return Trend(
        slope,
        float(slopes[max(0, int(np.floor(low)))]),
        float(slopes[min(len(slopes) - 1, int(np.ceil(high)))]),
        float(np.median(values) + slope * (at[0] - np.median(at))),
        _chance(score, deviation),
        _chance(score, unlike),
    )


def _chance(score: float, deviation: float) -> float:
    """Of a score as far from 0, or farther."""
    return min(1.0, 2 * normal_above((abs(score) - 1) / deviation)) if score and deviation else 1.0


def _variance(values: Floats) -> float:
    """Of Kendall's score of independent values, ties allowed for (Kendall 1970)."""
    n = len(values)
    ties = np.unique(values, return_counts=True)[1]
    return float(n * (n - 1) * (2 * n + 5) - (ties * (ties - 1) * (2 * ties + 5)).sum()) / 18


def _inflation(values: Floats) -> float:
    """By how much ranks of values that are like their neighbours have more variance; 1 where they are not."""
    n = len(values)
    if n < _LEAST_TO_TELL:
        return 1.0
    # A parabola, so that a trend that bends is not taken for likeness.
    steps = np.linspace(-1, 1, n)
    ranked = ranks(values - np.polyval(np.polyfit(steps, values, 2), steps)) - (n + 1) / 2
    spread = float((ranked**2).sum())
    alike = float((ranked[1:] * ranked[:-1]).sum()) / spread if spread else 0.0
    # Beside a curve it comes out too low, by some (3 + 6 rho) / n as simulated; beside a mean by less: Kendall 1954,
    # "Note on bias in the estimation of autocorrelation", Biometrika 41.
    alike = min(_MOST_ALIKE, (alike + 3 / n) / (1 - 6 / n))
    if alike <= 0:
        return 1.0
    lags = np.arange(1, n - 2)
    weights = (n - lags) * (n - lags - 1) * (n - lags - 2) * alike**lags
    return 1 + 2 * float(weights.sum()) / (n * (n - 1) * (n - 2))
