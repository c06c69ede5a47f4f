"""By how much cold starts lift a plane's p99, and how surely that is known. Pure."""

import numpy as np

from replay.judge.gate.judging import CONFIDENCE
from replay.judge.measures.blocks import (
    are_enough,
    blocks_of,
    stretches_of,
    variance_shown_by,
)
from replay.judge.statistics.quantile import least_n
from replay.judge.statistics.resampling import Resampling, quantile_differences
from replay.judge.statistics.sample import Sample
from replay.results.columns import ABSENT_NS
from replay.results.evidence import Evidence

_Q = 0.99


def cold_tail_interval(run: Evidence) -> tuple[float, float] | None:
    """The 95 % interval of the p99 of response times less that of the warm steps alone, in ms; None where the run is
    too short to have one, or the target does not say which steps were cold.

    Blocks of sessions are drawn again, the same for both, so that what they share cancels.
    """
    columns = run.columns
    rows = (columns.sent_ns != ABSENT_NS) & columns.ok
    warm = rows & (columns.cold != 1)
    if not (columns.cold[rows] >= 0).any() or np.count_nonzero(warm) < least_n(_Q, CONFIDENCE):
        return None
    stretches = stretches_of(columns)
    blocks = blocks_of([columns], stretches)
    count = blocks.n
    if not are_enough(count, stretches, None, CONFIDENCE):
        return None
    codes = blocks.of[0][columns.session]
    response_ms = (columns.end_ns - columns.intended_ns) / 1e6
    resampling = Resampling(count, count, is_paired=True, variance_shown=variance_shown_by(count, stretches))
    (lift,) = quantile_differences(
        resampling, Sample(response_ms[warm], codes[warm]), Sample(response_ms[rows], codes[rows]), [_Q]
    )
    if lift is None:
        return None
    low, high = lift.interval(CONFIDENCE)
    return (round(low, 3), round(high, 3)) if np.isfinite(low) and np.isfinite(high) else None
