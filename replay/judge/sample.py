"""A sample: values, the clusters they come in, and how many independent values they are worth.

Steps of one session are alike (the same agent, the same prompt, the same instance), and so are steps of the same
moment (a pause of the target slows all of them). Taken as independent they promise more than they hold. What they
are worth is n divided by the design effect: the variance of a share under clustering over that of independent
values, by the linearised ratio estimator (Cochran, Sampling Techniques, 3rd ed., sec. 11.8). The degrees of
freedom of that variance are Satterthwaite's (1946), from the fourth moments of the clusters' residuals: a tail
that a few sessions make is known no better than those few tell.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2, norm
from scipy.stats import t as student

from replay.results.columns import Codes, Flags
from replay.results.histogram import Int64s

Floats = npt.NDArray[np.float64]

MOMENTS = 64
"""How many equal parts of a run are taken for moments of it."""

_MOMENT_TEST = 0.999
_MOST_DF = 1e9
# Fewer would take the rarity of clustered hits into account twice, here and in the number of effective hits.
_LEAST_DF = 5.0


class Sample(NamedTuple):
    """values: shape (n,), in any unit. cluster: the session of each, as codes from 0. moment: the part of the run
    that each falls in, as codes from 0 to MOMENTS - 1; None where time is of no account.
    """

    values: Floats
    cluster: Codes
    moment: Codes | None = None

    @property
    def n(self) -> int:
        return len(self.values)

    @property
    def clusters(self) -> int:
        """How many clusters have at least one value."""
        return int(np.count_nonzero(np.bincount(self.cluster))) if self.n else 0


class Worth(NamedTuple):
    """n_effective: as many independent values would tell as much. by: what they depend on most."""

    n_effective: float
    design_effect: float
    by: str


def moments_of(intended_ns: Int64s) -> Codes:
    """The part of the run each instant falls in: MOMENTS parts with equally many steps."""
    n = len(intended_ns)
    order = np.argsort(intended_ns, kind="stable")
    moment = np.empty(n, np.int32)
    moment[order] = (np.arange(n, dtype=np.int64) * MOMENTS // max(1, n)).astype(np.int32)
    return moment


def worth(hits: Flags, sample: Sample, confidence: float) -> Worth:
    """What the sample is worth for the share of these hits.

    The clusters count always; moments only where they vary more than chance would let them in one run of a
    thousand, since their few parts would otherwise widen every interval for nothing.
    """
    n = sample.n
    hits_n = int(np.count_nonzero(hits))
    if hits_n in (0, n):
        # Nothing varies, so there is no variance to learn from; as is usual, the values are then taken as they are.
        return Worth(float(n), 1.0, "value")
    by_cluster, df = _design_effect(hits, sample.cluster)
    effect, by = by_cluster, "session"
    if sample.moment is not None and n >= 4 * MOMENTS:
        by_moment, moment_df = _design_effect(hits, sample.moment)
        parts = int(sample.moment.max()) if n else 0
        chance = chi2.ppf(_MOMENT_TEST, parts) / parts if parts else np.inf
        # Where hits are rare the parts' counts are not normal; four standard errors of a Poisson count bound them.
        chance = max(chance, 1 + 4 * np.sqrt(2 / parts + 1 / hits_n) if parts else np.inf)
        if by_moment > effect * chance:
            effect, df, by = by_moment, moment_df, "moment"
    tails = (1 - confidence) / 2
    narrower = float((norm.ppf(1 - tails) / student.ppf(1 - tails, df)) ** 2) if df < _MOST_DF else 1.0
    return Worth(max(1.0, n / effect * narrower), effect, by)


def _design_effect(hits: Flags, cluster: Codes) -> tuple[float, float]:
    """The design effect of the share of hits, at least 1, and the degrees of freedom of its variance."""
    n = len(hits)
    sizes = np.bincount(cluster)
    counts = np.bincount(cluster[hits], minlength=len(sizes))
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
