"""A difference and its interval: drawn again where that tells enough, else made of what each side tells by itself."""

from collections.abc import Callable, Sequence
from functools import partial
from math import inf, isinf
from typing import NamedTuple

import numpy as np

from replay.judge.comparison.metric import Metric
from replay.judge.comparison.pair import Pair
from replay.judge.statistics.distributions import normal_quantile
from replay.judge.statistics.own_intervals import Known, OwnIntervals, p_value_of
from replay.judge.statistics.proportion import as_clustered, mean_bounds, mean_known, share_bounds
from replay.judge.statistics.quantile import quantile, quantile_bounds, quantile_worth
from replay.judge.statistics.repeated import Repeated
from replay.judge.statistics.resampling import Resampled, differences_of, mean_difference
from replay.judge.statistics.sample import Sample, worth
from replay.results.selector import Selector


class Found(NamedTuple):
    """A difference, however it was found. spread: its standard error; None where a side has no finite bound."""

    a: float
    b: float
    interval: Callable[[float], tuple[float, float]]
    p_value: float
    spread: float | None
    why_unsure: str | None = None

    @property
    def delta(self) -> float:
        return 0.0 if isinf(self.a) and isinf(self.b) else self.b - self.a


def difference_of(pair: "Pair", metric: Metric, selector: Selector, confidence: float) -> Found:
    """The difference of a metric that both sides have. Percentiles and means are drawn again where that tells
    enough.
    """
    is_share = metric.statistic in ("errors", "cold")
    if not is_share and pair.are_enough(metric.q, confidence):
        drawn: Resampled | None
        if metric.q is None:
            drawn = mean_difference(pair.resampling, *pair.samples(metric, selector))
        else:
            drawn = differences_of(pair.resampling, *pair.ordered(metric, selector), (metric.q,))[0]
        assert drawn is not None
        return Found(drawn.a, drawn.b, drawn.interval, drawn.p_value, drawn.spread)
    alone = pair.alone(metric, selector)
    if not is_share and pair.repeats and (beside := _beside_known(*alone, metric, confidence)) is not None:
        return beside
    ours, theirs = (
        _shares_known(alone, confidence)
        if is_share
        else (_known(sample, metric, confidence) for sample in alone)
    )
    correlation = 0.0
    if is_share and pair.is_paired and pair.are_enough(None, confidence):
        correlation = _correlation(*pair.samples(metric, selector), pair.resampling.blocks_a)
    own = OwnIntervals(ours, theirs, correlation)
    low, high = own.interval(confidence)
    spread = (high - low) / 2 / normal_quantile((1 + confidence) / 2) if high - low < inf else None
    why = None if is_share else pair.why_few(metric.q, confidence)
    return Found(ours.figure, theirs.figure, own.interval, own.p_value, spread, why)


def _beside_known(known: Sample, sample: Sample, metric: Metric, confidence: float) -> Found | None:
    """The difference to values that stay what they are, as a recording's do; None where that is not known either."""
    if known.n != sample.n or not np.isfinite(known.values).all():
        return None
    if metric.q is not None:
        repeated = Repeated(known.values, sample, metric.q)
        if not repeated.is_known:
            return None
        was, now = repeated.known_quantile, repeated.quantile

        def bounds(level: float) -> tuple[float, float]:
            low, high = repeated.interval(level)
            return low - was, high - was
    else:
        if not np.isfinite(sample.values).all():
            return None
        was, now = float(known.values.mean()), float(sample.values.mean())
        added = mean_known(Sample(sample.values - known.values, sample.cluster, sample.at))

        def bounds(level: float) -> tuple[float, float]:
            interval = mean_bounds(added, level)
            return (
                -inf if interval.low is None else interval.low,
                inf if interval.high is None else interval.high,
            )

    low, high = bounds(confidence)
    spread = why = None
    if high - low < inf:
        spread = (high - low) / 2 / normal_quantile((1 + confidence) / 2)
    elif metric.q is None:
        return None
    elif not isinf(now):
        times = repeated.times_needed(confidence)
        why = f"too few steps lie beyond this percentile: replay at {times} times the --scale"
    return Found(was, now, bounds, p_value_of(bounds), spread, why)


def _known(sample: Sample, metric: Metric, confidence: float) -> Known:
    """One side's figure by itself."""
    if metric.q is not None:
        q, ordered, tells = metric.q, sample.ordered, quantile_worth(sample, metric.q, confidence)
        return Known(quantile(ordered, q), lambda level: quantile_bounds(ordered, tells, q, level))
    known = mean_known(sample)
    return Known(float(sample.values.mean()), lambda level: mean_bounds(known, level))


def _shares_known(samples: Sequence[Sample], confidence: float) -> list[Known]:
    """Of both sides together, since one without a failure does not show how they cluster."""
    shares = [float(sample.values.mean()) for sample in samples]
    alone = [worth(sample.values > 0, sample, confidence) for sample in samples]
    known = as_clustered(shares, alone, [sample.n for sample in samples])
    return [
        Known(share, partial(share_bounds, share, tells)) for share, tells in zip(shares, known, strict=True)
    ]


def _correlation(a: Sample, b: Sample, blocks: int) -> float:
    """Of the errors of two means, over the blocks that both have."""
    left = []
    for sample in (a, b):
        sums = np.bincount(sample.cluster, weights=sample.values, minlength=blocks)
        left.append(sums - float(sample.values.mean()) * np.bincount(sample.cluster, minlength=blocks))
    scale = float((left[0] @ left[0]) * (left[1] @ left[1])) ** 0.5
    return float(left[0] @ left[1]) / scale if scale > 0 else 0.0
