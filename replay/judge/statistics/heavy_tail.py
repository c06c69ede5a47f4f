"""Whether a few values make a mean: tails so heavy that no interval of the mean holds.

Where the tail falls off as a power of two or less the variance is infinite, so the mean of any number of values is
mostly that of the largest, and Student's interval promises what it does not hold: with an index of 1.5 it lies below
the true mean in 20% of samples, however large they are, and with 1.2 in half of them.

The index is Hill's estimate (1975, "A simple general approach to inference about the tail of a distribution", Annals of
Statistics 3) over the largest 10, 20, 40 ... values, up to a tenth. The lightest of these counts, so that a second
mode, such as one of cold starts, is no tail. tests/judge/statistics/test_heavy_tail.py simulates what comes of that.
"""

import numpy as np

from replay.judge.statistics.sample import Floats

_FEWEST = 10
_LEAST_N = 200
_LARGEST_PART = 10
# Its inverse is the index: 2.5, from which on the interval holds about as often as it says.
_HEAVY = 0.4


def is_heavy_tailed(ordered: Floats) -> bool:
    """Whether the largest of these values fall off so slowly that their mean says little. ordered: ascending.

    Fewer than 200 do not tell.
    """
    n, k, lightest = len(ordered), _FEWEST, np.inf
    if n < _LEAST_N:
        return False
    while k <= n // _LARGEST_PART:
        below = float(ordered[n - k - 1])
        if below <= 0 or not np.isfinite(ordered[-1]):
            return False
        lightest = min(lightest, float(np.log(ordered[n - k :] / below).mean()))
        k *= 2
    return bool(lightest > _HEAVY)
