"""Two targets side by side: which is faster, in what, and how sure that is.

Every metric of every series is one comparison, of this figure alone. Times are drawn again
(replay/judge/statistics/resampling.py) in blocks of sessions that start one after the other, so that neither what a
session has in common nor what a moment has counts more than once; blocks are as long as steps are seen to depend on
those before them (replay/judge/measures/blocks.py). Where that leaves too few, and for shares, the difference is
made of the intervals that each side has by itself (replay/judge/statistics/own_intervals.py). Its verdict:

- no_difference: the 1 - 2 alpha interval of the difference lies within the margin either way (two one-sided tests,
  Schuirmann 1987), whether or not a difference can be shown;
- a_faster or b_faster: the p-value is below alpha = 1 - confidence, which is to say that the interval leaves out zero;
- inconclusive: neither, or there are too few values.

A step that failed is infinitely slow, in percentiles; a mean is of the steps that were answered. Whoever fails more is
not called faster, whatever else the figures say: where a percentile falls among failures that is what the verdict says,
and where it does not, that the other is quicker where it answers decides nothing.

The metric that was asked for is tested at alpha by itself. All others are corrected together (Holm 1979), so that
the chance of any false difference among them is alpha. Nothing is decided when a run is in doubt
(`run_doubts` of replay/judge/gate/judging.py). Rounds of sequential runs must agree in direction: time between them is
not in any interval.
"""

import re
from collections.abc import Callable, Sequence
from math import inf, isinf
from typing import NamedTuple

import numpy as np

from replay.errors import InputError
from replay.judge.gate.judging import CONFIDENCE, run_doubts, unlike_recording
from replay.judge.measures.blocks import (
    are_enough,
    blocks_of,
    codes_in,
    count_of,
    stretches_of,
    variance_shown_by,
)
from replay.judge.measures.metrics import measured, rows_of, sample_of
from replay.judge.measures.slo import MEASURES, Selector, SloWindow
from replay.judge.statistics.distributions import normal_quantile
from replay.judge.statistics.own_intervals import Known, OwnIntervals
from replay.judge.statistics.proportion import mean_bounds, mean_known, share_bounds
from replay.judge.statistics.quantile import least_n, quantile, quantile_bounds, quantile_worth
from replay.judge.statistics.resampling import Resampled, Resampling, mean_difference, quantile_differences
from replay.judge.statistics.sample import Sample, worth
from replay.judge.types import (
    VERDICT_SCHEMA,
    ComparedTarget,
    CompareVerdict,
    Difference,
    Mode,
    Part,
)
from replay.results.columns import Codes, Columns
from replay.results.evidence import Evidence
from replay.results.fidelity import LEAST_FIDELITY
from replay.words.numbers import exact, number, percent
from replay.words.phrases import counted, were

MARGIN_PERCENT = 5.0
_POWER = 0.8
_MOST_NAMES = 20
_ALL = SloWindow()
_SAID = {"a_faster": "a is faster", "b_faster": "b is faster", "no_difference": "there is no difference"}


class MetricError(InputError, ValueError):
    """A metric to compare that cannot be read; str() is the whole message."""


class Metric(NamedTuple):
    """What is compared: statistic p50, p99.9 as p99_9, mean, errors or cold; of a measure for times."""

    statistic: str
    measure: str = "response"

    @property
    def q(self) -> float | None:
        return float(self.statistic[1:].replace("_", ".")) / 100 if self.statistic[0] == "p" else None

    def __str__(self) -> str:
        return self.statistic if self.measure == "response" else f"{self.statistic}({self.measure})"


class Side(NamedTuple):
    """One target: its name, and its runs, in the order in which they were made."""

    name: str
    runs: Sequence[Evidence]


