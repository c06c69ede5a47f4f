"""What is compared beside the metric that was asked for: the usual figures, and two for each step name."""

import numpy as np

from replay.judge.comparison.metric import Metric
from replay.judge.comparison.pair import Pair
from replay.judge.statistics.quantile import least_n
from replay.results.selector import Selector

_MOST_NAMES = 20


def further_questions(pair: Pair, main: Metric, confidence: float) -> list[tuple[Metric, Selector]]:
    """What else is compared: the usual figures over all steps, and two for each step name."""
    everything = [
        Metric(statistic, measure)
        for measure, statistics in (
            ("response", ("p50", "p90", "p95", "p99", "p99_9", "mean")),
            ("service", ("p50", "p99", "mean")),
            ("ttfb", ("p50", "p99")),
            ("ttft", ("p50", "p99")),
            ("tpot", ("p50",)),
            ("makespan", ("p50", "p99", "mean")),
        )
        for statistic in statistics
    ]
    wanted: list[tuple[Metric, Selector]] = []
    for metric in everything:
        if metric != main and _is_worth_asking(pair, metric, Selector(), confidence):
            wanted.append((metric, Selector()))
    for share in (Metric("errors"), Metric("cold")):
        a, b = pair.samples(share, Selector())
        if share != main and a.n and b.n and (a.values.any() or b.values.any()):
            wanted.append((share, Selector()))
    names = _names(pair)
    if len(names) > 1:
        for kind, name in names:
            selector = Selector(kind, name, is_glob=False)
            for metric in (Metric("p50"), Metric("p99")):
                if _is_worth_asking(pair, metric, selector, confidence):
                    wanted.append((metric, selector))
    return wanted


def _is_worth_asking(pair: Pair, metric: Metric, selector: Selector, confidence: float) -> bool:
    """Whether both sides have values enough; a question that cannot be answered only weakens the others."""
    a, b = pair.sizes(metric, selector)
    needed = 2 if metric.q is None else least_n(metric.q, confidence)
    return min(a.n, b.n) >= needed


def _names(pair: Pair) -> list[tuple[str, str]]:
    """The step names that both sides have, the most frequent first."""
    counts: dict[tuple[str, str], list[int]] = {}
    for side, runs in enumerate((pair.a, pair.b)):
        for columns in runs:
            for code, n in enumerate(np.bincount(columns.series, minlength=len(columns.series_names))):
                counts.setdefault(columns.series_names[code], [0, 0])[side] += int(n)
    common = [(key, min(both)) for key, both in counts.items() if min(both)]
    return [key for key, _ in sorted(common, key=lambda item: (-item[1], item[0]))[:_MOST_NAMES]]
