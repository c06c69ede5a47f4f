"""After which idle times of the target its waves were cold.

The idle curve is of waves: how many of those that came after so long an idle time were cold.
"""

import numpy as np

from replay.judge.cold.types import IdleBucket
from replay.judge.cold.waves import Waves
from replay.judge.statistics.distributions import beta_quantile
from replay.results.columns import Flags

_NS = 1_000_000_000
_BUCKETS_A_DECADE = 5
_SHORTEST_IDLE_S = 0.01


def idle_curve(waves: Waves, is_cold: Flags) -> list[IdleBucket]:
    """By idle time in logarithmic buckets, five to a tenfold: how many waves were cold (Clopper-Pearson, 95 %)."""
    rows = waves.is_first
    idle_s = waves.idle_ns[rows] / _NS
    cold = is_cold[rows]
    if not len(idle_s):
        return []
    steps = np.floor(_BUCKETS_A_DECADE * np.log10(np.maximum(idle_s, _SHORTEST_IDLE_S)) + 1e-9).astype(int)
    found = []
    for step in np.unique(steps).tolist():
        inside = steps == step
        n, hits = int(np.count_nonzero(inside)), int(np.count_nonzero(cold[inside]))
        from_s, to_s = 10 ** (step / _BUCKETS_A_DECADE), 10 ** ((step + 1) / _BUCKETS_A_DECADE)
        found.append(bucket(from_s, to_s, n, hits))
    return found


def bucket(from_s: float, to_s: float, n: int, cold: int) -> IdleBucket:
    """One part of the curve, with Clopper and Pearson's interval at 95 %."""
    low = 0.0 if not cold else beta_quantile(0.025, cold, n - cold + 1)
    high = 1.0 if cold == n else beta_quantile(0.975, cold + 1, n - cold)
    return IdleBucket(
        idle_s=round(from_s, 4),
        to_s=round(to_s, 4),
        n=n,
        cold=cold,
        share=round(cold / n, 4),
        ci=(round(low, 4), round(high, 4)),
    )


def keep_alive(waves: Waves, is_cold: Flags) -> tuple[float, float | None] | None:
    """Between which idle times the target goes cold: where half of the waves are, and, where it does not always go cold
    after the same, from a quarter of the way between how many are before that and beyond it to three quarters.
    """
    rows, cold = _by_idle_time(waves, is_cold)
    if not len(rows):
        return None
    idle_s = waves.idle_ns[rows] / _NS
    if (cut := _from_where(cold, 0.5)) == len(rows):
        return round(float(idle_s[-1]), 3), None
    # A target of which a wave may find another instance warm is never cold for all.
    before, beyond = (float(cold[:cut].mean()) if cut else 0.0), float(cold[cut:].mean())
    still_warm, mostly_cold = (_from_where(cold, before + share * (beyond - before)) for share in (0.25, 0.75))
    # Beyond the longest idle time nobody knows: then it is the half that is told.
    mostly_cold = mostly_cold if mostly_cold < len(rows) else cut
    return (round(float(idle_s[still_warm - 1]), 3) if still_warm else 0.0), round(
        float(idle_s[mostly_cold]), 3
    )


def after_long_idle_times(waves: Waves, is_cold: Flags) -> Flags:
    """The cold steps, and of those that begin a wave the ones that came after a longer idle time than the target stays
    warm for, however slow they were.
    """
    rows, cold = _by_idle_time(waves, is_cold)
    found = is_cold & ~waves.is_first
    found[rows[_from_where(cold, 0.5) :]] = True
    return found


def _by_idle_time(waves: Waves, is_cold: Flags) -> tuple[np.ndarray, Flags]:
    """The rows that begin a wave, by the idle time before it, and which of them were cold."""
    rows = np.flatnonzero(waves.is_first)
    rows = rows[np.argsort(waves.idle_ns[rows], kind="stable")]
    return rows, is_cold[rows]


def _from_where(cold: Flags, share: float) -> int:
    """From which of these on more than the share of them are cold, were that share never to fall: where the sum of
    what is cold beyond it is least, as in isotonic regression (Barlow et al. 1972, Statistical Inference under Order
    Restrictions, ch. 1). At one half it leaves the fewest on the wrong side.
    """
    return int(np.argmin(np.concatenate([[0.0], np.cumsum(cold - share)])))