def parse_metric(text: str) -> Metric:
    """`p99`, `p99(ttft)`, `mean(service)`, `errors` or `cold`. Raises MetricError."""
    found = re.fullmatch(r"\s*(p\d+(?:[._]\d+)?|mean|errors|cold)\s*(?:\(\s*(\w+)\s*\))?\s*", text.lower())
    measure = found[2] if found else None
    if found is None or (measure is not None and (measure not in MEASURES or found[1] in ("errors", "cold"))):
        raise MetricError(
            f"cannot compare {text!r}. Write a percentile or mean of one of {', '.join(MEASURES)}, for example "
            "p99 or p95(ttft), or errors, or cold."
        )
    metric = Metric(found[1].replace(".", "_"), measure or "response")
    if metric.q is not None and not 0 < metric.q < 1:
        raise MetricError(f"cannot compare {text!r}: a percentile lies between 0 and 100.")
    return metric


def judge_compare(
    a: Side,
    b: Side,
    mode: Mode,
    metric: Metric = Metric("p99"),  # noqa: B008 - a NamedTuple, so no call can change it
    margin_percent: float = MARGIN_PERCENT,
    confidence: float = CONFIDENCE,
    *,
    is_aa: bool = False,
    least_fidelity: float = LEAST_FIDELITY,
) -> CompareVerdict:
    """Judge every difference between two targets.

    least_fidelity: how like the recording each replay has to be, 0..1, for the two to be compared with each other.
    """
    pair = _Pair(a, b, mode)
    failing = _failing_more(pair, confidence)
    main = _main(pair, failing, metric, margin_percent, confidence)
    others = [
        _compared(pair, other, selector, margin_percent, confidence)
        for other, selector in _others(pair, metric, confidence)
    ]
    others = [other for other in others if other.n_a and other.n_b]
    _correct(others)
    for other in others:
        _judge(other, failing, confidence)
    reasons = [main.reason]
    doubts = [
        f"{run.name}: {doubt}"
        for side in (a, b)
        for run in side.runs
        for doubt in (*run_doubts(run.summary), *unlike_recording(run.summary, least_fidelity))
    ]
    verdict = main.verdict
    if mode == "sequential" and verdict in ("a_faster", "b_faster"):
        against = _rounds_against(a, b, metric, main)
        if against:
            verdict, reasons = "inconclusive", [against]
    if doubts and verdict != "inconclusive":
        verdict, reasons = "inconclusive", [f"would say that {_SAID[verdict]}, but {doubts[0]}"]
    return CompareVerdict(
        schema=VERDICT_SCHEMA,
        command="compare",
        verdict=verdict,
        mode=mode,
        metric=str(metric),
        reasons=reasons,
        targets=[_described("a", a), _described("b", b)],
        differences=[main, *others],
        margin_percent=margin_percent,
        is_aa=is_aa,
        noise_floor_ms=main.detectable_ms if is_aa else None,
        noise_floor_percent=_percent(main.detectable_ms, main.a_ms) if is_aa else None,
        notes=[*doubts, *([str(failing)] if failing.label else []), *_notes(a, b, mode)],
    )


def judge_difference(
    a: Side, b: Side, mode: Mode, metric: Metric, margin_percent: float, confidence: float
) -> Difference:
    """The difference that judge_compare would decide by, without its doubts."""
    pair = _Pair(a, b, mode)
    return _main(pair, _failing_more(pair, confidence), metric, margin_percent, confidence)


def _main(
    pair: "_Pair", failing: "_Failing", metric: Metric, margin_percent: float, confidence: float
) -> Difference:
    main = _compared(pair, metric, Selector(), margin_percent, confidence)
    main.p_adjusted = main.p_value
    _judge(main, failing, confidence)
    return main


