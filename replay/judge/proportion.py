"""How well a share is known: Clopper and Pearson's limits for values that come in clusters.

Clopper and Pearson (1934) with the effective number of values in place of the real one, as Korn and Graubard
(1998) recommend for clustered samples; see replay/judge/sample.py for the effective number. The limits are exact
for independent values, and so never too narrow; at few hits they are wider than they would have to be. For a mean
the interval is Student's over the clusters' ratio residuals.
"""

import numpy as np
from scipy.stats import beta
from scipy.stats import t as student

from replay.judge.sample import Sample, Worth, worth
from replay.judge.types import Interval
from replay.results.columns import Flags


def share_interval(hits: Flags, sample: Sample, confidence: float) -> tuple[Interval, Worth]:
    """Bound the share of hits, as 0..1. hits: shape (n,), one for each value of the sample.

    Raises ValueError for an empty sample.
    """
    n = sample.n
    if not n:
        raise ValueError("a share needs at least one value")
    found = worth(hits, sample, confidence)
    share = float(np.count_nonzero(hits)) / n
    tail = (1 - confidence) / 2
    k = share * found.n_effective
    low = 0.0 if k <= 0 else float(beta.ppf(tail, k, found.n_effective - k + 1))
    high = 1.0 if share >= 1 else float(beta.ppf(1 - tail, k + 1, found.n_effective - k))
    return Interval(low, high), found


def mean_interval(sample: Sample, confidence: float) -> Interval:
    """Bound the mean. Student's t over clusters, by the ratio estimator (Cochran, sec. 6.4).

    Both sides are None for fewer than two clusters. Skewed values need many clusters for the nominal coverage.
    """
    sizes = np.bincount(sample.cluster)
    sums = np.bincount(sample.cluster, weights=sample.values)
    sums, sizes = sums[sizes > 0], sizes[sizes > 0]
    m = len(sizes)
    if m < 2:
        return Interval(None, None)
    mean = float(sums.sum() / sizes.sum())
    variance = m / (m - 1) * float(((sums - mean * sizes) ** 2).sum()) / sample.n**2
    half = float(student.ppf((1 + confidence) / 2, m - 1)) * variance**0.5
    return Interval(mean - half, mean + half)
