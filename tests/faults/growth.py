"""Whether a figure grows over a long time, by a stated rule. Pure.

The first third is left out: caches fill, pools open their connections, an allocator keeps what it was given. Of the rest,
the slope is that of Theil and Sen, the median of the slopes of all pairs, which a few odd samples do not move (Sen 1968,
doi:10.1080/01621459.1968.10480934). A figure is growing where what that slope adds over the time that is looked at is
more than a share of its median, and more than a least amount that the figure is noisy by.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LEFT_OUT_RATIO = 1 / 3
MOST_RATIO = 0.05
# Pairs grow with the square of the samples; this many samples tell a slope well enough.
_MOST_SAMPLES = 400


class Growth(NamedTuple):
    """median: of what is looked at. per_hour: by the slope. added: by the slope, over that time."""

    median: float
    per_hour: float
    added: float
    is_growing: bool


def growth_of(at_s: Sequence[float], values: Sequence[float], least: float) -> Growth:
    """Judge one figure. least: an addition that means nothing yet. Raises ValueError for fewer than ten samples."""
    if len(at_s) < 10:
        raise ValueError("fewer than ten samples tell no slope")
    begin = int(len(at_s) * LEFT_OUT_RATIO)
    every = max(1, (len(at_s) - begin) // _MOST_SAMPLES)
    x, y = np.asarray(at_s, float)[begin::every], np.asarray(values, float)[begin::every]
    first, second = np.triu_indices(len(x), 1)
    slope = float(np.median((y[second] - y[first]) / (x[second] - x[first])))
    median, added = float(np.median(y)), slope * float(x[-1] - x[0])
    return Growth(median, slope * 3600, added, added > max(least, MOST_RATIO * median))