class _Pair:
    """Two sides with their sessions under common codes: that of the block of sessions to which each belongs."""

    def __init__(self, a: Side, b: Side, mode: Mode) -> None:
        self.a = [run.columns for run in a.runs]
        self.b = [run.columns for run in b.runs]
        self.is_paired = mode in ("paired", "sequential")
        self.stretches = min(stretches_of(columns) for columns in (*self.a, *self.b))
        blocks_a = blocks_of([*self.a, *self.b] if self.is_paired else self.a, self.stretches)
        blocks_b = blocks_a if self.is_paired else blocks_of(self.b, self.stretches)
        self._maps_a = [codes_in(columns, blocks_a) for columns in self.a]
        self._maps_b = [codes_in(columns, blocks_b) for columns in self.b]
        named = [{session for columns in side for session in columns.sessions} for side in (self.a, self.b)]
        self.sessions = len(named[0] | named[1]) if self.is_paired else len(named[0]) + len(named[1])
        self.cut = int(sum(np.count_nonzero(columns.cut_sessions) for columns in (*self.a, *self.b)))
        counts = count_of(blocks_a), count_of(blocks_b)
        shown = variance_shown_by(max(counts), self.stretches)
        self.resampling = Resampling(*counts, self.is_paired, variance_shown=shown)

    def samples(self, metric: Metric, selector: Selector) -> tuple[Sample, Sample]:
        """Both sides' values of the metric, with common session codes."""
        return (
            _joined([_values(c, metric, selector) for c in self.a], self._maps_a),
            _joined([_values(c, metric, selector) for c in self.b], self._maps_b),
        )

    def alone(self, metric: Metric, selector: Selector) -> tuple[Sample, Sample]:
        """Both sides' values of the metric, each with its own sessions and times."""
        return (
            _in_a_row([_values(c, metric, selector) for c in self.a]),
            _in_a_row([_values(c, metric, selector) for c in self.b]),
        )

    def are_enough(self, q: float | None, confidence: float) -> bool:
        """Whether there are blocks enough to draw again."""
        blocks = min(self.resampling.blocks_a, self.resampling.blocks_b)
        return are_enough(blocks, self.stretches, q, confidence)

    @property
    def why_few(self) -> str:
        """Why there are not."""
        if isinf(self.stretches):
            return f"of {counted(self.sessions, 'session')} nobody knows how much sessions differ"
        return (
            "each step depends on those before it for so long that the runs hold only "
            f"{number(self.stretches)} stretches that are independent of one another"
        )


def _values(columns: Columns, metric: Metric, selector: Selector) -> Sample:
    """A measure in ms, or hits as 0 and 1, with the run's own session codes."""
    rows = rows_of(columns, selector, _ALL)
    if metric.statistic == "errors":
        return sample_of(columns, (~columns.ok[rows]).astype(np.float64), rows)
    if metric.statistic == "cold":
        rows = rows & (columns.cold >= 0)
        return sample_of(columns, (columns.cold[rows] == 1).astype(np.float64), rows)
    part: Part = "answered" if metric.statistic == "mean" else "all"
    return measured(columns, metric.measure, rows, part).sample


def _joined(samples: Sequence[Sample], maps: Sequence[Codes]) -> Sample:
    return Sample(
        np.concatenate([sample.values for sample in samples]),
        np.concatenate([codes[sample.cluster] for sample, codes in zip(samples, maps, strict=True)]).astype(
            np.int32
        ),
    )


def _in_a_row(samples: Sequence[Sample]) -> Sample:
    """Several runs of one side as one after the other."""
    clusters, ats, series = [], [], []
    cluster_from = at_from = series_from = 0
    for sample in samples:
        assert sample.at is not None
        clusters.append(sample.cluster + cluster_from)
        ats.append(sample.at.astype(np.int64) + at_from)
        kinds = np.zeros(sample.n, np.int32) if sample.series is None else sample.series
        series.append(kinds + series_from)
        cluster_from += int(sample.cluster.max(initial=-1)) + 1
        at_from += int(sample.at.max(initial=0)) + 1
        series_from += int(kinds.max(initial=-1)) + 1
    return Sample(
        np.concatenate([sample.values for sample in samples]),
        np.concatenate(clusters).astype(np.int32),
        np.concatenate(ats),
        np.concatenate(series).astype(np.int32),
    )


class _Found(NamedTuple):
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


