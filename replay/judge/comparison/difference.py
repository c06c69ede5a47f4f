"""One comparison as it is written: figures, interval, p-value, and whether the two are alike."""

from math import ceil, isfinite, isinf

from replay.judge.comparison.found import Found, difference_of
from replay.judge.comparison.metric import Metric
from replay.judge.comparison.pair import Pair
from replay.judge.statistics.distributions import normal_quantile
from replay.judge.statistics.quantile import least_n, quantile
from replay.judge.types import (
    Difference,
)
from replay.results.selector import Selector
from replay.words.numbers import exact
from replay.words.phrases import were

MARGIN_PERCENT = 5.0
_POWER = 0.8
_MOST_TIMES = 1000


def compared(
    pair: Pair, metric: Metric, selector: Selector, margin_percent: float, confidence: float
) -> Difference:
    """One comparison, its interval and p-value; `decide` gives the verdict of those that are not settled here."""
    a, b = pair.sizes(metric, selector)
    is_share = metric.statistic in ("errors", "cold")
    difference = Difference(
        metric=metric.statistic,
        series=metric.statistic if is_share else metric.measure,
        kind=selector.kind,
        name=selector.name,
        unit="percent" if is_share else "ms",
        verdict="inconclusive",
        reason="",
        confidence=confidence,
        n_a=a.n,
        n_b=b.n,
        n_failed_a=a.failed,
        n_failed_b=b.failed,
        sessions=pair.sessions,
    )
    if not a.n or not b.n:
        difference.reason = "one side lacks this figure"
        return difference
    if metric.q is not None:
        needed = least_n(metric.q, confidence)
        if min(a.n, b.n) < needed:
            own_a, own_b = pair.alone(metric, selector)
            _put(difference, quantile(own_a.ordered, metric.q), quantile(own_b.ordered, metric.q), 1.0)
            times = ceil(needed / min(a.n, b.n))
            difference.reason = (
                f"too few steps ({min(a.n, b.n):,}); a {_percentile(metric.q)} needs {needed:,}: replay at {times} "
                "times the --scale"
            )
            return difference
    found = difference_of(pair, metric, selector, confidence)
    scale = 100.0 if is_share else 1.0
    _put(difference, found.a, found.b, scale)
    if isinf(found.a) and isinf(found.b):
        difference.reason = "both fall among failures, so there are no times to compare"
        return difference
    if metric.measure == "makespan" and pair.cut:
        # The slow ones are cut off first, so what is left is not alike on both sides.
        difference.reason = (
            f"{were(pair.cut, 'session')} cut off before the end, so not all makespans are known"
        )
        return difference
    _put_doubt(difference, found, scale, confidence)
    difference.p_value = difference.p_adjusted = round(found.p_value, 6)
    if _is_equivalent(found, is_share, margin_percent, confidence):
        difference.verdict = "no_difference"
        difference.reason = f"the difference lies within the margin of {exact(margin_percent)}%"
    else:
        difference.reason = found.why_unsure or _what_settles(found, is_share, margin_percent, confidence)
    return difference


def _what_settles(found: Found, is_share: bool, margin_percent: float, confidence: float) -> str:
    """How many times as many steps would show the difference, or that it does not matter; whichever needs fewer.

    An interval is half as wide where there are four times as many. Empty where no number that anybody replays does.
    """
    low, high = found.interval(confidence)
    room = max(abs(found.delta), _margin(found, is_share, margin_percent) - abs(found.delta))
    # Two infinite bounds, as of a side where most steps fail, are no width at all.
    if not isfinite(high - low) or not isfinite(room) or not room:
        return ""
    times = ceil(((high - low) / 2 / room) ** 2)
    if not 1 < times <= _MOST_TIMES:
        return ""
    return f"about {times:,} times as many steps would settle it, with a larger --scale or a longer run"


def _margin(found: Found, is_share: bool, margin_percent: float) -> float:
    """The difference up to which sides count as equal; for shares in points, as 0..1, and a tenth of what was asked:
    five points of errors are no small matter.
    """
    return margin_percent / 1000 if is_share else margin_percent / 100 * abs(found.a)


def _is_equivalent(found: Found, is_share: bool, margin_percent: float, confidence: float) -> bool:
    """Two one-sided tests, each at 1 - confidence. For shares the margin is in percentage points, as 0..1."""
    low, high = found.interval(1 - 2 * (1 - confidence))
    # Three times that are alike by chance say nothing of a fourth.
    if found.why_unsure is not None or isinf(found.a) or isinf(found.b):
        return False
    margin = _margin(found, is_share, margin_percent)
    return -margin < low and high < margin


def _put(difference: Difference, a: float, b: float, scale: float) -> None:
    delta = 0.0 if isinf(a) and isinf(b) else b - a
    difference.delta_percent = None if isinf(a) or isinf(b) else percent_of(delta, a)
    if difference.unit == "ms":
        difference.a_ms, difference.b_ms = round(a, 6), round(b, 6)
        difference.delta_ms = None if isinf(a) and isinf(b) else round(delta, 6)
    else:
        difference.a, difference.b = round(a * scale, 6), round(b * scale, 6)
        difference.delta = round(delta * scale, 6)


def _put_doubt(difference: Difference, found: Found, scale: float, confidence: float) -> None:
    low, high = found.interval(confidence)
    detectable = None
    if found.spread is not None:
        powers = normal_quantile((1 + confidence) / 2) + normal_quantile(_POWER)
        detectable = round(powers * found.spread * scale, 6)
    if difference.unit == "ms":
        known = _rounded(low, found), _rounded(high, found)
        difference.ci_ms, difference.detectable_ms = known, detectable
    else:
        difference.ci = round(low * scale, 6), round(high * scale, 6)
        difference.detectable = detectable


def _rounded(bound: float, found: Found) -> float | None:
    """None where nothing bounds that side; infinite where failures do."""
    is_of_failures = isinf(found.a) or isinf(found.b) or found.why_unsure is None
    return None if isinf(bound) and not is_of_failures else round(bound, 6)


def percent_of(delta: float | None, of: float | None) -> float | None:
    return None if delta is None or not of else round(100 * delta / of, 3)


def _percentile(q: float) -> str:
    return f"p{exact(100 * q)}"
