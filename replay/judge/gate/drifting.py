"""How far times may drift by the middle of what is still to come, going on as they went in what was seen. Pure.

A straight line through the logarithms of the times, each over the median of its series, by least squares; its slope
is taken at an end of its one-sided 95% interval, so that a part too short to show a drift is not taken to have none.
Where steps depend on those before them, the slope is known as badly as by so many fewer of them.
"""

from math import exp

import numpy as np

from replay.judge.statistics.distributions import normal_quantile
from replay.judge.statistics.sample import Sample, in_time

_CONFIDENCE = 0.95
_MOST_GROWTH = 20.0


def drifted(sample: Sample, part: float) -> tuple[float, float]:
    """The least and the largest factor between times in the rest and those in the sample, which is this part of the
    whole, 0..1. A failure is as slow as the slowest answer.
    """
    finite = np.isfinite(sample.values)
    n = sample.n
    if n < 3 or not finite.any() or not 0 < part < 1:
        return 1.0, 1.0
    slowest = float(sample.values[finite].max())
    logs = np.log(np.maximum(np.where(finite, sample.values, slowest), 1e-6))
    if sample.series is not None:
        for code in np.unique(sample.series):
            of_it = sample.series == code
            logs[of_it] -= np.median(logs[of_it])
    order = np.empty(n)
    order[sample.by_time] = np.arange(n)
    order -= order.mean()
    squares = float(order @ order)
    slope = float(order @ logs) / squares
    left = logs - logs.mean() - slope * order
    tied = in_time(sample)
    tau = tied.tau if tied.is_significant else 1.0
    error = (float(left @ left) / (n - 2) * tau / squares) ** 0.5
    # From the middle of what was seen to the middle of the rest is half of the whole.
    ahead = n / part / 2
    either = normal_quantile(_CONFIDENCE) * error
    low, high = ((slope - either) * ahead, (slope + either) * ahead)
    return exp(max(-_MOST_GROWTH, min(0.0, low))), exp(min(_MOST_GROWTH, max(0.0, high)))