def _found(pair: "_Pair", metric: Metric, selector: Selector, confidence: float) -> _Found:
    """The difference of a metric that both sides have. Percentiles and means are drawn again where that tells
    enough.
    """
    is_share = metric.statistic in ("errors", "cold")
    if not is_share and pair.are_enough(metric.q, confidence):
        a, b = pair.samples(metric, selector)
        drawn: Resampled | None
        if metric.q is None:
            drawn = mean_difference(pair.resampling, a, b)
        else:
            drawn = quantile_differences(pair.resampling, a, b, (metric.q,))[0]
        assert drawn is not None
        return _Found(drawn.a, drawn.b, drawn.interval, drawn.p_value, drawn.spread)
    alone = pair.alone(metric, selector)
    ours, theirs = (_known(sample, metric, confidence) for sample in alone)
    correlation = 0.0
    if is_share and pair.is_paired and pair.are_enough(None, confidence):
        correlation = _correlation(*pair.samples(metric, selector), pair.resampling.blocks_a)
    own = OwnIntervals(ours, theirs, correlation)
    low, high = own.interval(confidence)
    spread = (high - low) / 2 / normal_quantile((1 + confidence) / 2) if high - low < inf else None
    why = None if is_share else pair.why_few
    return _Found(ours.figure, theirs.figure, own.interval, own.p_value, spread, why)


def _known(sample: Sample, metric: Metric, confidence: float) -> Known:
    """One side's figure by itself."""
    if metric.q is not None:
        q, ordered, tells = metric.q, np.sort(sample.values), quantile_worth(sample, metric.q, confidence)
        return Known(quantile(ordered, q), lambda level: quantile_bounds(ordered, tells, q, level))
    figure = float(sample.values.mean())
    if metric.statistic in ("errors", "cold"):
        tells = worth(sample.values > 0, sample, confidence)
        return Known(figure, lambda level: share_bounds(figure, tells, level))
    known = mean_known(sample)
    return Known(figure, lambda level: mean_bounds(known, level))


def _correlation(a: Sample, b: Sample, blocks: int) -> float:
    """Of the errors of two means, over the blocks that both have."""
    left = []
    for sample in (a, b):
        sums = np.bincount(sample.cluster, weights=sample.values, minlength=blocks)
        left.append(sums - float(sample.values.mean()) * np.bincount(sample.cluster, minlength=blocks))
    scale = float((left[0] @ left[0]) * (left[1] @ left[1])) ** 0.5
    return float(left[0] @ left[1]) / scale if scale > 0 else 0.0


def _compared(
    pair: _Pair, metric: Metric, selector: Selector, margin_percent: float, confidence: float
) -> Difference:
    """One comparison, its interval and p-value; `_judge` gives the verdict of those that are not settled here."""
    a, b = pair.alone(metric, selector)
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
        n_failed_a=int(np.count_nonzero(np.isinf(a.values))),
        n_failed_b=int(np.count_nonzero(np.isinf(b.values))),
        sessions=pair.sessions,
    )
    if not a.n or not b.n:
        difference.reason = "one side lacks this figure"
        return difference
    if metric.q is not None:
        needed = least_n(metric.q, confidence)
        if min(a.n, b.n) < needed:
            _put(difference, quantile(np.sort(a.values), metric.q), quantile(np.sort(b.values), metric.q), 1.0)
            difference.reason = f"{min(a.n, b.n)} steps are too few; a {_percentile(metric.q)} needs {needed}"
            return difference
    found = _found(pair, metric, selector, confidence)
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
    elif found.why_unsure is not None:
        difference.reason = found.why_unsure
    return difference


def _is_equivalent(found: _Found, is_share: bool, margin_percent: float, confidence: float) -> bool:
    """Two one-sided tests, each at 1 - confidence. For shares the margin is in percentage points, as 0..1."""
    low, high = found.interval(1 - 2 * (1 - confidence))
    # Three times that are alike by chance say nothing of a fourth.
    if found.why_unsure is not None or isinf(found.a) or isinf(found.b):
        return False
    margin = margin_percent / 100 * (1.0 if is_share else abs(found.a))
    if is_share:
        # Five points of errors are no small matter: a tenth of the margin counts as none.
        margin /= 10
    return -margin < low and high < margin


