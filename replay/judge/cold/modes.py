"""A slow mode apart from the usual one: whether there is one, and which steps are in it.

- Each step's service time is taken relative to the median of its kind and name, so that slow steps are not taken
  for cold ones. Opening a connection is no part of it.
- The log of those is split in two where that leaves the least variance (Otsu 1979). The upper part counts as a mode
  of its own if two normal distributions fit clearly better than one (by BIC, more than 10; Raftery 1995), if it is
  more than one and a half times as slow, and if it takes a hundredth of a second more.
- Steps that come while the target boots wait for the rest of the boot, so that many of them fill the gap between the
  modes. Where no mode of all steps stands, it is looked for among the steps alone that begin a wave: those are warm, or
  have waited for a whole boot. Where there are no two modes of those either, since a target's own times vary as much as
  a boot takes, the idle time is looked for from which on they are slower. Who came into the boot of a cold one was cold
  as well.
"""

import math

import numpy as np

from replay.judge.cold.waves import Waves, followers
from replay.judge.statistics.sample import Floats
from replay.results.columns import Columns, Flags

_LEAST_ADDED_NS = 10_000_000
_LEAST_RATIO = 1.5
_LEAST_BIC = 10.0
# Where every possible limit is looked at; and so many waves are wanted on each side of it.
_LIMIT_TEST = 0.001
_LEAST_OF_A_LIMIT = 5


def slow_steps(columns: Columns, sent: Flags, waves: Waves) -> tuple[Flags, float]:
    """The steps of the upper of two modes among all, and how far apart those lie."""
    return _slow_mode(columns, sent, _log_excess(columns, sent, sent))


def slow_waves(columns: Columns, sent: Flags, waves: Waves) -> tuple[Flags, float]:
    """The waves that begin with a step of the upper of two modes among such steps, and how far apart those lie."""
    is_follower = followers(sent, waves)
    slow, apart = _slow_mode(columns, sent & waves.is_first, _log_excess(columns, sent, sent & ~is_follower))
    return _with_followers(columns, sent, waves, slow), apart


def slow_after_a_limit(columns: Columns, sent: Flags, waves: Waves) -> tuple[Flags, float]:
    """The waves after more than one idle time, if from there on they begin slower; and how much slower, as a log.

    For targets whose own times vary as much as a boot takes, so that there are no two modes. The idle time is the one
    that parts the times of first steps best by their ranks (Mann and Whitney), of all that are possible; what it parts
    by must be beyond chance even so (Bonferroni), and as much slower as a mode must be.
    """
    none = np.zeros(columns.n, np.bool_)
    is_follower = followers(sent, waves)
    excess = _log_excess(columns, sent, sent & ~is_follower)
    rows = np.flatnonzero(sent & waves.is_first)
    rows = rows[np.argsort(waves.idle_ns[rows], kind="stable")]
    n = len(rows)
    if n < 2 * _LEAST_OF_A_LIMIT:
        return none, 0.0
    ranks = np.empty(n)
    ranks[np.argsort(excess[rows], kind="stable")] = np.arange(1, n + 1)
    above = np.arange(n - _LEAST_OF_A_LIMIT, _LEAST_OF_A_LIMIT - 1, -1)
    sums = np.cumsum(ranks[::-1])[above - 1]
    below = n - above
    z = (sums - above * (n + 1) / 2) / np.sqrt(above * below * (n + 1) / 12)
    best = int(np.argmax(z))
    slow_rows, warm_rows = rows[below[best] :], rows[: below[best]]
    apart = float(np.median(excess[slow_rows]) - np.median(excess[warm_rows]))
    service = columns.end_ns - columns.sent_ns
    added_ns = np.median(service[slow_rows]) - np.median(service[warm_rows])
    p_value = 0.5 * math.erfc(float(z[best]) / math.sqrt(2)) * len(z)
    if p_value > _LIMIT_TEST or apart < np.log(_LEAST_RATIO) or added_ns < _LEAST_ADDED_NS:
        return none, apart
    slow = none
    slow[slow_rows] = True
    return _with_followers(columns, sent, waves, slow), apart


def _with_followers(columns: Columns, sent: Flags, waves: Waves, slow: Flags) -> Flags:
    """The slow first steps, and those that came into what they waited for: not more than what slow ones take longer."""
    if not slow.any():
        return slow
    service = columns.end_ns - columns.sent_ns
    boot_ns = np.median(service[slow]) - np.median(service[sent & waves.is_first & ~slow])
    rows = np.flatnonzero(followers(sent, waves))
    first_rows = waves.first_row[rows]
    came_in = columns.sent_ns[rows] - columns.sent_ns[first_rows] < boot_ns
    found = slow.copy()
    found[rows] = slow[first_rows] & came_in
    return found


def _log_excess(columns: Columns, sent: Flags, usual: Flags) -> Floats:
    """The log of each service time over the median of its kind and name; 0 for steps that were not sent.

    usual: the steps that medians are taken of; of all that were sent, where a kind and name has none of them.
    """
    service = np.maximum(columns.end_ns - columns.sent_ns, 1).astype(np.float64)
    excess = np.zeros(columns.n)
    for code in np.unique(columns.series[sent]):
        rows = sent & (columns.series == code)
        known = rows & usual
        excess[rows] = np.log(service[rows] / np.median(service[known if known.any() else rows]))
    return excess


def _slow_mode(columns: Columns, sent: Flags, excess: Floats) -> tuple[Flags, float]:
    """The steps of the upper of two modes, none if there are not two; and how far apart those lie, as logs."""
    none = np.zeros(columns.n, np.bool_)
    values = np.sort(excess[sent])
    n = len(values)
    if n < 10:
        return none, 0.0
    sums, squares = np.cumsum(values), np.cumsum(values**2)
    k = np.arange(1, n)
    low_mean, high_mean = sums[:-1] / k, (sums[-1] - sums[:-1]) / (n - k)
    within = (squares[:-1] - k * low_mean**2) + (squares[-1] - squares[:-1] - (n - k) * high_mean**2)
    at = int(np.argmin(within))
    threshold = (values[at] + values[at + 1]) / 2
    apart = float(high_mean[at] - low_mean[at])
    slow = sent & (excess > threshold)
    whole = float(squares[-1] - sums[-1] ** 2 / n)
    if apart < np.log(_LEAST_RATIO) or _bic_gain(values, at + 1, whole) < _LEAST_BIC:
        return none, apart
    service = columns.end_ns - columns.sent_ns
    if np.median(service[slow]) - np.median(service[sent & ~slow]) < _LEAST_ADDED_NS:
        return none, apart
    return slow, apart


def _bic_gain(values: Floats, cut: int, whole: float) -> float:
    """By how much two normal modes, parted here, fit better than one: the difference of their BICs."""
    n = len(values)
    low, high = values[:cut], values[cut:]
    floor = 1e-6
    one = n * np.log(max(whole / n, floor))
    two = 0.0
    for part in (low, high):
        size = len(part)
        two += size * np.log(max(float(part.var()), floor)) - 2 * size * np.log(size / n)
    return float(one - two - 3 * np.log(n))
