"""How well a share is known: Clopper and Pearson's limits for values that come in clusters.

Clopper and Pearson (1934) with the effective number of values in place of the real one, as Korn and Graubard
(1998) recommend for clustered samples; see replay/judge/statistics/sample.py for the effective number. The limits
are exact for independent values, and so never too narrow; at few hits they are wider than they would have to be.
For a mean the interval is Student's over the clusters' ratio residuals, or over independent stretches of the run.
"""

from collections.abc import Sequence
from math import exp
from typing import NamedTuple

import numpy as np

from replay.judge.statistics.distributions import beta_quantile, student_quantile
from replay.judge.statistics.heavy_tail import is_heavy_tailed
from replay.judge.statistics.quantile import FAR
from replay.judge.statistics.sample import Sample, Worth, has_few_sessions, in_time, worth
from replay.judge.types import Interval
from replay.results.columns import Flags

# So far out on the log scale a mean is as good as unbounded, and the next exponential still has a value.
_MOST_ERROR = 4.0


def share_interval(hits: Flags, sample: Sample, confidence: float) -> tuple[Interval, Worth]:
    """Bound the share of hits, as 0..1. hits: shape (n,), one for each value of the sample.

    Whatever depends on what, a share that is p on average is p / tail or more with probability tail at most (Markov);
    so a target that died is told, though its death was one event. Raises ValueError for an empty sample.
    """
    n = sample.n
    if not n:
        raise ValueError("a share needs at least one value")
    found = worth(hits, sample, confidence)
    return share_bounds(float(np.count_nonzero(hits)) / n, found, confidence), found


def share_bounds(share: float, found: Worth, confidence: float) -> Interval:
    """Bound a share of 0..1 by what the sample is worth for it."""
    tail = (1 - confidence) / 2
    if found.has_few_sessions:
        return Interval(tail * share, 1 - tail * (1 - share))
    k = share * found.n_effective
    low = 0.0 if k <= 0 else beta_quantile(tail, k, found.n_effective - k + 1)
    high = 1.0 if share >= 1 else beta_quantile(1 - tail, k + 1, found.n_effective - k)
    return Interval(max(low, tail * share), min(high, 1 - tail * (1 - share)))


def as_clustered(shares: Sequence[float], known: Sequence[Worth], sizes: Sequence[int]) -> list[Worth]:
    """What samples of one kind are worth for their shares, each of so many values, where some have no hits to tell by.

    Of nothing but hits, or none, nobody sees how they cluster: one session of 20 steps that fails as a whole, in one
    run, stands beside none in another, and that is one event. So a value of such a sample is worth no more than one of
    those that show it.
    """
    effect = max(
        (one.design_effect for share, one in zip(shares, known, strict=True) if 0 < share < 1), default=1.0
    )
    return [
        one if 0 < share < 1 else one._replace(n_effective=max(1.0, min(one.n_effective, n / effect)))
        for share, one, n in zip(shares, known, sizes, strict=True)
    ]


class MeanKnown(NamedTuple):
    """A mean, its standard error over sessions and over stretches of the run, each with its degrees of freedom.

    is_of_times: all values are positive. is_tied: they depend on those before them. is_heavy: a few make the mean.
    """

    mean: float
    over_sessions: tuple[float, float]
    over_stretches: tuple[float, float]
    is_of_times: bool
    is_tied: bool
    is_heavy: bool
    worth: Worth


def mean_interval(sample: Sample, confidence: float) -> tuple[Interval, Worth]:
    """Bound the mean, and say what the sample is worth for that: mean_bounds of mean_known."""
    known = mean_known(sample)
    return mean_bounds(known, confidence), known.worth


def mean_known(sample: Sample) -> MeanKnown:
    """What a sample tells of its mean: over sessions by the ratio estimator (Cochran, sec. 6.4), in time by as many
    stretches as are independent of one another.
    """
    sizes = np.bincount(sample.cluster)
    sums = np.bincount(sample.cluster, weights=sample.values)
    sums, sizes = sums[sizes > 0], sizes[sizes > 0]
    m, n = len(sizes), sample.n
    tied = in_time(sample)
    stretches = n / tied.tau if tied.is_significant else None
    by = "moment" if tied.is_significant else "session"
    mean = float(sums.sum() / n)
    squares = float(((sums - mean * sizes) ** 2).sum())
    return MeanKnown(
        mean,
        ((m / max(1, m - 1) * squares) ** 0.5 / n, m - 1),
        (float(sample.values.std()) * (tied.tau / n) ** 0.5, max(3.0, min(m - 1, n / tied.window))),
        bool(sample.values.min() > 0),
        tied.is_significant,
        is_heavy_tailed(sample.ordered),
        Worth(n / tied.tau, tied.tau, by, stretches, has_few_sessions(sample)),
    )


def mean_bounds(known: MeanKnown, confidence: float) -> Interval:
    """Student's t over sessions or over stretches of the run, whichever is wider; of times, on the log scale.

    Both sides are None for too few sessions. Where the run was too short to have shown the worst, or a few values make
    the mean, the upper one is FAR beyond what was seen, if those are times, else None. Skewed values need many sessions
    for the nominal coverage.
    """
    sessions_error, sessions_df = known.over_sessions
    if known.worth.has_few_sessions or sessions_df < 1:
        return Interval(None, None)
    stretches_error, stretches_df = known.over_stretches
    half = max(
        t_quantile(confidence, sessions_df) * sessions_error,
        t_quantile(confidence, stretches_df) * stretches_error,
    )
    mean = known.mean
    low, high = mean - half, mean + half
    if known.is_of_times:
        error = min(half / mean, _MOST_ERROR)
        # In a queue the longer waits are, the more they vary and the longer they last: a lucky run knows least.
        low, high = mean * exp(-error), mean * exp(error * exp(error) if known.is_tied else error)
    if known.worth.is_unseen or known.is_heavy:
        return Interval(low, FAR * mean if known.is_of_times else None)
    return Interval(low, high)


def t_quantile(confidence: float, df: float) -> float:
    """Student's quantile for a two-sided interval."""
    return student_quantile((1 + confidence) / 2, df)