def _put(difference: Difference, a: float, b: float, scale: float) -> None:
    delta = 0.0 if isinf(a) and isinf(b) else b - a
    difference.delta_percent = None if isinf(a) or isinf(b) else _percent(delta, a)
    if difference.unit == "ms":
        difference.a_ms, difference.b_ms = round(a, 6), round(b, 6)
        difference.delta_ms = None if isinf(a) and isinf(b) else round(delta, 6)
    else:
        difference.a, difference.b = round(a * scale, 6), round(b * scale, 6)
        difference.delta = round(delta * scale, 6)


def _put_doubt(difference: Difference, found: _Found, scale: float, confidence: float) -> None:
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


def _rounded(bound: float, found: _Found) -> float | None:
    """None where nothing bounds that side; infinite where failures do."""
    is_of_failures = isinf(found.a) or isinf(found.b) or found.why_unsure is None
    return None if isinf(bound) and not is_of_failures else round(bound, 6)


def _percent(delta: float | None, of: float | None) -> float | None:
    return None if delta is None or not of else round(100 * delta / of, 3)


class _Failing(NamedTuple):
    """Who fails more than the other, and how much, as a share of 0..1."""

    label: str | None
    a: float
    b: float

    def __str__(self) -> str:
        more, less = (self.a, self.b) if self.label == "a" else (self.b, self.a)
        return f"{self.label} fails more ({percent(more)} of its steps against {percent(less)})"


def _failing_more(pair: _Pair, confidence: float) -> _Failing:
    """By the test of the difference at alpha, or by more than matters of any difference."""
    a, b = pair.alone(Metric("errors"), Selector())
    if not a.n or not b.n or not (a.values.any() or b.values.any()):
        return _Failing(None, 0.0, 0.0)
    found = _found(pair, Metric("errors"), Selector(), confidence)
    is_more = found.p_value < 1 - confidence or abs(found.delta) > MARGIN_PERCENT / 1000
    label = None if not is_more or not found.delta else "b" if found.delta > 0 else "a"
    return _Failing(label, found.a, found.b)


def _judge(difference: Difference, failing: _Failing, confidence: float) -> None:
    """The verdict of a comparison that is not settled yet, by its adjusted p-value."""
    p_value = difference.p_adjusted
    if difference.verdict != "inconclusive" or p_value is None:
        return
    is_time = difference.unit == "ms"
    delta = difference.delta_ms if is_time else difference.delta
    if p_value >= 1 - confidence or not delta or _holds_zero(difference):
        unsure = difference.reason and f": {difference.reason}"
        difference.reason = f"neither a difference nor its absence can be shown{unsure}"
        return
    worse, better = ("b", "a") if delta > 0 else ("a", "b")
    if is_time and failing.label == better:
        difference.reason = (
            f"{better} is quicker where it answers, but {failing}, and nothing that fails is fast"
        )
        return
    difference.verdict = f"{better}_faster"  # type: ignore[assignment]
    if is_time and isinf(delta):
        share = failing.b if worse == "b" else failing.a
        figure = f"its {difference.metric.replace('_', '.')} falls among them"
        difference.reason = f"{worse} fails: {percent(share)} of its steps failed, and {figure}"
        return
    more = {"errors": "fails more often", "cold": "is cold more often"}.get(difference.metric, "takes longer")
    difference.reason = f"{worse} {more}"


def _holds_zero(difference: Difference) -> bool:
    """Whether the interval shown beside a difference has none in it."""
    shown = difference.ci_ms if difference.unit == "ms" else difference.ci
    if shown is None:
        return True
    low, high = shown
    return (low is None or low <= 0) and (high is None or high >= 0)


