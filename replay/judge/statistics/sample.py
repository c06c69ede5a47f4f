"""A sample: values, the clusters they come in, and how many independent values they are worth.

Steps of one session are alike (the same agent, the same prompt, the same instance), and so are steps of the same
moment (they wait behind one another; a pause of the target slows all of them). Taken as independent they promise more
than they hold. What they are worth is n divided by the design effect: the variance of a share under clustering over
that of independent values, by the linearised ratio estimator (Cochran, Sampling Techniques, 3rd ed., sec. 11.8), and in
time by replay/judge/statistics/dependence.py. Where both count, the two are added and what they share is taken off
once (Cameron, Gelbach and Miller 2011, "Robust inference with multiway clustering", J. Business and Economic
Statistics 29).

The degrees of freedom of the variance are Satterthwaite's (1946), from the fourth moments of the clusters' residuals: a
tail that a few sessions make is known no better than those few tell; in time they are as many as there are windows.
"""

from functools import cached_property
from typing import NamedTuple

import msgspec
import numpy as np

from replay.judge.statistics.dependence import (
    INDEPENDENT,
    Dependence,
    Floats,
    Readings,
    dependence,
    longest,
    readings_of,
)
from replay.judge.statistics.distributions import normal_quantile, student_quantile
from replay.results.columns import Codes, Flags
from replay.results.histogram import Int64s

__all__ = ["Floats", "Sample", "Worth", "in_time", "worth"]

LEAST_SESSIONS = 5
"""Of fewer sessions nobody knows how much sessions differ."""

LEAST_STRETCHES = 20
"""In fewer stretches that are independent of one another, what a queue does at its worst has not been seen."""

_MOST_DF = 1e9
# Fewer would take the rarity of clustered hits into account twice, here and in the number of effective hits.
_LEAST_DF = 5.0


class Sample(msgspec.Struct, frozen=True, eq=False, dict=True):
    """values: shape (n,), in any unit. cluster: the session of each, as codes from 0. at: when each was due, in any
    unit; None where time is of no account. series: the kind of step that each is of, as codes from 0; None: all of
    one kind.

    What is asked of it again and again is found once, so its arrays may not be changed.
    """

    values: Floats
    cluster: Codes
    at: Int64s | Codes | None = None
    series: Codes | None = None

    @property
    def n(self) -> int:
        return len(self.values)

    def where(self, rows: Flags) -> "Sample":
        """These values alone."""
        at, series = self.at, self.series
        return Sample(
            self.values[rows],
            self.cluster[rows],
            None if at is None else at[rows],
            None if series is None else series[rows],
        )

    @cached_property
    def ordered(self) -> Floats:
        """The values, the least first."""
        return np.sort(self.values)

    @cached_property
    def sizes(self) -> Int64s:
        """How many values each cluster has."""
        return np.bincount(self.cluster)

    @property
    def clusters(self) -> int:
        """How many clusters have at least one value."""
        return int(np.count_nonzero(self.sizes)) if self.n else 0

    @cached_property
    def by_time(self) -> Int64s | slice:
        """What puts values in order of time: nothing has to be moved in most runs."""
        at = self.at
        assert at is not None
        return slice(None) if (at[1:] >= at[:-1]).all() else np.argsort(at, kind="stable")

    @cached_property
    def readings(self) -> Readings:
        """How long the values depend on those before them."""
        series = None if self.series is None else self.series[self.by_time]
        return readings_of(self.values[self.by_time], series)


class Worth(NamedTuple):
    """n_effective: as many independent values would tell as much. by: what they depend on most.

    stretches: where values depend on those before, how many stretches of the run are independent of one another.
    has_few_sessions: whether all values come from so few sessions that nobody knows how much sessions differ.
    """

    n_effective: float
    design_effect: float
    by: str
    stretches: float | None = None
    has_few_sessions: bool = False

    @property
    def is_unseen(self) -> bool:
        """Whether the run is too short, for how long its steps depend on one another, to have shown the worst."""
        return self.has_few_sessions or (self.stretches is not None and self.stretches < LEAST_STRETCHES)