def _correct(differences: Sequence[Difference]) -> None:
    """Holm (1979), in place: step down from the smallest p-value."""
    tested = sorted((d for d in differences if d.p_value is not None), key=lambda d: d.p_value or 0.0)
    least = 0.0
    for rank, difference in enumerate(tested):
        least = max(least, min(1.0, (len(tested) - rank) * (difference.p_value or 0.0)))
        difference.p_adjusted = round(least, 6)


def _others(pair: _Pair, main: Metric, confidence: float) -> list[tuple[Metric, Selector]]:
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


def _is_worth_asking(pair: _Pair, metric: Metric, selector: Selector, confidence: float) -> bool:
    """Whether both sides have values enough; a question that cannot be answered only weakens the others."""
    a, b = pair.samples(metric, selector)
    needed = 2 if metric.q is None else least_n(metric.q, confidence)
    return min(a.n, b.n) >= needed


def _names(pair: _Pair) -> list[tuple[str, str]]:
    """The step names that both sides have, the most frequent first."""
    counts: dict[tuple[str, str], list[int]] = {}
    for side, runs in enumerate((pair.a, pair.b)):
        for columns in runs:
            for code, n in enumerate(np.bincount(columns.series, minlength=len(columns.series_names))):
                counts.setdefault(columns.series_names[code], [0, 0])[side] += int(n)
    common = [(key, min(both)) for key, both in counts.items() if min(both)]
    return [key for key, _ in sorted(common, key=lambda item: (-item[1], item[0]))[:_MOST_NAMES]]


def _rounds_against(a: Side, b: Side, metric: Metric, main: Difference) -> str | None:
    """Why the rounds of a sequential comparison do not bear each other out; None if they do."""
    delta = main.delta_ms if main.unit == "ms" else main.delta
    for round_no, (run_a, run_b) in enumerate(zip(a.runs, b.runs, strict=False), 1):
        found = [_figure(_values(run.columns, metric, Selector()), metric) for run in (run_a, run_b)]
        # Written so that two infinite figures, which differ by nothing known, do not bear it out.
        if found[0] is None or found[1] is None or not (found[1] - found[0]) * (delta or 0.0) > 0:
            return f"round {round_no} does not show the difference that all rounds together show"
    return None


def _figure(sample: Sample, metric: Metric) -> float | None:
    if not sample.n:
        return None
    return float(sample.values.mean()) if metric.q is None else quantile(np.sort(sample.values), metric.q)


def _described(label: str, side: Side) -> ComparedTarget:
    counts = [run.summary.counts for run in side.runs]
    verdicts = [run.summary.generator.verdict for run in side.runs]
    return ComparedTarget(
        label=label,
        name=side.name,
        url=side.runs[0].summary.target.url,
        runs=[run.name for run in side.runs],
        steps=sum(count.steps for count in counts),
        failed=sum(count.failed for count in counts),
        generator=next((verdict for verdict in ("saturated", "suspect") if verdict in verdicts), "ok"),
    )


def _notes(a: Side, b: Side, mode: Mode) -> list[str]:
    notes = []
    if mode == "unpaired":
        notes.append(
            "these runs were made apart from each other, so what differed between their times counts as a difference "
            "between the targets"
        )
    if mode == "sequential":
        notes.append(
            "the targets were replayed one after the other; drift between the rounds is in no interval"
        )
    if {run.summary.trace.sha256 for run in a.runs} != {run.summary.trace.sha256 for run in b.runs}:
        notes.append("the sides replayed different traces")
    kept_back = [any(run.summary.counts.withheld for run in side.runs) for side in (a, b)]
    if kept_back[0] != kept_back[1]:
        notes.append(f"side {'a' if kept_back[0] else 'b'} was replayed read-only and the other was not")
    failed = [(side.name, sum(run.summary.counts.failed for run in side.runs)) for side in (a, b)]
    if any(n for _, n in failed):
        shown = ", ".join(f"{name} {n}" for name, n in failed)
        notes.append(
            f"failed steps: {shown}; in percentiles they are infinitely slow, in means they are left out"
        )
    return notes


def _percentile(q: float) -> str:
    return f"p{exact(100 * q)}"