def in_time(sample: Sample, hits: Flags | None = None) -> Dependence:
    """How long values depend on those before them: the times, and these hits."""
    if sample.at is None or not sample.n:
        return INDEPENDENT
    share = 0.0 if hits is None else float(np.count_nonzero(hits)) / sample.n
    found = sample.readings.frequent(min(share, 1 - share))
    return longest(found if hits is None else [*found, dependence(hits[sample.by_time])])


def worth(hits: Flags, sample: Sample, confidence: float) -> Worth:
    """What the sample is worth for the share of these hits."""
    n = sample.n
    tied = in_time(sample, hits)
    stretches = n / tied.tau if tied.is_significant else None
    is_few = has_few_sessions(sample)
    if int(np.count_nonzero(hits)) in (0, n):
        # Nothing varies, so no session can be told from another; as is usual, the values are then taken as they are.
        return Worth(n / tied.tau if tied.is_significant else float(n), 1.0, "value", stretches, is_few)
    sizes = sample.sizes
    effect, df = _design_effect(sizes, np.bincount(sample.cluster[hits], minlength=len(sizes)))
    by = "session"
    if tied.tau > effect:
        by, df = "moment", max(_LEAST_DF, n / tied.window)
    if tied.is_significant:
        shared, _ = _design_effect(*_of_stretches(hits, sample, tied.window))
        effect = max(effect, tied.tau, effect + tied.tau - shared)
    else:
        effect = max(effect, tied.tau)
    return Worth(max(1.0, n / effect * narrower(df, confidence)), effect, by, stretches, is_few)


def has_few_sessions(sample: Sample) -> bool:
    """Whether sessions bring several values each, but are fewer than LEAST_SESSIONS."""
    sessions = sample.clusters
    return sessions < min(LEAST_SESSIONS, sample.n)


def narrower(df: float, confidence: float) -> float:
    """What is left of n where the variance has so many degrees of freedom: normal over Student's quantile, squared."""
    tail = (1 - confidence) / 2
    return (normal_quantile(1 - tail) / student_quantile(1 - tail, df)) ** 2 if df < _MOST_DF else 1.0


def effect_of_sessions(hits: Flags, sample: Sample) -> float:
    """The design effect of the share of these hits by sessions alone: 1 where each comes by itself."""
    sizes = sample.sizes
    return _design_effect(sizes, np.bincount(sample.cluster[hits], minlength=len(sizes)))[0]


def _of_stretches(hits: Flags, sample: Sample, window: float) -> tuple[Int64s, Int64s]:
    """Each session's share of each stretch of the run as a cluster of its own: how many values it has, and hits."""
    n = sample.n
    stretch = np.empty(n, np.int64)
    stretch[sample.by_time] = (np.arange(n) / window).astype(np.int64)
    together = sample.cluster.astype(np.int64) * (int(stretch.max(initial=0)) + 1) + stretch
    of_hits = np.sort(together[hits])
    together.sort()
    last = np.append(np.flatnonzero(np.diff(together)), n - 1)
    return np.diff(last, prepend=-1), np.diff(np.searchsorted(of_hits, together[last], side="right"), prepend=0)


def _design_effect(sizes: Int64s, counts: Int64s) -> tuple[float, float]:
    """The design effect of the share of hits, at least 1, and the degrees of freedom of its variance.

    sizes, counts: how many values and how many hits each cluster has.
    """
    n = int(sizes.sum())
    is_there = sizes > 0
    sizes, counts = sizes[is_there], counts[is_there]
    m = len(sizes)
    if sizes.max(initial=0) <= 1:
        return 1.0, _MOST_DF
    share = float(counts.sum()) / n
    if m < 2:
        # All from one session: one session is what is known.
        return float(n), _MOST_DF
    squared = (counts - share * sizes) ** 2
    total = float(squared.sum())
    if not total:
        return 1.0, _MOST_DF
    effect = m / (m - 1) * total / n**2 / (share * (1 - share) / n)
    excess = float((squared**2).sum()) / total**2 - 1 / m
    df = max(_LEAST_DF, 2 / excess) if excess > 0 else _MOST_DF
    return max(1.0, effect), df
